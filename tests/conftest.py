"""Fixtures of all tests in Python: the build under test, services, and deployments."""

import os
import shutil
import sys
import tempfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

from deployment.services import Postgres  # noqa: E402
from lib.findings import findings_below  # noqa: E402
from lib.own import Own  # noqa: E402

# All that the tests' servers and clients ask for is on this machine, under names that no forward proxy knows.
for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)


@pytest.fixture(scope="session")
def build():
    return os.environ.get("GANGLION_BUILD", os.path.join(TOP, "build", "dev"))


@pytest.fixture(scope="session")
def folder():
    """A folder that every user may enter (PostgreSQL and nginx run as others). No process may have died of a mistake in it, also
    none that its test did not miss."""
    path = tempfile.mkdtemp(prefix="ganglion-test-", dir=os.environ.get("GANGLION_TEST_FOLDER"))
    os.chmod(path, 0o755)
    yield path
    found = findings_below(path)
    if not os.environ.get("GANGLION_TEST_KEEP"):
        shutil.rmtree(path, ignore_errors=True)
    assert not found, found


@pytest.fixture(scope="session")
def postgres(folder):
    """A cluster of this run: another one beside it, with databases named alike and connections of its own, is not met."""
    server = Postgres(os.path.join(folder, "postgres"), options=("fsync=off",)).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def own(build, folder, postgres):
    """Deployments of a test's own: see lib/own.py."""
    return Own(build, folder, postgres)
