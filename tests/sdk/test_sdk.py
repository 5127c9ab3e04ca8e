"""Building against the installed SDK, and what the host refuses to load."""

import json
import os
import shutil

import pytest
from sdk_support import SOURCE, build_plugins, run

HOMESERVER = """
server_name: localhost
report_stats: false
database: {name: psycopg2, args: {host: 127.0.0.1, port: 1, user: nobody, dbname: nothing}}
redis: {enabled: true, host: 127.0.0.1, port: 1}
instance_map: {main: {host: 127.0.0.1, port: 2}}
"""


def headers(installed):
    root = installed / "include"
    return sorted(p.relative_to(root) for p in root.rglob("*.h"))


def test_headers_compile_alone(installed, tmp_path):
    found = headers(installed)
    assert any(str(h) == "ganglion/plugin.h" for h in found)
    flags = ["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{installed / 'include'}"]
    wrong = []
    for compiler, language, standard in (("cc", "c", "c17"), ("c++", "c++", "c++17")):
        for header in found:
            source = tmp_path / f"alone.{language.replace('+', 'p')}"
            source.write_text(f"#include <{header}>\n#include <{header}>\n")
            done = run(compiler, f"-std={standard}", "-x", language, *flags, source, ok=False)
            if done.returncode:
                wrong.append(f"{header} as {standard}: {done.stderr.splitlines()[0:3]}")
    assert not wrong, "\n".join(wrong)


def test_pkg_config_builds_a_plugin(installed, tmp_path):
    pc = next(installed.rglob("ganglion.pc")).parent
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc)}
    flags = run("pkg-config", "--cflags", "--libs", "ganglion", env=env).stdout.strip()
    plugin = tmp_path / "com.example.small.so"
    source = tmp_path / "small.c"
    source.write_text('#include <ganglion/plugin.h>\nGG_PLUGIN("com.example.small", .version = "1");\n')
    run("sh", "-c", f"cc -std=c17 -shared -fPIC -fvisibility=hidden '{source}' -o '{plugin}' {flags} -Wl,-z,defs -Wl,-z,now")
    exported = run("nm", "-D", "--defined-only", plugin).stdout.split()
    assert exported[2::3] == ["gg_plugin_entry"]


CPP = """
#include <ganglion/plugin.h>
#include <string>

static int hello(void *, struct gg_request *rq, struct gg_error *)
{
    std::string name = gg_request_param(rq, "name");
    return gg_reply_json(rq, 200, json_pack("{s:s}", "hello", name.c_str()));
}
static const struct gg_route routes[] = {
    {.method = "GET", .path = "/_example/cpp/{name}", .handler = hello, .resource = "client"},
    {},
};
static const char *const worker_apps[] = {"com.example.cpp", nullptr};
GG_PLUGIN("com.example.cpp", .version = "1", .worker_apps = worker_apps, .routes = routes);
"""


def test_a_plugin_in_cpp_that_knows_nothing_of_matrix(installed, ganglion, tmp_path):
    env = {**os.environ, "PKG_CONFIG_PATH": str(next(installed.rglob("ganglion.pc")).parent)}
    flags = run("pkg-config", "--cflags", "--libs", "ganglion", env=env).stdout.strip()
    source = tmp_path / "cpp.cc"
    source.write_text(CPP)
    run("sh", "-c", f"c++ -std=c++17 -shared -fPIC -fvisibility=hidden '{source}' -o '{tmp_path}/com.example.cpp.so' {flags}")
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER + "public_baseurl: https://x\n")
    (tmp_path / "worker.yaml").write_text("worker_app: com.example.cpp\nworker_name: w\nworker_listener: []\n")
    done = ganglion("--explain", "-c", tmp_path / "homeserver.yaml", "-c", tmp_path / "worker.yaml", "--plugin-dir", tmp_path)
    assert "1 served here" in done.stdout
    # keys of others in the shared file are no mistake; one in its own is
    assert done.stderr == f"warning: {tmp_path}/worker.yaml:3:1: unknown key `worker_listener`; did you mean `worker_listeners`?\n"


def test_pkg_config_names_the_plugin_folder(installed):
    pc = next(installed.rglob("ganglion.pc")).parent
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc)}
    folder = run("pkg-config", "--variable=plugindir", "ganglion", env=env).stdout.strip()
    assert os.path.exists(os.path.join(folder.replace("\\ ", " "), "homeserver.so"))


def test_plugins_lists_what_is_installed(ganglion, fixtures):
    listed = json.loads(ganglion("plugins", "--json", "--plugin-dir", fixtures / "roles").stdout)
    by_name = {p["name"]: p for p in listed}
    assert by_name["generic_worker"]["worker_apps"] == ["synapse.app.generic_worker"]
    assert by_name["generic_worker"]["file"] == str(fixtures / "roles" / "generic_worker.so")
    assert set(by_name["generic_worker"]) == {"name", "file", "version", "abi", "worker_apps"}


def test_moved_installation_finds_its_roles(ganglion):
    names = {p["name"] for p in json.loads(ganglion("plugins", "--json").stdout)}
    assert {"homeserver", "generic_worker"} <= names


def start_worker(ganglion, tmp_path, folder, app):
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER)
    (tmp_path / "worker.yaml").write_text(f"worker_app: {app}\nworker_name: w\n")
    return ganglion("-c", tmp_path / "homeserver.yaml", "-c", tmp_path / "worker.yaml", ok=False,
                    env={"GANGLION_PLUGIN_PATH": str(folder)})


REFUSED = [
    ("com.example.wrong_abi", ["ABI 99.", "this host has 1."]),
    ("com.example.later_minor", ["plugin ABI 1.", "upgrade Ganglion"]),
    ("com.example.other_name", ["com.example.real_name", "must be called com.example.real_name.so"]),
    ("com.example.undefined", ["undefined symbol: nobody_has_this_function"]),
    ("com.example.no_plugin", ["no Ganglion plugin", "gg_plugin_entry"]),
    ("com.example.claims_route", ["/_matrix/client/v3/profile/", "claimed by two plugins", "generic_worker.so"]),
    ("com.example.claims_pusher", ["worker_app synapse.app.generic_worker is claimed by two plugins"]),
    ("com.example.nowhere", ["needs com.example.nowhere.so", "looked in:"]),
    ("synapse.app.nowhere", ["nowhere.so (Debian package ganglion-plugin-nowhere)"]),
    ("not an app", ["'not an app' is not the name of a worker app"]),
    ("../../tmp/evil", ["is not the name of a worker app"]),
]


@pytest.mark.parametrize("app, words", REFUSED, ids=[app for app, _ in REFUSED])
def test_refusals_say_why(ganglion, fixtures, tmp_path, app, words):
    folder = f"{fixtures / 'bad'}:{fixtures / 'roles'}"
    done = start_worker(ganglion, tmp_path, folder, app)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ganglion: ")
    for word in words:
        assert word in last, last


def test_a_worker_without_redis_is_refused(ganglion, tmp_path):
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER.replace("enabled: true", "enabled: false"))
    (tmp_path / "worker.yaml").write_text("worker_app: synapse.app.generic_worker\nworker_name: w\n")
    done = ganglion("-c", tmp_path / "homeserver.yaml", "-c", tmp_path / "worker.yaml", ok=False)
    assert done.returncode == 1
    assert "redis" in done.stderr.splitlines()[-1].lower()


def test_unreachable_database_is_one_clear_line(ganglion, tmp_path):
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER)
    done = ganglion("-c", tmp_path / "homeserver.yaml", ok=False)
    assert done.returncode == 1
    assert "database" in done.stderr.splitlines()[-1]


def test_missing_log_configuration_of_a_worker(ganglion, tmp_path):
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER)
    (tmp_path / "worker.yaml").write_text("worker_app: synapse.app.generic_worker\nworker_name: w\n"
                                          f"worker_log_config: {tmp_path}/nothing.yaml\n")
    done = ganglion("-c", tmp_path / "homeserver.yaml", "-c", tmp_path / "worker.yaml", ok=False)
    assert done.returncode == 1
    assert "nothing.yaml" in done.stderr.splitlines()[-1]


def test_usage_errors_exit_with_two(ganglion):
    assert ganglion("--no-such-option", ok=False).returncode == 2
    assert ganglion(ok=False).returncode == 2


def test_an_absent_role_by_default_is_named_by_explain(ganglion, tmp_path):
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER)
    done = ganglion("--explain", "-c", tmp_path / "homeserver.yaml", env={"GANGLION_PLUGIN_PATH": ""})
    assert "frontend_proxy" not in done.stdout
    for role in ("pusher", "appservice", "federation_sender", "user_dir"):
        assert role in done.stdout


def test_an_absent_role_that_is_asked_for_stops_the_start(ganglion, fixtures, installed, tmp_path):
    if os.path.exists(next(installed.rglob("homeserver.so")).parent / "pusher.so"):
        pytest.skip("the role pusher is installed")
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER + "start_pushers: true\n")
    done = ganglion("-c", tmp_path / "homeserver.yaml", ok=False)
    assert done.returncode == 1
    assert "ganglion-plugin-pusher" in done.stderr.splitlines()[-1]


def test_the_example_builds_against_the_installation(installed, tmp_path):
    library = next(installed.rglob("libganglion-matrix.so.1"))
    if "mx_server_attach" not in run("nm", "-D", "--defined-only", library).stdout:
        pytest.skip("this Matrix library has no server yet")
    copy = tmp_path / "room note"
    shutil.copytree(SOURCE / "examples" / "plugins" / "room_note", copy)
    build_plugins(copy, tmp_path / "build", installed)
    plugin = tmp_path / "build" / "com.example.app.room_note.so"
    assert plugin.exists()
    exported = run("nm", "-D", "--defined-only", plugin).stdout.split()
    assert exported[2::3] == ["gg_plugin_entry"]
    needed = run("readelf", "-d", plugin).stdout
    assert "libganglion.so.1" in needed
