"""The server-side backup of room keys: versions, keys on three levels, which key is better, etags."""

import threading

from lib.rooms import CLIENT, refused
from lib.server import quote, request

BACKUP = f"{CLIENT}/room_keys"


def workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def begin(user, **more):
    return user.ok("POST", f"{BACKUP}/version", {"algorithm": "m.megolm_backup.v1", "auth_data": {"public_key": "x"}, **more})["version"]


def keys(version, *parts):
    return f"{BACKUP}/keys" + "".join("/" + quote(part) for part in parts) + f"?version={version}"


def session(first=1, forwarded=1, verified=False, data=None):
    return {"first_message_index": first, "forwarded_count": forwarded, "is_verified": verified, "session_data": data or {"d": 1.5}}


def state(answer):
    return answer["etag"], answer["count"]


def test_versions(server):
    alice = server.register()
    one, two = workers(server)
    refused(alice.call("GET", f"{BACKUP}/version"), 404, "M_NOT_FOUND")
    assert begin(alice) == "1" and begin(alice, auth_data="opaque") == "2"
    newest = {"algorithm": "m.megolm_backup.v1", "auth_data": "opaque", "version": "2", "etag": "0", "count": 0}
    assert alice.ok("GET", f"{BACKUP}/version", base=one) == newest == alice.ok("GET", f"{BACKUP}/version/2", base=two)
    assert alice.ok("GET", f"{BACKUP}/version/1")["auth_data"] == {"public_key": "x"}
    body = {"algorithm": "m.megolm_backup.v1", "auth_data": {"n": 2}}
    assert alice.ok("PUT", f"{BACKUP}/version/2", body) == {}
    assert alice.ok("PUT", f"{BACKUP}/version/2", {**body, "version": "2"}) == {}
    assert alice.ok("GET", f"{BACKUP}/version")["auth_data"] == {"n": 2}
    refused(alice.call("PUT", f"{BACKUP}/version/2", {**body, "algorithm": "x"}), 400, "M_INVALID_PARAM")
    refused(alice.call("PUT", f"{BACKUP}/version/2", {**body, "version": "1"}), 400, "M_INVALID_PARAM")
    for bad in ("9", "x", "0", "-1", "9" * 30):
        refused(alice.call("GET", f"{BACKUP}/version/{bad}"), 404, "M_NOT_FOUND")
        refused(alice.call("PUT", f"{BACKUP}/version/{bad}", body), 404, "M_NOT_FOUND")
        refused(alice.call("DELETE", f"{BACKUP}/version/{bad}"), 404, "M_NOT_FOUND")
    for bad in ({}, {"algorithm": 5, "auth_data": {}}, {"algorithm": "x"}):
        refused(alice.call("POST", f"{BACKUP}/version", bad), 400, "M_BAD_JSON")
    for _ in range(2):
        assert alice.ok("DELETE", f"{BACKUP}/version/2", {}) == {}
    assert alice.ok("GET", f"{BACKUP}/version")["version"] == "1"
    assert begin(alice) == "3"  # numbers never come again
    refused(server.register().call("GET", f"{BACKUP}/version/1"), 404, "M_NOT_FOUND")
    assert request("GET", f"{server.base_url}{BACKUP}/version").status == 401


def test_keys_on_three_levels(server):
    alice = server.register()
    one, two = workers(server)
    v = begin(alice)
    assert state(alice.ok("PUT", keys(v, "!a:x", "s1"), session(), base=one)) == ("1", 1)
    assert state(alice.ok("PUT", keys(v, "!a:x"), {"sessions": {"s/2": session(), "s3": session(data="opaque")}}, base=two)) == ("2", 3)
    assert state(alice.ok("PUT", keys(v), {"rooms": {"!b:x": {"sessions": {"s4": session(verified=True)}}}}, base=one)) == ("3", 4)
    assert alice.ok("GET", keys(v), base=two) == {"rooms": {
        "!a:x": {"sessions": {"s1": session(), "s/2": session(), "s3": session(data="opaque")}},
        "!b:x": {"sessions": {"s4": session(verified=True)}}}}
    assert alice.ok("GET", keys(v, "!b:x")) == {"sessions": {"s4": session(verified=True)}}
    assert alice.ok("GET", keys(v, "!a:x", "s/2")) == session()
    assert alice.ok("GET", keys(v, "!none:x")) == {"sessions": {}}
    refused(alice.call("GET", keys(v, "!a:x", "none")), 404, "M_NOT_FOUND")
    assert alice.ok("GET", f"{BACKUP}/version")["count"] == 4
    assert state(alice.ok("DELETE", keys(v, "!a:x", "s1"))) == ("4", 3)
    assert state(alice.ok("DELETE", keys(v, "!a:x"))) == ("5", 1)
    assert state(alice.ok("DELETE", keys(v))) == ("6", 0)
    assert alice.ok("GET", keys(v)) == {"rooms": {}}


def test_the_better_key_is_kept(server):
    alice = server.register()
    v = begin(alice)
    path = keys(v, "!a:x", "s")
    steps = [(session(5, 5), True), (session(5, 5), False), (session(6, 5), False), (session(4, 5), True), (session(4, 6), False),
             (session(4, 4), True), (session(9, 9, True), True), (session(9, 9, True), False)]
    etag = 0
    for key, better in steps:
        before = alice.ok("GET", path) if etag else None
        etag += better
        assert state(alice.ok("PUT", path, key)) == (str(etag), 1)
        assert alice.ok("GET", path) == (key if better else before)


def test_only_the_newest_version_takes_keys(server):
    alice = server.register()
    old, new = begin(alice), begin(alice)
    assert refused(alice.call("PUT", keys(old, "!a:x", "s"), session()), 403, "M_WRONG_ROOM_KEYS_VERSION")["current_version"] == new
    refused(alice.call("PUT", keys("9", "!a:x", "s"), session()), 404, "M_NOT_FOUND")
    refused(alice.call("PUT", keys("x", "!a:x", "s"), session()), 404, "M_NOT_FOUND")
    alice.ok("DELETE", f"{BACKUP}/version/{new}", {})
    assert state(alice.ok("PUT", keys(old, "!a:x", "s"), session())) == ("1", 1)
    alice.ok("DELETE", f"{BACKUP}/version/{old}", {})
    for method in ("GET", "PUT", "DELETE"):
        for parts in ((), ("!a:x",), ("!a:x", "s")):
            body = session() if len(parts) == 2 else {"sessions": {}} if parts else {"rooms": {}}
            refused(alice.call(method, keys(old, *parts), body if method == "PUT" else None), 404, "M_NOT_FOUND")
            refused(alice.call(method, keys(old, *parts).split("?")[0], body if method == "PUT" else None), 400, "M_MISSING_PARAM")
    left = server.deployment.postgres.sql(f"SELECT 1 FROM e2e_room_keys WHERE user_id = '{alice.user_id}'", server.deployment.database)
    assert not left


def test_refused_keys(server):
    alice = server.register()
    v = begin(alice)
    for bad in ({}, session("a"), session(None), session(1.5), session(2 ** 40), session(-2 ** 40), {**session(), "forwarded_count": True},
                {k: x for k, x in session().items() if k != "session_data"}, {k: x for k, x in session().items() if k != "is_verified"}):
        refused(alice.call("PUT", keys(v, "!a:x", "s"), bad), 400, "M_BAD_JSON")
    refused(alice.call("PUT", keys(v, "!a:x", "s"), session(verified=5)), 400, "M_INVALID_PARAM")
    for bad in ({}, {"sessions": []}, {"sessions": {"s": 5}}):
        refused(alice.call("PUT", keys(v, "!a:x"), bad), 400, "M_BAD_JSON")
        refused(alice.call("PUT", keys(v), {"rooms": {"!a:x": bad}}), 400, "M_BAD_JSON")
    for bad in ({}, {"rooms": 5}, {"rooms": {"!a:x": 5}}):
        refused(alice.call("PUT", keys(v), bad), 400, "M_BAD_JSON")
    assert alice.ok("GET", f"{BACKUP}/version")["count"] == 0


def test_concurrent_uploads_lose_nothing(server):
    alice = server.register()
    v = begin(alice)
    bases = workers(server)

    def put(i):
        alice.ok("PUT", keys(v, "!a:x", f"s{i}"), session(), base=bases[i % 2])

    together = [threading.Thread(target=put, args=(i,)) for i in range(24)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    newest = alice.ok("GET", f"{BACKUP}/version")
    assert (newest["etag"], newest["count"]) == ("24", 24)


def test_concurrent_versions_have_numbers_of_their_own(server):
    alice, made = server.register(), []
    together = [threading.Thread(target=lambda: made.append(begin(alice))) for _ in range(8)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert sorted(int(v) for v in made) == list(range(1, 9))
