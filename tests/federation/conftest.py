"""Servers that share rooms: `home` (the monolith and the split in turn), `other` (a second one of the same kind), and
`remote` (a server that the test plays; `remotes()` makes more)."""

import os

import pytest

from lib.certificates import Authority
from lib.findings import findings
from lib.own import Own
from lib.remote import Remote

KINDS = ("monolith", "split")


@pytest.fixture(scope="session")
def authority(folder):
    return Authority(os.path.join(folder, "certificates"))


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    return request.param


def deploy(name, kind, build, folder, postgres, authority, **options):
    """A deployment that other servers on this machine reach as localhost:PORT."""
    return Own(build, folder, postgres).make(f"{name}_{kind}", monolith=kind == "monolith", authority=authority, **options)


def problems(deployment):
    """What a sanitizer has said."""
    return findings(os.path.join(deployment.folder, "logs"))


def _running(name, kind, build, folder, postgres, authority):
    with Own(build, folder, postgres).run(deploy(name, kind, build, folder, postgres, authority)) as server:
        if not os.environ.get("GANGLION_TEST_UNHEARD"):
            server.listen()
        yield server


@pytest.fixture(scope="session")
def home(kind, build, folder, postgres, authority):
    yield from _running("home", kind, build, folder, postgres, authority)


@pytest.fixture(scope="session")
def other(kind, build, folder, postgres, authority):
    yield from _running("other", kind, build, folder, postgres, authority)


@pytest.fixture
def remotes(authority):
    """remotes() starts one more server that the test plays."""
    made = []

    def make():
        made.append(Remote(authority))
        return made[-1]

    yield make
    for remote in made:
        remote.stop()


@pytest.fixture
def remote(remotes):
    return remotes()
