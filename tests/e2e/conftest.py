"""The same tests on a monolith and on a split: `server` is either, with all its users and helpers."""

import os

import pytest

from deployment.deployment import Deployment
from lib.server import Server


def _deploy(kind, build, folder, postgres):
    return Deployment(os.path.join(folder, kind), build, postgres, database=f"e2e_{kind}", monolith=kind == "monolith",
                      front_port=None, bcrypt_rounds=4)


@pytest.fixture(scope="session", params=["monolith", "split"])
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
