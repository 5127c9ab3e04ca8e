"""Devices and keys across servers: what clients learn of users of other servers."""

import threading
import time

from lib.keys import KEYS, Device

FED = "/_matrix/federation/v1"


def keys_of(user_id, device_id, **more):
    return {"user_id": user_id, "device_id": device_id, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
            "keys": {f"ed25519:{device_id}": "k" * 43}, "signatures": {user_id: {f"ed25519:{device_id}": "s"}}, **more}


def query(user, wanted):
    return user.ok("POST", f"{KEYS}/query", {"device_keys": wanted})


def claim(user, wanted):
    return user.ok("POST", f"{KEYS}/claim", {"one_time_keys": wanted})


def asked(remote, what):
    return [a for a in list(remote.asked) if what in a.path]


def test_keys_of_strangers_are_asked_of_their_servers(home, remotes):
    alice, bob = home.register(), home.register()
    Device(bob).upload()
    one, two = remotes(), remotes()
    for remote in (one, two):
        user = remote.user("u")
        remote.on("POST", r".*/user/keys/query", lambda a, remote=remote, user=user: (200, {
            "device_keys": {user: {"D": keys_of(user, "D", unsigned={"device_display_name": "n"})}, "@liar:elsewhere": {"X": {}},
                            remote.user("unasked"): {"Y": {}}},
            "master_keys": {user: {"user_id": user, "usage": ["master"], "keys": {}}, alice.user_id: {"forged": True}},
            "self_signing_keys": {user: []}}))
    answer = query(alice, {one.user("u"): [], two.user("u"): ["D", "E"], bob.user_id: []})
    assert set(answer["device_keys"]) == {one.user("u"), two.user("u"), bob.user_id}
    assert answer["device_keys"][one.user("u")] == {"D": keys_of(one.user("u"), "D", unsigned={"device_display_name": "n"})}
    assert set(answer["master_keys"]) == {one.user("u"), two.user("u")}
    assert answer["self_signing_keys"] == {} == answer["failures"]
    assert [a.body for a in asked(one, "keys/query")] == [{"device_keys": {one.user("u"): []}}]
    assert [a.body for a in asked(two, "keys/query")] == [{"device_keys": {two.user("u"): ["D", "E"]}}]
    assert not asked(one, "user/devices"), "who shares no room is not tracked"


def test_servers_are_asked_at_once_and_fail_alone(home, remotes):
    alice = home.register()
    good, bad, odd, slow = (remotes() for _ in range(4))
    gate = threading.Event()
    good.on("POST", r".*/user/keys/query", lambda a: (200, {"device_keys": {good.user("u"): {"D": keys_of(good.user("u"), "D")}}}))
    bad.on("POST", r".*/user/keys/query", (403, {"errcode": "M_FORBIDDEN", "error": "no"}))
    odd.on("POST", r".*/user/keys/query", (200, []))
    slow.on("POST", r".*/user/keys/query", lambda a: (200 if gate.wait(20) else 500, {}))
    began = time.time()
    answer = alice.ok("POST", f"{KEYS}/query?timeout=1500", {"device_keys": {r.user("u"): [] for r in (good, bad, odd, slow)}})
    gate.set()
    assert time.time() - began < 10
    assert set(answer["device_keys"]) == {good.user("u")}
    assert {name: failure["status"] for name, failure in answer["failures"].items()} == {bad.name: 403, odd.name: 503, slow.name: 503}


def test_bodies_name_the_time_and_bad_ones_are_refused(home, remote):
    alice = home.register()
    remote.on("POST", r".*/user/keys/query", lambda a: (time.sleep(3), (200, {"device_keys": {}}))[1])
    answer = alice.ok("POST", f"{KEYS}/query", {"device_keys": {remote.user("u"): []}, "timeout": 200})
    assert set(answer["failures"]) == {remote.name}
    assert alice.call("POST", f"{KEYS}/query?timeout=soon", {"device_keys": {}}).status == 400


def test_claims_go_to_the_servers(home, remote):
    alice, bob = home.register(), home.register()
    device = Device(bob)
    device.upload()
    bob.ok("POST", f"{KEYS}/upload", {"one_time_keys": {"signed_curve25519:A": device.one_time("a" * 43)}})
    user = remote.user("u")
    remote.on("POST", r".*/user/keys/claim", lambda a: (200, {"one_time_keys": {
        user: {"D": {"signed_curve25519:Q": {"key": "q"}}}, bob.user_id: {"forged": {}}, remote.user("unasked"): {"X": {}}, "x": 1}}))
    wanted = {user: {"D": "signed_curve25519", "E": "signed_curve25519"}, bob.user_id: {bob.device_id: "signed_curve25519"}}
    answer = claim(alice, wanted)
    assert answer["failures"] == {}
    assert set(answer["one_time_keys"]) == {user, bob.user_id}
    assert answer["one_time_keys"][user] == {"D": {"signed_curve25519:Q": {"key": "q"}}}
    assert set(answer["one_time_keys"][bob.user_id][bob.device_id]) == {"signed_curve25519:A"}
    assert [a.body for a in asked(remote, "keys/claim")] == [{"one_time_keys": {user: wanted[user]}}]
    remote.on("POST", r".*/user/keys/claim", (200, {"one_time_keys": [1, 2]}))
    assert claim(alice, {user: {"D": "a"}}) == {"one_time_keys": {}, "failures": {}}
    remote.on("POST", r".*/user/keys/claim", (404, {"errcode": "M_UNRECOGNIZED", "error": "what?"}))
    assert claim(alice, {user: {"D": "a"}})["failures"][remote.name]["status"] == 404
