"""The same tests on each kind of deployment: `server` is one of them, with all its users and helpers."""

import os

import pytest

from deployment import layout
from deployment.deployment import Deployment
from lib import appservice
from lib.findings import findings
from lib.server import Server
from lib.smtp import MailServer
from lib.web import Web


# The web of the tests is on this machine, of which one address is as good as somebody's own network.
PREVIEWS = {"url_preview_enabled": True, "url_preview_ip_range_blacklist": ["127.0.0.2", "10.0.0.0/8"], "max_spider_size": "1M",
            "url_preview_accept_language": ["en-GB", "de;q=0.5"],
            "url_preview_url_blacklist": [{"path": "/blocked/*"}, {"username": "*"}, {"netloc": "^blocked[.]"}]}
# Nothing that a test makes is that old by itself.
RETENTION = {"media_retention": {"local_media_lifetime": "90d", "remote_media_lifetime": "14d"}}
# "spread": as the split, and each stream that can have a writer of its own has one.
EXPERIMENTAL = {"msc2409_to_device_messages_enabled": True, "msc3202_transaction_extensions": True}
KINDS = ("monolith", "split", "spread")


def _deploy(kind, build, folder, postgres, services):
    deployment = Deployment(os.path.join(folder, kind), build, postgres, database=f"e2e_{kind}", monolith=kind == "monolith",
                            front_port=None, bcrypt_rounds=4, extra_config={**PREVIEWS, **RETENTION, "ip_range_blacklist": [], "app_service_config_files": services,
                                          "experimental_features": EXPERIMENTAL})
    if kind == "spread":
        roles = {name[:-3] for name in os.listdir(deployment.plugin_path) if name.endswith(".so")}
        deployment.workers, deployment.stream_writers = layout.spread(roles), layout.SPREAD_WRITERS
        deployment.extra_config.update(layout.SPREAD_CONFIG)
    return deployment


@pytest.fixture(scope="session", params=KINDS)
def server(request, build, folder, postgres):
    postgres.sql(f"DROP DATABASE IF EXISTS e2e_{request.param}")
    registered, services = appservice.standard(os.path.join(folder, f"services-{request.param}"))
    deployment = _deploy(request.param, build, folder, postgres, services)
    bridge, one = appservice.Bridge(registered), None
    try:
        deployment.start()
        one = Server(deployment)
        one.bridge = bridge
        if not os.environ.get("GANGLION_TEST_UNHEARD"):
            one.listen()
        yield one
    finally:
        if one is not None:
            one.close()
        clean = deployment.stop()
        bridge.stop()
    assert clean, "a process had to be killed at the end"
    found = findings(os.path.join(deployment.folder, "logs"))
    assert not found, found


@pytest.fixture(scope="module")
def mails():
    server = MailServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def the_web():
    web = Web()
    yield web
    web.stop()


@pytest.fixture
def web(the_web):
    """The pages that previews are made of, of which none was asked for yet."""
    the_web.asked.clear()
    the_web.reached.clear()
    return the_web
