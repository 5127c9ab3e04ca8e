"""The suites: each takes the context and returns (passed, failed)."""

import glob
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor

from .context import TOP

ROLES = ("homeserver", "generic_worker", "pusher", "appservice", "federation_sender", "media_repository", "user_dir", "frontend_proxy")

# A finding ends the process with a status that no test accepts.
SANITIZERS = {"ASAN_OPTIONS": "detect_leaks=1:exitcode=99", "UBSAN_OPTIONS": "print_stacktrace=1"}


def _ctest(context, preset, env=None):
    build = context.build(preset)
    if build is None:
        return 0, 1
    report = os.path.join(context.folder, f"ctest-{preset}.xml")
    context.run(["ctest", "--test-dir", build, "-j", "2", "--output-on-failure", "--output-junit", report], f"ctest-{preset}",
                {**context.environment(), **(env or {})}, timeout=1500)
    return _junit(report)


def _junit(report):
    if not os.path.exists(report):
        return 0, 1
    passed = failed = 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail":
            failed += 1
            print(f"     failed: {case.get('classname')} {case.get('name')}", flush=True)
        elif case.find("skipped") is None:
            passed += 1
    return passed, failed


def _pytest(context, name, folders, preset, env=None, timeout=2400, python=None):
    build = context.build(preset)
    python = python or context.venv("tests", os.path.join(TOP, "tests", "requirements.txt"))
    if build is None or python is None:
        return 0, 1
    report = os.path.join(context.folder, f"pytest-{name}.xml")
    context.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *folders],
                f"pytest-{name}", {**context.environment(), "GANGLION_BUILD": build, "GANGLION_TEST_PORT_PG": str(context.postgres.port),
                                   "GANGLION_TEST_PASSWORD_PG": context.postgres.password, **(env or {})}, timeout=timeout)
    return _junit(report)


def unit(context):
    """Sanitizers find what a release build hides; distribution flags find what a debug build hides."""
    passed, failed = 0, 0
    for preset in ("asan", "release"):
        good, bad = _ctest(context, preset, {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"})
        passed, failed = passed + good, failed + bad
    return passed, failed


def valgrind(context):
    """The fibers once more under valgrind: it follows the stacks by other means than the sanitizers."""
    build = context.build("release")
    if build is None:
        return 0, 1
    passed = failed = 0
    for name in ("test_fiber", "test_wait"):
        ok = context.run(["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
                          os.path.join(build, "bin", name)], f"valgrind-{name}", timeout=600)
        passed, failed = passed + ok, failed + (not ok)
    return passed, failed


def fuzz(context):
    """Each target for a bounded time, one for each core at once, starting from the corpus that is kept with it."""
    build = context.build("fuzz")
    if build is None:
        return 0, 1

    def run(target):
        name = os.path.basename(target)
        corpus = os.path.join(context.folder, "corpus", name)
        os.makedirs(corpus)
        seeds = os.path.join(TOP, "tests", "fuzz", "corpus", name)
        folders = [corpus] + ([seeds] if os.path.isdir(seeds) else [])
        return context.run([target, "-max_total_time=20", "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={context.folder}/{name}-", *folders],
                           name, timeout=120)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        good = list(pool.map(run, sorted(glob.glob(os.path.join(build, "bin", "fuzz_*")))))
    return good.count(True), good.count(False)


def plugins(context):
    """Every role builds alone, and none links what only another one needs."""
    passed = failed = 0
    for role in ROLES:
        if not os.path.exists(os.path.join(TOP, "plugins", role, "CMakeLists.txt")):
            continue
        build = os.path.join(context.folder, f"alone-{role}")
        ok = context.run(["cmake", "-S", TOP, "-B", build, "-G", "Ninja", f"-DGANGLION_PLUGINS={role}", "-DGANGLION_TESTS=OFF",
                          "-DCMAKE_C_COMPILER_LAUNCHER=ccache"], f"alone-{role}-configure") and \
            context.run(["cmake", "--build", build], f"alone-{role}-build")
        made = sorted(os.path.basename(p) for p in glob.glob(os.path.join(build, "plugins", "*.so")))
        if ok and made != [f"{role}.so"]:
            print(f"     {role} alone made {made}")
            ok = False
        if ok:
            linked = subprocess.run(["ldd", os.path.join(build, "plugins", f"{role}.so")], capture_output=True, text=True, check=True).stdout
            foreign = [other for other in ROLES if other != role and re.search(rf"\b{other}\.so", linked)]
            heavy = [lib for lib in ("libvips", "libgumbo", "libpcre2") if lib in linked and role not in ("media_repository", "appservice")]
            if foreign or heavy:
                print(f"     {role} links {foreign + heavy}")
                ok = False
        passed, failed = passed + ok, failed + (not ok)
    return passed, failed


def differential(context):
    return _pytest(context, "differential", ["tests/differential"], "release")


def e2e(context):
    """On the sanitized build: a leak or an overrun in any process fails the test that caused it."""
    return _pytest(context, "e2e", ["tests/e2e", "tests/seed"], "asan", SANITIZERS)


def sdk(context):
    return _pytest(context, "sdk", ["tests/sdk"], "release")


def interop(context):
    """Real Synapse beside us; its own environment, as its requirements are its own."""
    python = context.venv("synapse", os.path.join(TOP, "tests", "interop", "requirements.txt"))
    if python is None:
        return 0, 1
    return _pytest(context, "interop", ["tests/interop"], "asan", {"SYNAPSE_PYTHON": python, **SANITIZERS})


def clients(context):
    """Clients that others have written, each in the version that its requirements name."""
    python = context.venv("clients", os.path.join(TOP, "tests", "clients", "requirements.txt"))
    place = python and context.node_modules(python, os.path.join(TOP, "tests", "clients", "package.json"))
    if not place:
        return 0, 1
    return _pytest(context, "clients", ["tests/clients"], "asan", {"GANGLION_TEST_CLIENTS": place, **SANITIZERS}, python=python)


def faults(context):
    """Sanitized: what comes apart under load and kills is memory. Freed memory is kept for a short while only, since the
    processes' growth is measured."""
    options = SANITIZERS["ASAN_OPTIONS"] + ":quarantine_size_mb=4:malloc_context_size=4"
    return _pytest(context, "faults", ["tests/faults"], "asan", {**SANITIZERS, "ASAN_OPTIONS": options})


ALL = {
    "unit": (unit, "cmocka programs, with sanitizers and with the distribution's flags"),
    "valgrind": (valgrind, "fibers under valgrind"),
    "plugins": (plugins, "each role builds alone and links nothing of another"),
    "differential": (differential, "canonical JSON and signatures against Python's"),
    "sdk": (sdk, "plugins built outside the tree, packages"),
    "e2e": (e2e, "whole deployments, monolith and split, through HTTP"),
    "interop": (interop, "real Synapse on the same database and Redis"),
    "clients": (clients, "clients that others have written, with encryption"),
    "faults": (faults, "processes killed under load"),
    "fuzz": (fuzz, "parsers of foreign bytes, 20 s each"),
}
FOLDERS = {"differential": "tests/differential", "sdk": "tests/sdk", "e2e": "tests/e2e", "interop": "tests/interop", "clients": "tests/clients", "faults": "tests/faults"}
SUITES = {name: suite for name, suite in ALL.items() if name not in FOLDERS or os.path.isdir(os.path.join(TOP, FOLDERS[name]))}
