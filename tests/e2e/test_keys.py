"""Keys of devices: published, asked for, handed out once."""

import asyncio
import random

import aiohttp

from lib.keys import KEYS, Device, claim, query
from lib.rooms import CLIENT, refused
from lib.server import quote, request
from lib.wait import until


def workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def upload(user, base=None, **body):
    return user.ok("POST", f"{KEYS}/upload", body, base=base)["one_time_key_counts"]


def refused_upload(user, errcode="M_BAD_JSON", **body):
    return refused(user.call("POST", f"{KEYS}/upload", body), 400, errcode)


def sql(server, statement):
    return server.deployment.postgres.sql(statement, server.deployment.database)


def test_identity_keys(server):
    alice, bob = server.register(), server.register()
    one, two = workers(server)
    device = Device(alice)
    assert device.upload(base=one) == {"one_time_key_counts": {"signed_curve25519": 0}}
    keys = device.keys()
    assert query(bob, alice, base=two)["device_keys"] == {alice.user_id: {alice.device_id: {**keys, "unsigned": {}}}}
    alice.ok("PUT", f"{CLIENT}/devices/{alice.device_id}", {"display_name": "phone"})
    answer = query(bob, alice, bob, "@nobody:" + server.name, "no user id", "@x:elsewhere.invalid")
    assert answer["device_keys"][alice.user_id][alice.device_id]["unsigned"] == {"device_display_name": "phone"}
    assert answer["device_keys"][bob.user_id] == {} and answer["device_keys"]["@nobody:" + server.name] == {}
    assert list(answer["failures"]) == ["elsewhere.invalid"] and "no user id" not in answer["device_keys"]
    assert answer["master_keys"] == answer["self_signing_keys"] == answer["user_signing_keys"] == {}
    only = bob.ok("POST", f"{KEYS}/query", {"device_keys": {alice.user_id: ["NOSUCH"]}})
    assert only["device_keys"] == {alice.user_id: {}}
    upload(alice, device_keys={**keys, "unsigned": {"x": 1}, "extra": 1.5})
    stored = until(lambda: (lambda keys: keys if "extra" in keys else None)(query(bob, alice)["device_keys"][alice.user_id][alice.device_id]))
    assert stored["extra"] == 1.5 and stored["unsigned"] == {"device_display_name": "phone"}


def test_one_time_keys_and_counts(server):
    alice, bob = server.register(), server.register()
    one, two = workers(server)
    device = Device(alice)
    first, second = device.one_time("a"), device.one_time("b")
    assert upload(alice, one, one_time_keys={"signed_curve25519:A": first, "curve25519:P": "plain"}) == \
        {"signed_curve25519": 1, "curve25519": 1}
    assert upload(alice, two, one_time_keys={"signed_curve25519:A": first, "signed_curve25519:B": second})["signed_curve25519"] == 2
    again = {"signed_curve25519:A": {**first, "signatures": {}}}  # nothing new: the count is as this process knows it
    until(lambda: upload(alice, one, one_time_keys=again)["signed_curve25519"] == 2)
    refused_upload(alice, "M_UNKNOWN", one_time_keys={"signed_curve25519:A": device.one_time("other"), "signed_curve25519:C": second})
    for base in (one, two):
        until(lambda base=base: alice.sync(base=base)["device_one_time_keys_count"] == {"signed_curve25519": 2, "curve25519": 1})
        assert upload(alice, base)["signed_curve25519"] == 2  # all or nothing
    assert claim(bob, alice, base=one) == {"signed_curve25519:A": first}
    assert claim(bob, alice, base=two) == {"signed_curve25519:B": second}
    assert claim(bob, alice, "curve25519", base=two) == {"curve25519:P": "plain"}
    assert claim(bob, alice, base=one) == claim(bob, alice, "unknown") == {}
    until(lambda: upload(alice) == {"signed_curve25519": 0})


def test_counts_in_sync_follow_claims_at_another_process(server):
    alice, bob = server.register(), server.register()
    device = Device(alice)
    one, two = workers(server)
    upload(alice, one, one_time_keys={f"signed_curve25519:{i}": device.one_time(str(i)) for i in range(5)})
    for left in range(4, -1, -1):
        assert claim(bob, alice, base=two)
        found, _ = alice.sync_until(lambda a: a["device_one_time_keys_count"]["signed_curve25519"] == left)
        assert found


def test_fallback_keys(server):
    alice, bob = server.register(), server.register()
    device = Device(alice)
    key = {**device.one_time("f"), "fallback": True}
    upload(alice, fallback_keys={"signed_curve25519:F": key})
    assert alice.sync()["device_unused_fallback_key_types"] == ["signed_curve25519"]
    upload(alice, one_time_keys={"signed_curve25519:A": device.one_time("a")})
    assert list(claim(bob, alice)) == ["signed_curve25519:A"]
    for base in workers(server):
        assert claim(bob, alice, base=base) == {"signed_curve25519:F": key}  # again and again
    alice.sync_until(lambda a: a["device_unused_fallback_key_types"] == [])
    upload(alice, fallback_keys={"signed_curve25519:F": key})  # the same key is as used as before
    for base in workers(server):  # each hears of the claims by itself
        until(lambda base=base: alice.sync(base=base)["device_unused_fallback_key_types"] == [])
    upload(alice, fallback_keys={"signed_curve25519:G": {**device.one_time("g"), "fallback": True}})
    alice.sync_until(lambda a: a["device_unused_fallback_key_types"] == ["signed_curve25519"])
    assert list(claim(bob, alice)) == ["signed_curve25519:G"]


def test_oldest_first_and_no_more_than_500(server):
    alice, bob = server.register(), server.register()
    device = Device(alice)
    upload(alice, one_time_keys={"signed_curve25519:Z": device.one_time("z")})
    many = {f"signed_curve25519:{i:03}": {"key": str(i), "signatures": {}} for i in range(499)}
    assert upload(alice, one_time_keys=many)["signed_curve25519"] == 500
    refused_upload(alice, "M_TOO_LARGE", one_time_keys={"signed_curve25519:Y": device.one_time("y")})
    assert upload(alice, one_time_keys=many)["signed_curve25519"] == 500  # the same again is no more
    assert list(claim(bob, alice)) == ["signed_curve25519:Z"]


def test_refused_uploads(server):
    alice = server.register()
    keys = Device(alice).keys()
    refused_upload(alice, device_keys={**keys, "user_id": "@x:y"})
    refused_upload(alice, device_keys={**keys, "device_id": "OTHER"})
    refused_upload(alice, "M_INVALID_PARAM", device_keys=None)
    for name in ("algorithms", "keys", "signatures", "user_id", "device_id"):
        refused_upload(alice, "M_MISSING_PARAM", device_keys={k: v for k, v in keys.items() if k != name})
        refused_upload(alice, device_keys={**keys, name: 5})
    refused_upload(alice, device_keys={"user_id": alice.user_id, "device_id": alice.device_id})
    for bad in ([], "x", 5):
        refused_upload(alice, device_keys=bad)
        refused_upload(alice, one_time_keys=bad)
        refused_upload(alice, fallback_keys=bad)
    for bad in ({"nocolon": "x"}, {"a:b:c": "x"}, {"x:y": 5}, {"x:y": {"nokey": 1}}, {"x:y": {"key": 5, "signatures": {}}},
                {"x:y": {"key": "k"}}, {"x:y": {"key": "k", "signatures": [], "fallback": True}},
                {"x:y": {"key": "k", "signatures": {}, "fallback": "yes"}}):
        refused_upload(alice, one_time_keys=bad)
        refused_upload(alice, fallback_keys=bad)
    header = {"Authorization": f"Bearer {alice.token}"}
    for path, member in (("upload", b"device_keys"), ("query", b"device_keys"), ("claim", b"one_time_keys")):
        deep = b'{"%s":' % member + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}"
        for raw in (b"[]", b"{", b'"x"', deep, b'{"%s":{"a":1e999}}' % member):
            answer = request("POST", f"{server.base_url}{KEYS}/{path}", raw=raw, headers=header)
            assert answer.status == 400, (path, raw, answer)
    assert request("POST", f"{server.base_url}{KEYS}/upload", {}).status == 401
    assert upload(alice) == {"signed_curve25519": 0}


def test_the_device_in_the_path(server):
    alice = server.register()
    other = server.login(alice.user_id)
    for version in ("r0", "unstable", "v3"):
        path = f"/_matrix/client/{version}/keys/upload/{quote(alice.device_id)}"
        alice.ok("POST", path, {"device_keys": Device(alice).keys()})
    refused(alice.call("POST", f"{KEYS}/upload/{other.device_id}", {"device_keys": Device(other).keys()}), 400)
    assert list(query(alice, alice)["device_keys"][alice.user_id]) == [alice.device_id]


def test_refused_questions(server):
    alice = server.register()
    for bad in ({}, {"device_keys": []}, {"device_keys": 5}, *({"device_keys": {alice.user_id: v}} for v in ({}, None, "x", 5, [5]))):
        refused(alice.call("POST", f"{KEYS}/query", bad), 400, "M_BAD_JSON")
    for bad in ([], 5, {alice.user_id: []}, {alice.user_id: {"D": 5}}, {alice.user_id: {"D": ["x"]}}, {alice.user_id: None}):
        refused(alice.call("POST", f"{KEYS}/claim", {"one_time_keys": bad}), 400, "M_BAD_JSON")
    refused(alice.call("POST", f"{KEYS}/claim", {"one_time_keys": {"bad": {"D": "x"}}}), 400, "M_INVALID_PARAM")
    assert alice.ok("POST", f"{KEYS}/claim", {}) == {"one_time_keys": {}, "failures": {}}
    assert alice.ok("POST", f"{KEYS}/query", {"device_keys": {}})["device_keys"] == {}
    elsewhere = alice.ok("POST", f"{KEYS}/claim", {"one_time_keys": {"@x:elsewhere.invalid": {"D": "x"}}})
    assert elsewhere["one_time_keys"] == {} and elsewhere["failures"]["elsewhere.invalid"]["status"] == 503


def test_what_goes_with_a_device(server):
    alice, bob = server.register(), server.register()
    phone = server.login(alice.user_id)
    for user in (alice, phone):
        device = Device(user)
        device.upload()
        upload(user, one_time_keys={"signed_curve25519:A": device.one_time("a")},
               fallback_keys={"signed_curve25519:F": {**device.one_time("f"), "fallback": True}})
    phone.ok("POST", f"{CLIENT}/logout", {})
    assert list(query(bob, alice)["device_keys"][alice.user_id]) == [alice.device_id]
    assert claim(bob, phone) == {} and claim(bob, alice)
    for table in ("e2e_device_keys_json", "e2e_one_time_keys_json", "e2e_fallback_keys_json", "device_inbox"):
        assert not sql(server, f"SELECT 1 FROM {table} WHERE user_id = '{alice.user_id}' AND device_id = '{phone.device_id}'")


def test_ten_thousand_claims_at_once_give_no_key_twice(server):
    owner, taker = server.register(), server.register()
    devices = [owner] + [server.login(owner.user_id) for _ in range(19)]
    for device in devices:
        upload(device, one_time_keys={f"signed_curve25519:{device.device_id}-{i}": {"key": f"{device.device_id}{i}", "signatures": {}}
                                      for i in range(500)})
    bodies = [{d.device_id: "signed_curve25519" for d in random.sample(devices, len(devices))} for _ in range(450)]
    bodies += [{d.device_id: "signed_curve25519"} for d in devices for _ in range(60)]  # more than there are left
    random.shuffle(bodies)
    bases = workers(server)

    async def all_at_once():
        limit = asyncio.Semaphore(60)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {taker.token}"}) as session:
            async def one(i, body):
                async with limit, session.post(f"{bases[i % 2]}{KEYS}/claim", json={"one_time_keys": {owner.user_id: body}}) as answer:
                    assert answer.status == 200, await answer.text()
                    return (await answer.json())["one_time_keys"].get(owner.user_id, {})
            return await asyncio.gather(*(one(i, body) for i, body in enumerate(bodies)))

    given = [key for answer in asyncio.run(all_at_once()) for keys in answer.values() for key in keys]
    assert len(given) == len(set(given)) == 10000
    assert not sql(server, f"SELECT 1 FROM e2e_one_time_keys_json WHERE user_id = '{owner.user_id}' LIMIT 1")
