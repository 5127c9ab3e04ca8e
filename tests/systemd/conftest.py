"""The packages, made once for all tests of this folder."""

import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """The folder that they are in."""
    build = pathlib.Path(os.environ.get("GANGLION_BUILD", TOP / "build" / "release")).resolve()
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run(["cpack", "-G", "DEB", "-B", folder], cwd=build, capture_output=True, check=True, timeout=600)
    shutil.rmtree(folder / "_CPack_Packages")
    return folder
