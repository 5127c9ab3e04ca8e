"""Real Synapse beside us."""

import os

import pytest

from lib.certificates import Authority
from lib.mixed import Mixed


@pytest.fixture(scope="session")
def authority(folder):
    return Authority(os.path.join(folder, "interop-certificates"))


@pytest.fixture
def mixed(build, folder, postgres, request):
    """mixed(name, python=..., monolith=...) makes one; all are stopped at the end."""
    made = []

    def make(name, **options):
        postgres.sql(f"DROP DATABASE IF EXISTS interop_{name}")
        deployment = Mixed(os.path.join(folder, f"interop-{name}"), build, postgres, database=f"interop_{name}", front=False,
                           bcrypt_rounds=4, **options)
        made.append(deployment)
        return deployment

    yield make
    for deployment in made:
        deployment.stop()
