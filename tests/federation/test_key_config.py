"""What the configuration says of keys and of whom we talk to, on one deployment that says all of it."""

import os
import time

import pytest
import signedjson.key
import signedjson.sign
from unpaddedbase64 import encode_base64

from lib.remote import Remote
from lib.server import quote, request
from lib.wait import until

KEY = "/_matrix/key/v2"


def public(key):
    return encode_base64(signedjson.key.get_verify_key(key).encode())


class Keys:
    def __init__(self):
        self.first, self.second, self.old, self.notary = (signedjson.key.generate_signing_key(name) for name in ("a_one", "a_two", "a_old", "n"))


@pytest.fixture(scope="module")
def keys():
    return Keys()


@pytest.fixture(scope="module")
def friend(authority):
    remote = Remote(authority)
    yield remote
    remote.stop()


def text_of(*keys):
    return "".join(f"ed25519 {key.version} {encode_base64(key.encode())}\n" for key in keys)


@pytest.fixture(scope="module")
def strict(kind, own, folder, authority, keys, friend):
    if kind != "monolith":
        pytest.skip("the same in every process")
    path = os.path.join(folder, "notary.signing.key")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text_of(keys.notary))
    with own.running("keys", monolith=kind == "monolith", authority=authority, extra_config={
            "signing_key": text_of(keys.first, keys.second), "key_refresh_interval": "3h", "key_server_signing_keys_path": path,
            "old_signing_keys": {"ed25519:a_old": {"key": public(keys.old), "expired_ts": 1_500_000_000_000}},
            "federation_domain_whitelist": [friend.name], "serve_server_wellknown": True,
            "rc_federation": {"window_size": 60_000, "sleep_limit": 5, "sleep_delay": 1, "reject_limit": 2, "concurrent": 1}}) as server:
        yield server


def test_several_keys(strict, friend, keys):
    answer = friend.ok("GET", strict.name, f"{KEY}/server", signed=False)
    assert answer["verify_keys"] == {"ed25519:a_one": {"key": public(keys.first)}, "ed25519:a_two": {"key": public(keys.second)}}
    assert answer["old_verify_keys"] == {"ed25519:a_old": {"key": public(keys.old), "expired_ts": 1_500_000_000_000}}
    assert 0 < answer["valid_until_ts"] - time.time() * 1000 <= 3 * 3600 * 1000
    for key in (keys.first, keys.second):
        signedjson.sign.verify_signed_json(answer, strict.name, signedjson.key.get_verify_key(key))


def test_the_notary_signs_with_keys_of_its_own(strict, friend, keys):
    found = friend.ok("GET", strict.name, f"{KEY}/query/{friend.name}", signed=False)["server_keys"]
    assert list(found[0]["signatures"][strict.name]) == [f"ed25519:{keys.notary.version}"]
    signedjson.sign.verify_signed_json(found[0], strict.name, signedjson.key.get_verify_key(keys.notary))


def test_strangers_are_refused(strict, friend, remotes):
    stranger = remotes()
    user = strict.register()
    path = f"/_matrix/federation/v1/user/devices/{quote(user.user_id)}"
    assert friend.call("GET", strict.name, path).status == 200
    answer = stranger.call("GET", strict.name, path)
    assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN"), answer
    assert stranger.name in answer.json["error"]
    assert friend.ok("GET", strict.name, f"{KEY}/query/{stranger.name}/{stranger.key_id}", signed=False) == {"server_keys": []}
    assert stranger.asked == []  # not even for its keys


def test_limits_are_the_configured_ones(strict, friend):
    """One at a time, two that wait: of many at once most are refused."""
    import concurrent.futures
    path = f"/_matrix/federation/v1/user/devices/{quote(strict.register().user_id)}"
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: friend.call("GET", strict.name, path), range(40)))
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {200, 429}
    assert refused[0].json["retry_after_ms"] == 60_000 // 5
    assert until(lambda: friend.call("GET", strict.name, path).status == 200)


def test_well_known(strict):
    answer = request("GET", strict.base_url + "/.well-known/matrix/server")
    assert (answer.status, answer.json) == (200, {"m.server": strict.name})
