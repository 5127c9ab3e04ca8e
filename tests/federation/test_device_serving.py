"""Devices and keys of our users, as other servers ask for them."""

import threading

import pytest

from lib.keys import KEYS, CrossSigning, Device
from lib.rooms import CLIENT
from lib.server import quote

FED = "/_matrix/federation/v1"
ALGORITHM = "signed_curve25519"


def devices(remote, home, user_id):
    return remote.call("GET", home.name, f"{FED}/user/devices/{quote(user_id)}")


def ask(remote, home, what, body):
    return remote.call("POST", home.name, f"{FED}/user/keys/{what}", body)


def test_devices_of_a_user(home, remote):
    alice = home.register()
    device = Device(alice)
    device.upload()
    home.login(alice.user_id)  # has no keys: nobody can write to it
    alice.ok("PUT", f"{CLIENT}/devices/{alice.device_id}", {"display_name": "secret name"})
    answer = devices(remote, home, alice.user_id).json
    assert isinstance(answer.pop("stream_id"), int)
    uploaded = alice.ok("POST", f"{KEYS}/query", {"device_keys": {alice.user_id: []}})["device_keys"][alice.user_id][alice.device_id]
    assert uploaded.pop("unsigned") == {"device_display_name": "secret name"}
    assert answer == {"user_id": alice.user_id, "devices": [{"device_id": alice.device_id, "keys": uploaded}], "master_key": None,
                      "self_signing_key": None}
    nobody = devices(remote, home, f"@nobody:{home.name}").json
    assert nobody["devices"] == [] and nobody["user_id"] == f"@nobody:{home.name}"


@pytest.mark.parametrize("user_id", ["@x:else.where", "bad", "@:", "@" + "a" * 300 + ":x"])
def test_whose_devices_we_do_not_have(home, remote, user_id):
    assert devices(remote, home, user_id).status == 400


def test_keys_of_users(home, remote):
    alice = home.register()
    Device(alice).upload()
    answer = ask(remote, home, "query", {"device_keys": {alice.user_id: [], f"@nobody:{home.name}": []}})
    assert answer.status == 200
    assert answer.json["device_keys"][alice.user_id][alice.device_id]["unsigned"] == {}
    assert answer.json["device_keys"][f"@nobody:{home.name}"] == {}
    assert answer.json["master_keys"] == answer.json["self_signing_keys"] == answer.json["user_signing_keys"] == {}
    named = ask(remote, home, "query", {"device_keys": {alice.user_id: ["NOPE"]}}).json
    assert named["device_keys"] == {alice.user_id: {}}


@pytest.mark.parametrize("what, member", [("query", "device_keys"), ("claim", "one_time_keys")])
def test_questions_that_make_no_sense(home, remote, what, member):
    assert ask(remote, home, what, {}).status == 200
    for wrong in ([], {"bad": {}}, {"@x:else.where": {}}, {f"@a:{home.name}": 7}, {f"@a:{home.name}": "x"}, 5, "x", None):
        assert ask(remote, home, what, {member: wrong}).status == 400, wrong


def test_cross_signing_keys_are_told_but_for_the_private_one(home, remote):
    alice = home.register()
    device, keys = Device(alice), CrossSigning(alice)
    device.upload()
    alice.ok("POST", f"{KEYS}/device_signing/upload", keys.keys())
    told = devices(remote, home, alice.user_id).json
    assert told["master_key"]["usage"] == ["master"] and told["self_signing_key"]["usage"] == ["self_signing"]
    answer = ask(remote, home, "query", {"device_keys": {alice.user_id: []}}).json
    assert answer["master_keys"] == {alice.user_id: told["master_key"]}
    assert answer["self_signing_keys"] == {alice.user_id: told["self_signing_key"]}
    assert answer["user_signing_keys"] == {}


def test_one_time_keys_are_handed_out_once(home, remote):
    alice = home.register()
    device = Device(alice)
    device.upload()
    names = [f"K{i}" for i in range(8)]
    alice.ok("POST", f"{KEYS}/upload", {"one_time_keys": {f"{ALGORITHM}:{n}": device.one_time("o" * 43) for n in names},
                                        "fallback_keys": {f"{ALGORITHM}:F": dict(device.one_time("f" * 43), fallback=True)}})
    claims, given = {"one_time_keys": {alice.user_id: {alice.device_id: ALGORITHM, "NOPE": ALGORITHM}}}, []

    def claim():
        answer = ask(remote, home, "claim", claims)
        assert answer.status == 200
        given.extend(answer.json["one_time_keys"][alice.user_id][alice.device_id])

    threads = [threading.Thread(target=claim) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == sorted([f"{ALGORITHM}:{n}" for n in names] + [f"{ALGORITHM}:F"] * 4)
    assert ask(remote, home, "claim", {"one_time_keys": {alice.user_id: {alice.device_id: "other"}}}).json == {"one_time_keys": {}}


def test_who_does_not_sign_is_told_nothing(home, remote):
    alice = home.register()
    for method, path, body in (("GET", f"{FED}/user/devices/{quote(alice.user_id)}", None),
                               ("POST", f"{FED}/user/keys/query", {"device_keys": {}}),
                               ("POST", f"{FED}/user/keys/claim", {"one_time_keys": {}})):
        assert remote.call(method, home.name, path, body, signed=False).status == 401
