"""One package for each part: a root of its own starts from them, and a role can be taken away. Also: no role links
another's libraries, and each builds alone."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from sdk_support import BUILD, SOURCE, run

from deployment import layout
from deployment.deployment import Deployment, http
from deployment.layout import Worker

ROLES = ["homeserver", "generic_worker", "pusher", "appservice", "federation_sender", "media_repository", "user_dir",
         "frontend_proxy"]
EXISTING = [r for r in ROLES if (SOURCE / "plugins" / r / "CMakeLists.txt").exists()]
# What a role alone may link beyond what the host and the Matrix library link.
OWN_LIBRARIES = {"media_repository": {"libvips", "libglib-2.0", "libgobject-2.0", "libgumbo", "libxml2"}}


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


class Root:
    """A root of its own with dpkg's books: what this machine has counts as installed, so dependencies are really looked
    after; scripts of packages work on the root and not on the machine."""

    def __init__(self, folder):
        self.folder, books = folder, folder / "var" / "lib" / "dpkg"
        for name in ("info", "updates", "triggers"):
            (books / name).mkdir(parents=True)
        (books / "status").write_text("\n".join(self.of_machine()))
        (folder / "etc").mkdir()
        (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (folder / "etc" / "group").write_text("root:x:0:\n")

    @staticmethod
    def of_machine():
        form = "${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${Provides}\n"
        rows = [line.split("\t") for line in run("dpkg-query", "-W", "-f", form).stdout.splitlines()]
        for name, version, architecture, provides in {row[1]: row[1:] for row in rows if row[0] == "installed"}.values():
            more = f"Provides: {provides}\n" if provides else ""
            yield (f"Package: {name}\nStatus: install ok installed\nMaintainer: none\nVersion: {version}\n"
                   f"Architecture: {architecture}\n{more}Description: of this machine\n")

    def dpkg(self, *words, ok=True):
        command = ["dpkg", f"--root={self.folder}", "--force-script-chrootless", "--force-not-root", f"--log={self.folder}/dpkg.log", *words]
        return run(*(command if os.geteuid() == 0 else ["fakeroot", *command]), ok=ok)

    def file(self, path):
        return self.folder / path.lstrip("/")


@pytest.fixture(scope="module")
def root(packages, tmp_path_factory):
    """Everything but the headers is installed."""
    made = Root(tmp_path_factory.mktemp("root"))
    made.dpkg("-i", *(deb for name, deb in packages.items() if name != "libganglion-dev"))
    return made


def test_packages_need_each_other(packages, tmp_path):
    """A role without the host is refused by dpkg."""
    done = Root(tmp_path).dpkg("-i", packages[package_of("pusher")], ok=False)
    assert done.returncode != 0 and "ganglion-plugin-pusher depends on ganglion-host" in done.stderr


def test_the_root_has_user_folders_and_units(root):
    assert any(line.startswith("ganglion:") for line in root.file("/etc/passwd").read_text().splitlines())
    for folder in ("/etc/ganglion/workers", "/etc/ganglion/conf.d", "/var/lib/ganglion"):
        assert root.file(folder).stat().st_mode & 0o777 == 0o750
    units = ["ganglion.target", "ganglion.service", "ganglion-worker@.service"]
    done = run("systemd-analyze", "verify", "--man=no", f"--root={root.folder}", *(f"/usr/lib/systemd/system/{u}" for u in units), ok=False)
    # The root has no other units, which is said, too.
    assert [line for line in done.stderr.splitlines() if "ganglion" in line and re.search("Unknown|nvalid|parse|ignoring", line)] == []
    for unit in units[1:]:
        text = root.file(f"/usr/lib/systemd/system/{unit}").read_text()
        assert "Type=notify\n" in text and "WatchdogSec=" in text
        told = run("systemd-analyze", "security", "--offline=true", "--threshold=30", f"--root={root.folder}", unit, ok=False)
        assert told.returncode == 0, told.stdout[-300:] + told.stderr


@pytest.fixture(scope="module")
def installed_deployment(root, tmp_path_factory, postgres):
    """A split that runs from the root's own programs and roles, found where they were installed."""
    folder = tmp_path_factory.mktemp("of_packages")
    for place in (folder, *list(folder.parents)[:2]):
        place.chmod(0o755)  # PostgreSQL runs as another user
    (folder / "build").mkdir()
    (folder / "build" / "bin").symlink_to(root.file("/usr/bin"))
    (folder / "build" / "plugins").symlink_to(next(root.file("/usr").rglob("homeserver.so")).parent)
    workers = [Worker("worker1", "synapse.app.generic_worker", ["client"]), Worker("pusher1", "synapse.app.pusher", [])]
    made = Deployment(folder / "deployment", folder / "build", postgres, database="sdk_packages", front=False, workers=workers,
                      stream_writers={"events": "main"}, bcrypt_rounds=4)
    made.extra_config = {"stream_writers": None}
    made.environment = lambda: {key: value for key, value in os.environ.items() if key != "GANGLION_PLUGIN_PATH"}
    try:
        yield made.start()
    finally:
        made.stop()


def missing_roles(made):
    return {m["role"]: m["package"] for m in http("GET", f"{made.base_url}/ready")[1]["missing_roles"]}


def test_a_deployment_of_packages_loses_a_role(root, installed_deployment):
    made = installed_deployment
    maps = pathlib.Path(f"/proc/{made.processes['pusher1'].pid}/maps").read_text()
    assert str(root.file("/usr/lib")) in maps and str(BUILD) not in maps
    assert made.register("installed", "a good password")[0] == 200
    assert not set(missing_roles(made)) & set(EXISTING)
    # The package goes: its process says so to who starts it, and main that it cannot take that work up.
    root.dpkg("-r", "ganglion-plugin-pusher")
    assert not list(root.file("/usr").rglob("pusher.so"))
    made.processes["pusher1"].stop()
    process = made.start_process(made.workers[1], wait=False)
    assert process.popen.wait(20) == 1
    assert "needs pusher.so (Debian package ganglion-plugin-pusher), which is not installed" in process.tail().splitlines()[-1]
    made.workers.pop()
    layout.write(made)
    made.processes["main"].stop()
    made.start_process()
    assert missing_roles(made)["pusher"] == "ganglion-plugin-pusher"
    assert "its roles are not installed: " in made.processes["main"].tail(100)


def test_there_is_a_package_for_each_part(packages):
    assert {"ganglion-host", "libganglion-matrix", "libganglion-dev", "ganglion-tools"} <= set(packages)
    assert {package_of(r) for r in EXISTING} <= set(packages)


def test_each_package_says_whose_it_is(packages):
    for name, deb in packages.items():
        files = {line.split()[5] for line in run("dpkg-deb", "-c", deb).stdout.splitlines()}
        assert {f"./usr/share/doc/{name}/copyright", f"./usr/share/doc/{name}/changelog.gz"} <= files, name


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
