"""Users vouch for their devices and for each other; who replaces keys proves who they are."""

from lib.keys import KEYS, CrossSigning, Device, new_key, public, query, sign
from lib.rooms import CLIENT, refused
from lib.server import request

PASSWORD = "a good password"


def workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def publish(user, keys, **kwargs):
    return user.call("POST", f"{KEYS}/device_signing/upload", keys, **kwargs)


def proof(user, answer, password=PASSWORD):
    return {"auth": {"type": "m.login.password", "session": answer.json["session"], "password": password,
                     "identifier": {"type": "m.id.user", "user": user.user_id}}}


def signatures(user, body, **kwargs):
    return user.ok("POST", f"{KEYS}/signatures/upload", body, **kwargs)["failures"]


def sql(server, statement):
    return server.deployment.postgres.sql(statement, server.deployment.database)


def test_first_keys_need_no_proof(server):
    alice, bob = server.register(), server.register()
    one, two = workers(server)
    cross = CrossSigning(alice)
    since = alice.sync()["next_batch"]
    assert publish(alice, cross.keys(), base=one).status == 200
    own, others = query(alice, alice, base=two), query(bob, alice, base=two)
    for name in ("master", "self_signing", "user_signing"):
        assert own[f"{name}_keys"] == {alice.user_id: cross.keys()[f"{name}_key"]}
        assert others[f"{name}_keys"] == (own[f"{name}_keys"] if name != "user_signing" else {})
    assert publish(alice, cross.keys()).status == 200  # the same again is no change
    found, _ = alice.sync_until(lambda a: a.get("device_lists"), since)
    assert found["changed"] == [alice.user_id]
    names = sql(server, f"SELECT display_name FROM devices WHERE user_id = '{alice.user_id}' AND hidden ORDER BY 1")
    assert [n for (n,) in names] == ["master signing key", "self_signing signing key", "user_signing signing key"]
    assert len(alice.ok("GET", f"{CLIENT}/devices")["devices"]) == 1


def test_replacing_keys_asks_who_it_is(server):
    alice = server.register()
    assert publish(alice, CrossSigning(alice).keys()).status == 200
    fresh = CrossSigning(alice)
    one, two = workers(server)
    asked = publish(alice, fresh.keys(), base=one)
    refused(asked, 401)
    assert asked.json["flows"] == [{"stages": ["m.login.password"]}]
    refused(publish(alice, {**fresh.keys(), **proof(alice, asked, "wrong")}, base=two), 401, "M_FORBIDDEN")
    assert publish(alice, {**fresh.keys(), **proof(alice, asked)}, base=two).status == 200
    assert query(alice, alice)["master_keys"][alice.user_id] == fresh.keys()["master_key"]
    # the session is for these keys only
    stolen = CrossSigning(alice)
    assert publish(alice, {**stolen.keys(), **proof(alice, asked)}).status in (400, 401, 403)
    assert query(alice, alice)["master_keys"][alice.user_id] == fresh.keys()["master_key"]
    # the keys may be left out of the last step: the session holds them
    asked = publish(alice, stolen.keys())
    assert publish(alice, proof(alice, asked)).status == 200
    assert query(alice, alice)["master_keys"][alice.user_id] == stolen.keys()["master_key"]


def test_keys_that_are_replaced_may_come_back(server):
    alice = server.register()
    first, second = CrossSigning(alice), CrossSigning(alice)
    assert publish(alice, first.keys()).status == 200
    for cross in (second, first):
        asked = publish(alice, cross.keys())
        assert publish(alice, {**cross.keys(), **proof(alice, asked)}).status == 200
        assert query(alice, alice)["self_signing_keys"][alice.user_id] == cross.keys()["self_signing_key"]


def test_replacement_without_proof_for_a_while(server):
    alice = server.register()
    assert publish(alice, CrossSigning(alice).keys()).status == 200
    sql(server, "UPDATE e2e_cross_signing_keys SET updatable_without_uia_before_ms = 9000000000000 WHERE keytype = 'master'"
                f" AND user_id = '{alice.user_id}'")
    fresh = CrossSigning(alice)
    assert publish(alice, fresh.keys()).status == 200
    assert publish(alice, CrossSigning(alice).keys()).status == 401


def test_refused_keys(server):
    alice = server.register()
    cross, keys = CrossSigning(alice), CrossSigning(alice).keys()
    keys = cross.keys()
    master = keys["master_key"]
    assert publish(alice, {}).status == 200
    refused(publish(alice, {"self_signing_key": keys["self_signing_key"]}), 400, "M_MISSING_PARAM")
    for bad in ({"user_id": "@x:y"}, {"usage": ["x"]}, {"usage": []}, {"usage": 5}, {"keys": {}}, {"keys": 5}, {"user_id": 5},
                {"keys": {"ed25519:abc": "abc"}}, {"keys": {"ed25519:abc": public(cross.master)}},
                {"keys": {**master["keys"], "ed25519:x": "x"}}, {"keys": {f"rsa:{public(cross.master)}": public(cross.master)}}):
        refused(publish(alice, {"master_key": {**master, **bad}}), 400, "M_INVALID_PARAM")
    for bad in ([], 5, "x", True):
        refused(publish(alice, {"master_key": bad}), 400, "M_BAD_JSON")
    unsigned = {k: v for k, v in keys["self_signing_key"].items() if k != "signatures"}
    for bad in (unsigned, {**unsigned, "signatures": 5}, {**unsigned, "signatures": {alice.user_id: 5}},
                cross.key("self_signing", cross.self_signing, cross.user_signing),
                {**unsigned, "signatures": {alice.user_id: {f"ed25519:{public(cross.master)}": "A" * 86}}}):
        refused(publish(alice, {"master_key": master, "self_signing_key": bad}), 400, "M_INVALID_SIGNATURE")
    assert query(alice, alice)["master_keys"] == {}
    assert request("POST", f"{server.base_url}{KEYS}/device_signing/upload", keys).status == 401


def crossed(server):
    user = server.register()
    device, cross = Device(user), CrossSigning(user)
    device.upload()
    assert publish(user, cross.keys()).status == 200
    return user, device, cross


def test_signing_the_own_devices_and_master_key(server):
    alice, device, cross = crossed(server)
    bob = server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync()["next_batch"]
    one, two = workers(server)
    signed = sign(device.keys(), alice, cross.self_signing)
    assert signatures(alice, {alice.user_id: {alice.device_id: signed}}, base=one) == {}
    assert signatures(alice, {alice.user_id: {alice.device_id: signed}}, base=two) == {}
    bob.sync_until(lambda a: alice.user_id in a.get("device_lists", {}).get("changed", []), since)
    for who in (alice, bob):
        seen = query(who, alice, base=two)["device_keys"][alice.user_id][alice.device_id]
        assert seen["signatures"] == signed["signatures"]
    master = sign(cross.keys()["master_key"], alice, device.key)
    assert signatures(alice, {alice.user_id: {public(cross.master): master}}) == {}
    assert query(alice, alice)["master_keys"][alice.user_id]["signatures"] == master["signatures"]
    assert "signatures" not in query(bob, alice)["master_keys"][alice.user_id]  # only one's own


def test_signing_another_user(server):
    alice, _, cross = crossed(server)
    bob, _, theirs = crossed(server)
    since, his = alice.sync()["next_batch"], bob.sync()["next_batch"]
    signed = sign(theirs.keys()["master_key"], alice, cross.user_signing)
    assert signatures(alice, {bob.user_id: {public(theirs.master): signed}}) == {}
    found, _ = alice.sync_until(lambda a: a.get("device_lists"), since)
    assert found == {"changed": [bob.user_id]}
    assert "device_lists" not in bob.sync(his)
    assert query(alice, bob)["master_keys"][bob.user_id]["signatures"] == signed["signatures"]
    assert "signatures" not in query(bob, bob)["master_keys"][bob.user_id]


def test_each_signature_is_refused_by_itself(server):
    alice, device, cross = crossed(server)
    bob, _, theirs = crossed(server)
    nobody = server.register()
    good = sign(device.keys(), alice, cross.self_signing)
    mine = f"ed25519:{public(cross.self_signing)}"

    def why(user, target, body, who=alice):
        found = signatures(who, {user: {target: body}})
        assert list(found) == [user] and list(found[user]) == [target]
        return found[user][target]["status"], found[user][target]["errcode"]

    assert why(alice.user_id, "NOSUCH", good) == (404, "M_NOT_FOUND")
    assert why(alice.user_id, alice.device_id, {**good, "keys": {"x": "y"}}) == (400, "M_UNKNOWN")
    for bad in ({mine: "A" * 86}, {mine: 5}, {}, {"ed25519:x": "y"}, 5):
        assert why(alice.user_id, alice.device_id, {**good, "signatures": {alice.user_id: bad}}) == (400, "M_INVALID_SIGNATURE")
    assert why(alice.user_id, alice.device_id, {**good, "signatures": 5}) == (400, "M_INVALID_SIGNATURE")
    master = sign(cross.keys()["master_key"], alice, new_key("OTHER"))
    assert why(alice.user_id, public(cross.master), master) == (400, "M_INVALID_SIGNATURE")
    his = theirs.keys()["master_key"]
    assert why(bob.user_id, public(theirs.master), his) == (400, "M_INVALID_SIGNATURE")
    assert why(bob.user_id, public(theirs.master), sign(his, alice, cross.self_signing)) == (400, "M_INVALID_SIGNATURE")
    assert why(bob.user_id, "x", sign(his, alice, cross.user_signing)) == (404, "M_NOT_FOUND")
    assert why("no user", "x", good) == (400, "M_INVALID_PARAM")
    assert why(nobody.user_id, "x", good) == why("@x:elsewhere.invalid", "x", good) == (404, "M_NOT_FOUND")
    assert why(nobody.user_id, nobody.device_id, Device(nobody).keys(), nobody) == (404, "M_NOT_FOUND")
    assert why(alice.user_id, "x", good, nobody) == (404, "M_NOT_FOUND")
    both = signatures(alice, {alice.user_id: {alice.device_id: good, "NOSUCH": good}})
    assert list(both[alice.user_id]) == ["NOSUCH"]
    assert mine in query(bob, alice)["device_keys"][alice.user_id][alice.device_id]["signatures"][alice.user_id]
    for bad in ({alice.user_id: 5}, {alice.user_id: {"x": 5}}):
        refused(alice.call("POST", f"{KEYS}/signatures/upload", bad), 400, "M_INVALID_PARAM")
    assert signatures(alice, {}) == {}
