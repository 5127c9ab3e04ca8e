"""The programs for operators, run as an operator runs them, against our own server."""

import itertools
import os
import subprocess

import pytest

from lib.admin import V2
from lib.rooms import CLIENT
from lib.server import quote

_names = itertools.count(1)


def run(server, name, *arguments, text=None):
    program = os.path.join(server.deployment.build, "bin", name)
    return subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def config(server):
    return server.deployment.config_paths()[0]


def test_register_new_matrix_user(server, config, tmp_path):
    register = lambda *arguments, **kw: run(server, "register_new_matrix_user", *arguments, **kw)  # noqa: E731
    name = f"tooled{next(_names)}"
    done = register("-u", name, "-p", "a good password", "--no-admin", "-c", config)  # finds the listener by itself
    assert (done.returncode, done.stdout) == (0, "Sending registration request...\nSuccess!\n"), done
    assert server.login(name).ok("GET", f"{CLIENT}/account/whoami")["user_id"] == f"@{name}:{server.name}"
    again = register("-u", name, "-p", "other", "--no-admin", "-c", config)
    assert again.returncode == 1 and "ERROR! Received 400" in again.stdout
    skipped = register("-u", name, "-p", "other", "--no-admin", "--exists-ok", "-c", config, server.base_url)
    assert skipped.returncode == 0 and "User already exists. Skipping." in skipped.stdout
    server.login(name)  # the password is the old one
    boss = f"tooledboss{next(_names)}"
    (tmp_path / "password").write_text("from a file\n")
    assert register("--user", boss, "--password-file", str(tmp_path / "password"), "-a", "-t", "bot", "-k",
                    server.deployment.registration_secret, server.base_url).returncode == 0
    user = server.login(boss, "from a file").ok("GET", f"{V2}/users/{quote(f'@{boss}:{server.name}')}")
    assert user["admin"] is True and user["user_type"] == "bot"
    asked = f"asked{next(_names)}"
    assert register("-c", config, server.base_url, text=f"{asked}\nsecret words\nsecret words\nno\n").returncode == 0
    server.login(asked, "secret words")
    assert register("-u", asked, "-c", config, text="one\nanother\n").returncode == 1
    wrong = register("-u", f"x{next(_names)}", "-p", "x", "--no-admin", "-k", "a wrong secret", server.base_url)
    assert wrong.returncode == 1 and "HMAC incorrect" in wrong.stdout
    for bad in ((), ("-u", "x"), ("-c", config, "-k", "s"), ("-a", "--no-admin", "-k", "s"), ("--strange", "-k", "s"), ("-p", "x", "--password-file", "y", "-k", "s")):
        assert register(*bad).returncode == 2, bad
    assert register("-c", str(tmp_path / "none.yaml"), "-u", "x", "-p", "x", "-a").returncode == 1
    assert "usage:" in register("--help").stdout


def test_hash_password(server, config, tmp_path):
    user = server.register()
    peppered = tmp_path / "peppered.yaml"
    peppered.write_text("bcrypt_rounds: 5\npassword_config:\n  pepper: salt and\n")
    done = run(server, "hash_password", "-p", "né w", "-c", config)
    assert done.returncode == 0 and done.stdout.startswith("$2b$04$"), done
    server.sql(f"UPDATE users SET password_hash = '{done.stdout.strip()}' WHERE name = '{user.user_id}'")
    server.login(user.user_id, "né w")  # the same in NFKC
    piped = run(server, "hash_password", "--config", str(peppered), text="piped\n")
    assert piped.returncode == 0 and piped.stdout.startswith("$2b$05$")
    assert run(server, "hash_password", "-p", "x").returncode == 2
    (tmp_path / "bad.yaml").write_text("bcrypt_rounds: 99\n")
    assert run(server, "hash_password", "-p", "x", "-c", str(tmp_path / "bad.yaml")).returncode == 1
