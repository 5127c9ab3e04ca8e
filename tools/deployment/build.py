"""How ./run and ./check build: the same commands, so that one goes on where the other stopped."""

import os
import re
import shlex
import shutil

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXED_COMPILERS = {"fuzz": "clang", "aarch64": "aarch64-linux-gnu-gcc"}  # as CMakePresets.json says


def folder(preset):
    return os.path.join(TOP, "build", preset)


def _program(name):
    found = shutil.which(name)
    return os.path.realpath(found) if found else None


def is_foreign(preset):
    """Was the build folder made by another compiler or generator, or brought along from another place? CMake would keep
    that compiler, or refuse."""
    try:
        with open(os.path.join(folder(preset), "CMakeCache.txt"), encoding="utf-8", errors="replace") as f:
            cache = dict(re.findall(r"^(\w+):\w+=(.*)$", f.read(), re.MULTILINE))
    except FileNotFoundError:
        return False
    wanted = FIXED_COMPILERS.get(preset) or (shlex.split(os.environ.get("CC", "")) or ["cc"])[0]
    return (_program(cache.get("CMAKE_C_COMPILER", "")) != _program(wanted) or cache.get("CMAKE_GENERATOR") != "Ninja"
            or os.path.realpath(cache.get("CMAKE_HOME_DIRECTORY", "")) != os.path.realpath(TOP))


def configure(preset, *settings):
    fresh = ["--fresh"] if is_foreign(preset) else []
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    return ["cmake", "--preset", preset, *fresh, *launcher, *settings]


def build(preset):
    return ["cmake", "--build", "--preset", preset]


def environment():
    """ccache fails where it cannot write; a home that is missing or read-only must not stop a build."""
    if "CCACHE_DIR" in os.environ or os.access(os.path.expanduser("~"), os.W_OK):
        return dict(os.environ)
    return {**os.environ, "CCACHE_DIR": os.path.join(TOP, "var", "ccache")}
