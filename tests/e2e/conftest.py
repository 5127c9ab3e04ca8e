"""The same tests on each kind of deployment: `server` is one of them, with all its users and helpers."""

import os

import pytest

from deployment import layout
from deployment.deployment import Deployment
from lib.server import Server


# "spread": as the split, and each stream that can have a writer of its own has one.
KINDS = ("monolith", "split", "spread")


def _deploy(kind, build, folder, postgres):
    deployment = Deployment(os.path.join(folder, kind), build, postgres, database=f"e2e_{kind}", monolith=kind == "monolith",
                            front_port=None, bcrypt_rounds=4)
    if kind == "spread":
        roles = {name[:-3] for name in os.listdir(deployment.plugin_path) if name.endswith(".so")}
        deployment.workers, deployment.stream_writers = layout.spread(roles), layout.SPREAD_WRITERS
        deployment.extra_config.update(layout.SPREAD_CONFIG)
    return deployment


@pytest.fixture(scope="session", params=KINDS)
def server(request, build, folder, postgres):
    postgres.sql(f"DROP DATABASE IF EXISTS e2e_{request.param}")
    deployment = _deploy(request.param, build, folder, postgres)
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        clean = deployment.stop()
    assert clean, "a process had to be killed at the end"
    problems = [line for name in os.listdir(os.path.join(deployment.folder, "logs"))
                for line in open(os.path.join(deployment.folder, "logs", name), encoding="utf-8", errors="replace")
                if "ERROR: AddressSanitizer" in line or "ERROR: LeakSanitizer" in line or "runtime error:" in line]
    assert not problems, problems
