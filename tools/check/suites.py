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
# Freed memory is kept for a short while only: where the processes' growth is measured.
LEAN_SANITIZERS = {**SANITIZERS, "ASAN_OPTIONS": SANITIZERS["ASAN_OPTIONS"] + ":quarantine_size_mb=4:malloc_context_size=4"}
FUZZ_RUNS, FUZZ_SECONDS = 1_000_000, 20  # for each target, whichever comes first


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


def _pytest(context, name, folders, preset, env=None, timeout=2400, python=None, parts=("",)):
    """parts: selections (-k) that together are all; two run at once, since tests mostly wait for processes."""
    build = context.build(preset)
    python = python or context.venv("tests", os.path.join(TOP, "tests", "requirements.txt"))
    if build is None or python is None:
        return 0, 1
    env = {**context.environment(), "GANGLION_BUILD": build, **(env or {})}

    def run(number):
        report = os.path.join(context.folder, f"pytest-{name}-{number}.xml")
        context.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", parts[number], f"--junitxml={report}", *folders],
                    f"pytest-{name}-{number}", env, timeout=timeout)
        return _junit(report)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, range(len(parts))))
    return sum(good for good, _ in results), sum(bad for _, bad in results)


# Tests that are run on several kinds of deployment, by the kind; the first part, the longest, has also whatever has none.
KINDS = ("not split and not spread", "split and not spread", "spread")


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
    """Each target for a bounded number of inputs, one for each core at once, starting from the corpus that is kept with it. What is
    checked at every change is the same on each machine: one seed, and no addresses that differ (what is compared becomes input), so
    that a change is refused for what it changed. A longer run, GANGLION_FUZZ_SECONDS each, seeks anew."""
    seconds = os.environ.get("GANGLION_FUZZ_SECONDS")
    bounds = [f"-max_total_time={seconds or FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048"]
    fixed = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0 else []
    if not seconds:
        bounds += ["-seed=1", f"-runs={FUZZ_RUNS}"]
    build = context.build("fuzz")
    if build is None:
        return 0, 1

    def run(target):
        name = os.path.basename(target)
        corpus = os.path.join(context.folder, "corpus", name)
        os.makedirs(corpus)
        seeds = os.path.join(TOP, "tests", "fuzz", "corpus", name)
        folders = [corpus] + ([seeds] if os.path.isdir(seeds) else [])
        return context.run([*fixed, target, *bounds, f"-artifact_prefix={context.folder}/{name}-", *folders], name, timeout=120 + int(seconds or 0))

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
            heavy = [lib for lib in ("libvips", "libxml2") if lib in linked and role != "media_repository"]
            if foreign or heavy:
                print(f"     {role} links {foreign + heavy}")
                ok = False
        passed, failed = passed + ok, failed + (not ok)
    return passed, failed


def differential(context):
    return _pytest(context, "differential", ["tests/differential"], "release")


def e2e(context):
    """On the sanitized build: a leak or an overrun in any process fails the test that caused it."""
    return _pytest(context, "e2e", ["tests/e2e", "tests/seed"], "asan", SANITIZERS, parts=KINDS)


# What crosses the front in every way that clients have; the whole suite passes so too (GANGLION_TEST_ROUTER=ganglion).
THROUGH_ROUTER = ("test_conversation", "test_any_path", "test_sync", "test_to_device", "test_media")


def router(context):
    """Ganglion's own reverse proxy in nginx's place."""
    return _pytest(context, "router", [f"tests/e2e/{name}.py" for name in THROUGH_ROUTER] + ["-k", "split"], "asan",
                   {**SANITIZERS, "GANGLION_TEST_ROUTER": "ganglion"})


def federation(context):
    """Two servers and more, on the sanitized build."""
    return _pytest(context, "federation", ["tests/federation"], "asan", LEAN_SANITIZERS, parts=("split", "not split"))


def sdk(context):
    return _pytest(context, "sdk", ["tests/sdk"], "release")


def interop(context):
    """Real Synapse beside us; its own environment, as its requirements are its own."""
    python = context.venv("synapse", os.path.join(TOP, "tests", "interop", "requirements.txt"))
    if python is None:
        return 0, 1
    return _pytest(context, "interop", ["tests/interop"], "asan", {"SYNAPSE_PYTHON": python, **SANITIZERS},
                   parts=("federation", "not federation"))


def clients(context):
    """Clients that others have written, each in the version that its requirements name."""
    python = context.venv("clients", os.path.join(TOP, "tests", "clients", "requirements.txt"))
    place = python and context.node_modules(python, os.path.join(TOP, "tests", "clients", "package.json"))
    if not place:
        return 0, 1
    return _pytest(context, "clients", ["tests/clients"], "asan", {"GANGLION_TEST_CLIENTS": place, **SANITIZERS}, python=python)


def faults(context):
    """Sanitized: what comes apart under load and kills is memory."""
    return _pytest(context, "faults", ["tests/faults"], "asan", LEAN_SANITIZERS)


def _emulated(context, build):
    """A build folder whose programs run under emulation: scripts with their names, and the roles beside them."""
    folder = os.path.join(context.folder, "emulated")
    os.makedirs(os.path.join(folder, "bin"))
    os.symlink(os.path.join(build, "plugins"), os.path.join(folder, "plugins"))
    for name in ("ganglion", "ganglionctl", "register_new_matrix_user", "hash_password"):
        path = os.path.join(folder, "bin", name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nexec qemu-aarch64-static -L '{SYSROOT}' '{build}/bin/{name}' \"$@\"\n")
        os.chmod(path, 0o755)
    return folder


SYSROOT = os.path.join(TOP, "var", "aarch64", "root")
# What a client does from its first login on, with media (libvips) and signatures. What starts a process from within a
# process is left out: that needs binfmt_misc, which belongs to the whole machine.
EMULATED = ("test_conversation", "test_rooms", "test_sync", "test_media", "test_previews", "test_keys")
# libvips makes code while it runs, in memory that is mapped twice; qemu before 8.1 goes on with what it translated before.
NO_CODE_AT_RUN_TIME = {"VIPS_NOVECTOR": "1"}


def aarch64(context):
    """The unit tests of a build for arm64, and a monolith of it beside this machine's PostgreSQL, under qemu."""
    setup = os.path.join(TOP, "tools", "setup")
    if not (context.run([os.path.join(setup, "packages.sh"), "aarch64"], "packages-aarch64") and
            context.run([os.path.join(setup, "sysroot.sh"), os.path.dirname(SYSROOT)], "sysroot")):
        return 0, 1
    good, bad = _ctest(context, "aarch64")
    if context.build("aarch64") is None:
        return good, bad
    folder = _emulated(context, context.build("aarch64"))
    more, worse = _pytest(context, "aarch64", [f"tests/e2e/{name}.py" for name in EMULATED], "aarch64",
                          {"GANGLION_BUILD": folder, **NO_CODE_AT_RUN_TIME}, parts=KINDS[:1])
    return good + more, bad + worse


def _needs(folder):
    """What the packages of a folder depend on beside each other, as a Depends field."""
    debs = sorted(glob.glob(os.path.join(folder, "*.deb")))
    fields = [subprocess.run(["dpkg-deb", "-f", deb, "Depends"], capture_output=True, text=True, check=True).stdout for deb in debs]
    return ", ".join(sorted({one.strip() for field in fields for one in field.split(",") if "ganglion" not in one} - {""}))


def systemd(context):
    """The packages under a systemd that is process 1 of namespaces."""
    build, setup = context.build("release"), os.path.join(TOP, "tools", "setup")
    folder = os.path.join(context.folder, "packages")
    if build is None or not context.run([os.path.join(setup, "packages.sh"), "systemd"], "packages-systemd") or \
            not context.run(["cpack", "-G", "DEB", "-B", folder], "cpack", cwd=build) or \
            not context.run([os.path.join(setup, "debian_root.sh"), os.path.join(TOP, "var", "systemd"), _needs(folder)], "debian-root"):
        return 0, 1
    good, bad = _pytest(context, "systemd", ["tests/systemd", "-rs"], "release")
    if good + bad == 0:
        with open(os.path.join(context.folder, "pytest-systemd-0.log"), encoding="utf-8") as f:
            print(f"     {f.read().strip()}", flush=True)
    return good, bad


ALL = {
    "unit": (unit, "cmocka programs, with sanitizers and with the distribution's flags"),
    "valgrind": (valgrind, "fibers under valgrind"),
    "plugins": (plugins, "each role builds alone and links nothing of another"),
    "differential": (differential, "canonical JSON and signatures against Python's"),
    "sdk": (sdk, "plugins built outside the tree, packages"),
    "e2e": (e2e, "whole deployments, monolith and split, through HTTP"),
    "router": (router, "the split behind Ganglion's own reverse proxy"),
    "federation": (federation, "servers that share rooms: ours with ours, and with one that the tests play"),
    "interop": (interop, "real Synapse on the same database and Redis"),
    "clients": (clients, "clients that others have written, with encryption"),
    "faults": (faults, "processes killed under load"),
    "fuzz": (fuzz, "parsers of foreign bytes, up to 1,000,000 inputs each"),
}
# Run when they are named: they need more of the machine than a checkout.
NAMED = {
    "aarch64": (aarch64, "unit tests and a monolith built for arm64, under qemu (only when named)"),
    "systemd": (systemd, "packages and units on a machine that systemd boots, in namespaces (only when named)"),
}
FOLDERS = {"differential": "tests/differential", "sdk": "tests/sdk", "e2e": "tests/e2e", "federation": "tests/federation", "interop": "tests/interop", "clients": "tests/clients", "faults": "tests/faults"}
SUITES = {name: suite for name, suite in ALL.items() if name not in FOLDERS or os.path.isdir(os.path.join(TOP, FOLDERS[name]))}
