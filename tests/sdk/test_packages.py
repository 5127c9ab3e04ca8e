"""One package for each part: a root of its own starts from them, and a role can be taken away. Also: no role links
another's libraries, and each builds alone."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from sdk_support import BUILD, SOURCE, run

ROLES = ["homeserver", "generic_worker", "pusher", "appservice", "federation_sender", "media_repository", "user_dir",
         "frontend_proxy"]
EXISTING = [r for r in ROLES if (SOURCE / "plugins" / r / "CMakeLists.txt").exists()]
# What a role alone may link beyond what the host and the Matrix library link.
OWN_LIBRARIES = {"media_repository": {"libvips"}}


def needed(path):
    lines = run("readelf", "-d", path).stdout.splitlines()
    return {line.split("[")[1].split("]")[0] for line in lines if "(NEEDED)" in line}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    run("cpack", "-G", "DEB", "-B", folder, cwd=BUILD)
    return {deb.name.split("_")[0]: deb for deb in folder.glob("*.deb")}


def unpack(packages, names, root):
    for name in names:
        run("dpkg-deb", "-x", packages[name], root)
    return root / "usr"


def package_of(role):
    return "ganglion-plugin-" + role.replace("_", "-")


def ganglion(prefix, *arguments, ok=True):
    library = next(prefix.rglob("libganglion.so.1")).parent
    env = {**os.environ, "LD_LIBRARY_PATH": str(library)}
    env.pop("GANGLION_PLUGIN_PATH", None)
    return run(prefix / "bin" / "ganglion", *arguments, ok=ok, env=env)


def test_there_is_a_package_for_each_part(packages):
    assert {"ganglion-host", "libganglion-matrix", "libganglion-dev"} <= set(packages)
    assert {package_of(r) for r in EXISTING} <= set(packages)


def test_each_role_package_depends_on_the_same_version(packages):
    for role in EXISTING:
        fields = run("dpkg-deb", "-f", packages[package_of(role)], "Version", "Depends").stdout
        version = fields.split("Version: ")[1].split()[0]
        assert f"ganglion-host (= {version})" in fields and f"libganglion-matrix (= {version})" in fields


def test_a_root_made_of_packages_starts(packages, tmp_path):
    prefix = unpack(packages, ["ganglion-host", "libganglion-matrix", *map(package_of, EXISTING)], tmp_path)
    listed = json.loads(ganglion(prefix, "plugins", "--json").stdout)
    assert {p["name"] for p in listed} == set(EXISTING)
    (tmp_path / "homeserver.yaml").write_text(
        "server_name: x\nreport_stats: false\ndatabase: {name: psycopg2, args: {host: 127.0.0.1, port: 1, dbname: x}}\n")
    done = ganglion(prefix, "--explain", "-c", tmp_path / "homeserver.yaml")
    assert str(prefix) in done.stdout


def test_a_role_can_be_taken_away(packages, tmp_path):
    names = ["ganglion-host", "libganglion-matrix", *(package_of(r) for r in EXISTING if r != "generic_worker")]
    prefix = unpack(packages, names, tmp_path)
    base = "server_name: x\nreport_stats: false\nredis: {enabled: true}\ninstance_map: {main: {host: h, port: 1}}\n" \
           "database: {name: psycopg2, args: {host: 127.0.0.1, port: 1, dbname: x}}\n"
    (tmp_path / "homeserver.yaml").write_text(base)
    (tmp_path / "worker.yaml").write_text("worker_app: synapse.app.generic_worker\nworker_name: w\n")
    main = ganglion(prefix, "--explain", "-c", tmp_path / "homeserver.yaml")
    assert "generic_worker       MISSING (install ganglion-plugin-generic-worker)" in main.stdout
    worker = ganglion(prefix, "-c", tmp_path / "homeserver.yaml", "-c", tmp_path / "worker.yaml", ok=False)
    assert worker.returncode == 1
    assert "ganglion-plugin-generic-worker" in worker.stderr.splitlines()[-1]


@pytest.mark.parametrize("role", EXISTING)
def test_no_role_links_what_belongs_to_another(role):
    libraries = needed(BUILD / "plugins" / f"{role}.so")
    common = {"libganglion", "libganglion-matrix", "libc", "libm", "libjansson", "ld-linux-x86-64", "ld-linux-aarch64"}
    allowed = common | OWN_LIBRARIES.get(role, set())
    strangers = {name for name in libraries if name.split(".so")[0] not in allowed}
    assert not strangers


@pytest.fixture(scope="module")
def build_folder(tmp_path_factory):
    """One for all roles: the host and the Matrix library are compiled once."""
    return tmp_path_factory.mktemp("alone")


@pytest.mark.parametrize("role", EXISTING)
def test_a_role_builds_alone(role, build_folder):
    """-DGANGLION_PLUGINS=<role> configures and builds that role and nothing of the others."""
    launcher = [f"-DCMAKE_C_COMPILER_LAUNCHER={shutil.which('ccache')}"] if shutil.which("ccache") else []
    for old in (build_folder / "plugins").glob("*.so"):
        old.unlink()
    run("cmake", "--preset", "dev", "-B", build_folder, f"-DGANGLION_PLUGINS={role}", "-DGANGLION_TESTS=OFF", *launcher,
        cwd=SOURCE)
    run("cmake", "--build", build_folder, "--parallel", "3")
    assert [p.stem for p in (build_folder / "plugins").glob("*.so")] == [role]
    ldd = subprocess.run(["ldd", build_folder / "plugins" / f"{role}.so"], capture_output=True, text=True)
    assert ldd.returncode == 0 and "not found" not in ldd.stdout
    listed = json.loads(run(build_folder / "bin" / "ganglion", "plugins", "--json").stdout)
    assert [p["name"] for p in listed if pathlib.Path(p["file"]).parent == build_folder / "plugins"] == [role]
