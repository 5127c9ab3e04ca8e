"""An installed tree and plugins built against it, made once for all tests of this folder."""

import os

import pytest
from sdk_support import BUILD, SOURCE, build_plugins, run


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A prefix that holds what all components install; a blank in its path must not hurt."""
    prefix = tmp_path_factory.mktemp("an installed tree")
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="session")
def fixtures(installed, tmp_path_factory):
    build = tmp_path_factory.mktemp("fixtures")
    build_plugins(SOURCE / "tests" / "sdk" / "fixtures", build, installed)
    return build


@pytest.fixture(scope="session")
def ganglion(installed):
    def call(*arguments, ok=True, env=None):
        return run(installed / "bin" / "ganglion", *arguments, ok=ok, env={**os.environ, **(env or {})})
    return call
