"""A split deployment and clients that others have written."""

import os
import shutil

import pytest

from deployment.deployment import Deployment
from lib import appservice
from lib.server import Server

from .sdk_client import SdkClient

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="session")
def bridged(folder):
    """The registration of the bridge that test_mautrix.py plays, and its file."""
    registered, files = appservice.standard(os.path.join(folder, "clients-services"))
    return registered, files


@pytest.fixture(scope="session")
def server(build, folder, postgres, bridged):
    deployment = Deployment(os.path.join(folder, "clients"), build, postgres, database="clients", front_port=None, bcrypt_rounds=4,
                            extra_config={"app_service_config_files": bridged[1]})
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        assert deployment.stop(), "a process had to be killed at the end"


@pytest.fixture
def sdk():
    """Makes clients of matrix-js-sdk; they end with the test."""
    place = os.environ["GANGLION_TEST_CLIENTS"]
    shutil.copy(os.path.join(HERE, "client.mjs"), place)  # it finds the node_modules beside it
    made = []

    def make():
        made.append(SdkClient(place))
        return made[-1]

    yield make
    for client in made:
        client.end()
