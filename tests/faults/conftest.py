"""A split that is hurt while many users send."""

import os

import pytest

from deployment.deployment import Deployment
from deployment.services import Postgres
from lib.findings import findings
from lib.server import Server


@pytest.fixture(scope="module")
def hurt(build, folder):
    """Its own PostgreSQL, with fsync: it will be restarted under load."""
    postgres = Postgres(os.path.join(folder, "faults-postgres")).start()
    deployment = Deployment(os.path.join(folder, "faults"), build, postgres, database="faults", bcrypt_rounds=4)
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        clean = deployment.stop()
        postgres.stop()
    assert clean, "a process had to be killed at the end"
    found = findings(os.path.join(deployment.folder, "logs"))
    assert not found, found
