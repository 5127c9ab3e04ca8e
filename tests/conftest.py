"""Fixtures of all tests in Python: the build under test, services, and deployments."""

import os
import shutil
import sys
import tempfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(TOP, "tools"), os.path.join(TOP, "tests")]

from deployment.services import Postgres  # noqa: E402


@pytest.fixture(scope="session")
def build():
    return os.environ.get("GANGLION_BUILD", os.path.join(TOP, "build", "dev"))


@pytest.fixture(scope="session")
def folder():
    """A folder that every user may enter (PostgreSQL and nginx run as others)."""
    path = tempfile.mkdtemp(prefix="ganglion-test-", dir=os.environ.get("GANGLION_TEST_FOLDER"))
    os.chmod(path, 0o755)
    yield path
    if not os.environ.get("GANGLION_TEST_KEEP"):
        shutil.rmtree(path, ignore_errors=True)


class GivenPostgres(Postgres):
    """The cluster that ./check has started."""

    def __init__(self):
        super().__init__("/", int(os.environ["GANGLION_TEST_PORT_PG"]), os.environ["GANGLION_TEST_PASSWORD_PG"])

    def start(self):
        return self

    def stop(self):
        pass


@pytest.fixture(scope="session")
def postgres(folder):
    if os.environ.get("GANGLION_TEST_PORT_PG"):
        yield GivenPostgres()
        return
    server = Postgres(os.path.join(folder, "postgres"), options=("fsync=off",)).start()
    yield server
    server.stop()
