"""Devices, keys and messages between them, with processes of both kinds: equal operations leave equal rows, and what is done at
one process is seen at every other."""

import json
import time

import pytest
import signedjson.key

from deployment.layout import Worker
from lib.keys import KEYS, CrossSigning, Device, claim, public, query, sign
from lib.rooms import CLIENT
from lib.server import Server, quote
from lib.wait import PATIENCE, until

BACKUP = f"{CLIENT}/room_keys"
GENERIC = "synapse.app.generic_worker"

# ---- equal rows ----

# Without ids of streams, times, and what is drawn by chance.
QUERIES = {
    "devices": "SELECT user_id, device_id, display_name, hidden FROM devices ORDER BY 1, 2",
    "inbox": "SELECT user_id, device_id, message_json, instance_name FROM device_inbox ORDER BY stream_id, 1, 2",
    "identity": "SELECT user_id, device_id, key_json FROM e2e_device_keys_json ORDER BY 1, 2",
    "one-time": "SELECT user_id, device_id, algorithm, key_id, key_json FROM e2e_one_time_keys_json ORDER BY 1, 2, 3, 4",
    "fallback": "SELECT user_id, device_id, algorithm, key_id, key_json, used FROM e2e_fallback_keys_json ORDER BY 1, 2, 3",
    "cross-signing": "SELECT user_id, keytype, keydata, updatable_without_uia_before_ms, instance_name FROM e2e_cross_signing_keys ORDER BY stream_id",
    "signatures": "SELECT user_id, key_id, target_user_id, target_device_id, signature FROM e2e_cross_signing_signatures ORDER BY 1, 2, 3, 4",
    "versions": "SELECT user_id, version, algorithm, auth_data, deleted, etag FROM e2e_room_keys_versions ORDER BY 1, 2",
    "backup": "SELECT user_id, room_id, session_id, version, first_message_index, forwarded_count, is_verified, session_data FROM e2e_room_keys"
              " ORDER BY 1, 2, 3, 4",
    "lists": "SELECT user_id, device_id, instance_name FROM device_lists_stream ORDER BY stream_id",
    "lists by room": "SELECT user_id, device_id, converted_to_destinations, opentracing_context, instance_name FROM device_lists_changes_in_room"
                     " ORDER BY stream_id, room_id",
    "signed": "SELECT from_user_id, user_ids, instance_name FROM user_signature_stream ORDER BY stream_id",
    "forgotten": "SELECT DISTINCT cache_func, keys FROM cache_invalidation_stream_by_instance WHERE cache_func IN ('count_e2e_one_time_keys',"
                 " 'get_e2e_unused_fallback_key_types', '_get_bare_e2e_cross_signing_keys', '_get_e2e_cross_signing_signatures_for_device')"
                 " ORDER BY 1, 2",
    "positions": "SELECT stream_name, instance_name FROM stream_positions WHERE stream_name IN ('to_device', 'device_lists_stream') ORDER BY 1, 2",
}


def fixed_key(letter, version):
    """The same key in every run: signatures are rows, too."""
    return signedjson.key.decode_signing_key_base64("ed25519", version, letter * 43)


class Known:
    """Users whose devices and keys have the same names on both servers."""

    def __init__(self, server, name, letters):
        self.user = server.register(name, device_id=f"{name.upper()}DEV")
        self.device, self.cross = Device(self.user), CrossSigning(self.user)
        self.device.key = fixed_key(letters[0], self.user.device_id)
        for attribute, letter in zip(("master", "self_signing", "user_signing"), letters[1:]):
            key = fixed_key(letter, "x")
            key.version = public(key)
            setattr(self.cross, attribute, key)


def live(server):
    alice, bob = Known(server, "alice", "ABCD"), Known(server, "bob", "EFGH")
    a, b = alice.user, bob.user
    room = a.create_room(preset="public_chat")
    b.join(room)
    for who in (alice, bob):
        who.device.upload()
        who.user.ok("POST", f"{KEYS}/upload", {
            "one_time_keys": {f"signed_curve25519:{n}": who.device.one_time(n) for n in "XYZ"} | {"curve25519:P": "plain"},
            "fallback_keys": {"signed_curve25519:F": {**who.device.one_time("f"), "fallback": True}}})
        who.user.ok("POST", f"{KEYS}/device_signing/upload", who.cross.keys())
    claim(b, a, "curve25519")
    claim(b, a, "curve25519")
    server_user = server.login("bob", device_id="BOBTWO", initial_device_display_name="second")
    a.ok("PUT", f"{CLIENT}/devices/ALICEDEV", {"display_name": "phone"})
    a.ok("POST", f"{KEYS}/signatures/upload", {
        a.user_id: {a.device_id: sign(alice.device.keys(), a, alice.cross.self_signing),
                    public(alice.cross.master): sign(alice.cross.keys()["master_key"], a, alice.device.key)},
        b.user_id: {public(bob.cross.master): sign(bob.cross.keys()["master_key"], a, alice.cross.user_signing)}})
    send = f"{CLIENT}/sendToDevice/m.x/"
    a.ok("PUT", send + "1", {"messages": {b.user_id: {"*": {"n": 1}}, a.user_id: {"NOSUCH": {"n": 2}}}})
    a.ok("PUT", send + "1", {"messages": {b.user_id: {"*": {"n": 1}}}})
    a.ok("PUT", send + "2", {"messages": {b.user_id: {"BOBTWO": {"n": 3.5, "text": "\u00e9\"\n"}}, "@nobody:localhost": {"*": {}}}})
    answer = server_user.sync()
    a.ok("PUT", send + "3", {"messages": {b.user_id: {"BOBTWO": {"n": 4}}}})
    server_user.sync(answer["next_batch"])
    session = {"first_message_index": 1, "forwarded_count": 1, "is_verified": False, "session_data": {"d": "\u00e9"}}
    for _ in range(2):
        a.ok("POST", f"{BACKUP}/version", {"algorithm": "m.megolm_backup.v1", "auth_data": {"k": 1, "a": [1.5]}})
    a.ok("PUT", f"{BACKUP}/keys?version=2", {"rooms": {"!r:x": {"sessions": {n: session for n in "123"}}}})
    a.ok("PUT", f"{BACKUP}/keys/{quote('!r:x')}/1?version=2", {**session, "first_message_index": 0})
    a.ok("PUT", f"{BACKUP}/keys/{quote('!r:x')}/2?version=2", {**session, "first_message_index": 7})
    a.ok("DELETE", f"{BACKUP}/keys/{quote('!r:x')}/3?version=2")
    a.ok("DELETE", f"{BACKUP}/version/1", {})
    third = server.login("bob", device_id="BOBTHREE")
    Device(third).upload()
    third.ok("POST", f"{CLIENT}/logout", {})


def found_rows(deployment):
    found = {}
    for name, statement in QUERIES.items():
        rows = deployment.postgres.sql(statement, deployment.database)
        found[name] = [[json.loads(v) if v.startswith("{") and name != "forgotten" else v for v in row] for row in rows]
    return found


def test_equal_operations_leave_equal_rows(mixed):
    found = {}
    for name, python in (("synapse", {"main"}), ("ganglion", set())):
        deployment = mixed(f"keys_{name}", python=python, monolith=True)
        deployment.start()
        live(Server(deployment))
        deployment.stop()
        found[name] = found_rows(deployment)
    assert all(found["synapse"].values()), "something was not compared"
    different = {name: (found["synapse"][name], found["ganglion"][name]) for name in QUERIES
                 if found["ganglion"][name] != found["synapse"][name]}
    assert not different, json.dumps(different)


# ---- one kind after the other ----


def view(users):
    """What clients see of their keys and messages; asks for nothing that would change them."""
    alice, bob, two = users
    asked = (alice, bob)
    found = {"query": [query(u, *asked) for u in users], "backup": alice.ok("GET", f"{BACKUP}/keys?version=2"),
             "version": alice.ok("GET", f"{BACKUP}/version"), "devices": [u.ok("GET", f"{CLIENT}/devices") for u in asked]}
    for device in found["devices"][0]["devices"] + found["devices"][1]["devices"]:
        del device["last_seen_ts"], device["last_seen_ip"]
    for list_ in found["devices"]:
        list_["devices"].sort(key=lambda d: d["device_id"])
    for name in ("to_device", "device_one_time_keys_count", "device_unused_fallback_key_types"):
        found[name] = [u.sync().get(name) for u in users]
    return found


@pytest.mark.parametrize("first", ["synapse", "ganglion"])
def test_keys_and_messages_outlive_a_change_of_server(mixed, first):
    """What one kind wrote the other one reads, and goes on with: tokens, one-time keys, versions, proofs."""
    deployment = mixed(f"keys_after_{first}", python={"main"} if first == "synapse" else set(), monolith=True,
                       extra_config={"caches": {"sync_response_cache_duration": 0}})  # what was asked once is asked again
    deployment.start()
    server = Server(deployment)
    live(server)
    alice, bob, two = users = [server.login("alice", device_id="ALICEDEV"), server.login("bob", device_id="BOBDEV"),
                               server.login("bob", device_id="BOBTWO")]
    for n in range(3):
        alice.ok("PUT", f"{CLIENT}/sendToDevice/m.x/later{n}", {"messages": {two.user_id: {"BOBTWO": {"later": n}}}})
    before, token = view(users), two.sync()["next_batch"]
    assert [e["content"] for e in before["to_device"][2]["events"]][-3:] == [{"later": n} for n in range(3)]
    deployment.stop()
    deployment.python = set() if first == "synapse" else {"main"}
    deployment.start()
    assert view(users) == before
    assert "to_device" not in two.sync(token)  # acknowledged by the other kind's token
    assert list(claim(alice, bob)) != list(claim(alice, bob))
    assert alice.ok("POST", f"{BACKUP}/version", {"algorithm": "x", "auth_data": {}}) == {"version": "3"}
    fresh = CrossSigning(alice)
    asked = alice.call("POST", f"{KEYS}/device_signing/upload", fresh.keys())
    assert asked.status == 401 and asked.json["flows"]
    auth = {"type": "m.login.password", "session": asked.json["session"], "password": "a good password",
            "identifier": {"type": "m.id.user", "user": "alice"}}
    alice.ok("POST", f"{KEYS}/device_signing/upload", {**fresh.keys(), "auth": auth})
    assert query(bob, alice)["master_keys"][alice.user_id] == fresh.keys()["master_key"]
    since = bob.sync()["next_batch"]
    alice.ok("PUT", f"{CLIENT}/devices/ALICEDEV", {"display_name": "renamed"})
    assert bob.sync(since, timeout=10000)["device_lists"]["changed"] == [alice.user_id]


# ---- both kinds at once ----

LAYOUTS = {
    "Synapse worker, Ganglion main": ({"worker1"}, {}),
    "Ganglion worker, Synapse main": ({"main"}, {}),
    "Synapse worker writes, Ganglion main": ({"worker1"}, {"to_device": ["worker1"], "device_lists": ["worker1"]}),
    "Ganglion worker writes, Synapse main": ({"main"}, {"to_device": ["worker1"], "device_lists": ["worker1"]}),
}


@pytest.fixture(params=LAYOUTS)
def sides(mixed, request):
    python, writers = LAYOUTS[request.param]
    deployment = mixed(f"keys_sides{list(LAYOUTS).index(request.param)}", python=python,
                       workers=[Worker("worker1", GENERIC, ["client", "federation"])], stream_writers={"events": ["master"], **writers},
                       extra_config={"caches": {"sync_response_cache_duration": 0}})
    deployment.start()
    return deployment


def heard(user, url, since, found):
    """Syncs on at one process until an answer has it; the next token."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = user.sync(since, timeout=1000, base=url)
        since = answer["next_batch"]
        if found(answer):
            return since
        assert time.monotonic() < end, (url, answer)


def test_everybody_sees_what_anybody_does(sides):
    server = Server(sides)
    urls = {"master": f"http://127.0.0.1:{sides.main.port}", "worker1": f"http://127.0.0.1:{sides.workers[0].port}"}
    server.base_url = urls["master"]
    writer = urls[sides.stream_writers.get("to_device", ["master"])[0]]
    alice, bob = server.register("alice"), server.register("bob")
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    device = Device(alice)
    tokens = {url: bob.sync(base=url)["next_batch"] for url in urls.values()}
    own = {url: alice.sync(base=url)["next_batch"] for url in urls.values()}
    for n, (name, url) in enumerate(urls.items()):
        # identity keys: who shares a room hears of them at every process, and finds them there
        keys = device.keys(by=name)
        alice.ok("POST", f"{KEYS}/upload", {"device_keys": keys}, base=url)
        for other in urls.values():
            tokens[other] = heard(bob, other, tokens[other], lambda a: alice.user_id in a.get("device_lists", {}).get("changed", []))
            got = until(lambda: query(bob, alice, base=other)["device_keys"][alice.user_id].get(alice.device_id), what=f"{name}'s keys at {other}")
            assert got["by"] == name
        # one-time and fallback keys: counts fall everywhere
        alice.ok("POST", f"{KEYS}/upload", {
            "one_time_keys": {f"signed_curve25519:{name}{i}": device.one_time(f"{name}{i}") for i in range(2)},
            "fallback_keys": {"signed_curve25519:F": {**device.one_time(name), "fallback": True}}}, base=url)
        for left, taker in ((1, urls["worker1"]), (0, urls["master"])):
            assert claim(bob, alice, base=taker)
            for other in urls.values():
                until(lambda: alice.sync(own[other], base=other)["device_one_time_keys_count"]
                      ["signed_curve25519"] == left, what=f"{left} left at {other}")
        for other in urls.values():
            until(lambda: alice.sync(own[other], base=other)["device_unused_fallback_key_types"], what="an unused fallback key")
        assert list(claim(bob, alice, base=url)) == ["signed_curve25519:F"]
        for other in urls.values():
            until(lambda: not alice.sync(own[other], base=other)["device_unused_fallback_key_types"], what="a used fallback key")
        # messages
        bob.ok("PUT", f"{CLIENT}/sendToDevice/m.x/{n}", {"messages": {alice.user_id: {alice.device_id: {"n": n}}}}, base=writer)
        for other in urls.values():
            heard(alice, other, own[other], lambda a: [e["content"] for e in a.get("to_device", {}).get("events", [])] == [{"n": n}])
        after = heard(alice, url, own[url], lambda a: a.get("to_device"))
        own = {other: after for other in urls.values()}
        assert "to_device" not in alice.sync(after, base=url)
    # cross-signing: keys from one process, signatures from the other
    mine, his = CrossSigning(alice), CrossSigning(bob)
    alice.ok("POST", f"{KEYS}/device_signing/upload", mine.keys(), base=urls["worker1"])
    bob.ok("POST", f"{KEYS}/device_signing/upload", his.keys(), base=urls["master"])
    for other in urls.values():
        until(lambda: {alice.user_id, bob.user_id} <=
              set(query(bob, alice, bob, base=other)["master_keys"]), what=f"cross-signing keys at {other}")
    assert alice.ok("POST", f"{KEYS}/signatures/upload", {
        alice.user_id: {alice.device_id: sign(device.keys(by="worker1"), alice, mine.self_signing)},
        bob.user_id: {public(his.master): sign(his.keys()["master_key"], alice, mine.user_signing)}}, base=urls["master"]) == {"failures": {}}
    for other in urls.values():
        until(lambda: f"ed25519:{public(mine.self_signing)}" in
              query(bob, alice, base=other)["device_keys"][alice.user_id][alice.device_id]["signatures"][alice.user_id], what=f"the device's signature at {other}")
        until(lambda: query(alice, bob, base=other)["master_keys"][bob.user_id].get("signatures"), what=f"bob's key, signed by alice, at {other}")
    # a device ends
    phone = server.login("alice")
    Device(phone).upload(base=urls["worker1"])
    phone.ok("POST", f"{CLIENT}/logout", {}, base=urls["master"])
    for other in urls.values():
        until(lambda: list(query(bob, alice, base=other)["device_keys"][alice.user_id]) == [alice.device_id], what=f"the end of a device at {other}")
    # backup: begun at one, filled at the other
    alice.ok("POST", f"{BACKUP}/version", {"algorithm": "x", "auth_data": {}}, base=urls["worker1"])
    session = {"first_message_index": 1, "forwarded_count": 1, "is_verified": False, "session_data": {}}
    for i, url in enumerate(urls.values()):
        answer = alice.ok("PUT", f"{BACKUP}/keys/r/s{i}?version=1", session, base=url)
        assert answer == {"etag": str(i + 1), "count": i + 1}
    for url in urls.values():
        assert alice.ok("GET", f"{BACKUP}/keys?version=1", base=url) == {"rooms": {"r": {"sessions": {"s0": session, "s1": session}}}}
    assert sides.complaints() == []
