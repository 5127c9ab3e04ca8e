"""The admin API about files: what is told, hidden and deleted, on disk and in the database."""

import itertools
import os
import time

import pytest

from lib.admin import V1, administrator, path
from lib.pictures import png
from lib.rooms import refused
from lib.server import quote, request
from lib.wait import until

_names = itertools.count(1)
DOWNLOAD = "/_matrix/client/v1/media/download"


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"mediaboss{next(_names)}")


@pytest.fixture
def alice(server):
    return server.register()


def upload(user, data, kind="text/plain"):
    answer = request("POST", user.server.base_url + "/_matrix/media/v3/upload",
                     headers={"Authorization": f"Bearer {user.token}", "Content-Type": kind}, raw=data)
    assert answer.status == 200, answer
    return answer.json["content_uri"].rsplit("/", 1)[1]


def media(user, *parts):
    return path(V1, "media", *parts)


def name_of(server):
    return server.deployment.server_name


def seen(user, media_id, origin=None):
    return user.call("GET", f"{DOWNLOAD}/{origin or name_of(user.server)}/{media_id}").status


def files(server, media_id):
    """What is on disk of a file of ours: the file and its thumbnails."""
    root, parts = os.path.join(server.deployment.folder, "media"), (media_id[:2], media_id[2:4], media_id[4:])
    folder = os.path.join(root, "local_thumbnails", *parts)
    return os.path.exists(os.path.join(root, "local_content", *parts)), sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def changes(boss):
    """Of the stream, from its beginning."""
    found, token = [], 0
    while True:
        page = boss.ok("GET", f"{V1}/media/quarantine_changes?from={token}")
        found += page["changes"]
        if page["next_batch"] == token:
            return found
        token = page["next_batch"]


def test_only_administrators(server, boss, alice):
    one = upload(alice, os.urandom(10))
    for method, where in (("GET", path(V1, "users", alice.user_id, "media")), ("DELETE", path(V1, "users", alice.user_id, "media")),
                          ("POST", media(boss, "quarantine", name_of(server), one)), ("POST", f"{V1}/media/delete?before_ts=99999999999"),
                          ("POST", f"{V1}/purge_media_cache?before_ts=99999999999"), ("DELETE", media(boss, name_of(server), one)),
                          ("GET", f"{V1}/media/quarantine_changes"), ("POST", path(V1, "room", "!x:y", "media", "quarantine"))):
        refused(alice.call(method, where, {} if method == "POST" else None), 403, "M_FORBIDDEN")
        refused(request(method, server.base_url + where, {} if method == "POST" else None), 401, "M_MISSING_TOKEN")
    assert seen(alice, one) == 200


def test_files_of_a_user(server, boss, alice):
    ids = [upload(alice, os.urandom(10 + i), kind) for i, kind in enumerate(("text/plain", "image/png", "text/css"))]
    where = path(V1, "users", alice.user_id, "media")
    answer = boss.ok("GET", where)
    assert [m["media_id"] for m in answer["media"]] == ids[::-1] and answer["total"] == 3 and "next_token" not in answer
    first = answer["media"][-1]
    assert {k: first[k] for k in ("media_type", "media_length", "upload_name", "url_cache", "last_access_ts", "quarantined_by",
                                  "safe_from_quarantine", "user_id")} == {
        "media_type": "text/plain", "media_length": 10, "upload_name": None, "url_cache": None, "last_access_ts": None,
        "quarantined_by": None, "safe_from_quarantine": False, "user_id": alice.user_id}
    page = boss.ok("GET", where + "?limit=2&order_by=media_length")
    assert [m["media_id"] for m in page["media"]] == ids[:2] and page["next_token"] == 2
    page = boss.ok("GET", where + "?limit=2&order_by=media_length&from=2")
    assert [m["media_id"] for m in page["media"]] == ids[2:] and "next_token" not in page
    assert [m["media_id"] for m in boss.ok("GET", where + "?order_by=media_type&dir=b")["media"]] == [ids[0], ids[2], ids[1]]
    for order in ("media_id", "upload_name", "created_ts", "last_access_ts", "quarantined_by", "safe_from_quarantine"):
        assert boss.ok("GET", f"{where}?order_by={order}&dir=f")["total"] == 3
    assert boss.ok("GET", f"{where}?from=9223372036854775807&limit=9223372036854775807") == {"media": [], "total": 3}
    for query in ("from=-1", "limit=x", "order_by=user_id", "order_by=1;drop", "dir=x"):
        refused(boss.call("GET", f"{where}?{query}"), 400, "M_INVALID_PARAM")
    refused(boss.call("GET", path(V1, "users", f"@nobody:{name_of(server)}", "media")), 404, "M_NOT_FOUND")
    refused(boss.call("GET", path(V1, "users", "@x:elsewhere", "media")), 400, "M_UNKNOWN")
    info = boss.ok("GET", media(boss, name_of(server), ids[0]))["media_info"]
    assert info["media_id"] == ids[0] and info["media_origin"] is None and info["user_id"] == alice.user_id and len(info["sha256"]) == 64
    refused(boss.call("GET", media(boss, name_of(server), "nope")), 404, "M_NOT_FOUND")
    refused(boss.call("GET", media(boss, "elsewhere", "nope")), 404, "M_NOT_FOUND")
    gone = boss.ok("DELETE", where + "?limit=1&order_by=created_ts")
    assert gone == {"deleted_media": [ids[0]], "total": 1}
    assert sorted(boss.ok("DELETE", where)["deleted_media"]) == sorted(ids[1:])
    assert [files(server, i) for i in ids] == [(False, [])] * 3 and boss.ok("GET", where) == {"media": [], "total": 0}


def test_one_file_goes(server, boss, alice):
    one = upload(alice, png(100, 80), "image/png")
    there, thumbnails = files(server, one)
    assert there and thumbnails and seen(alice, one) == 200
    assert boss.ok("DELETE", media(boss, name_of(server), one)) == {"deleted_media": [one], "total": 1}
    assert files(server, one) == (False, []) and seen(alice, one) == 404
    assert not os.path.exists(os.path.join(server.deployment.folder, "media", "local_content", one[:2], one[2:4]))
    assert server.sql(f"SELECT 1 FROM local_media_repository_thumbnails WHERE media_id = '{one}'") == []
    refused(boss.call("DELETE", media(boss, name_of(server), one)), 404, "M_NOT_FOUND")
    refused(boss.call("DELETE", media(boss, "elsewhere", one)), 400, "M_UNKNOWN")
    for trick in ("..%2F..%2Fkeys", "%2e%2e"):
        assert boss.call("DELETE", f"{V1}/media/{name_of(server)}/{trick}").status == 404


def test_quarantine_and_protection(server, boss, alice):
    content = os.urandom(40)
    one, same, other = upload(alice, content), upload(server.register(), content), upload(alice, os.urandom(41))
    before = len(changes(boss))
    assert boss.ok("POST", media(boss, "quarantine", name_of(server), one), {}) == {}
    # What has the same content goes with it, also when it comes later.
    assert [seen(alice, i) for i in (one, same, other)] == [404, 404, 200]
    assert seen(alice, upload(alice, content)) == 404
    told = until(lambda: changes(boss)[before:])
    assert sorted(c["media_id"] for c in told) == sorted([one, same])
    assert all(c["origin"] == name_of(server) and c["quarantined"] is True for c in told)
    row = server.sql(f"SELECT quarantined_by FROM local_media_repository WHERE media_id = '{one}'")
    assert row == [[boss.user_id]]
    written = server.sql(f"SELECT origin, quarantined FROM quarantined_media_changes WHERE media_id = '{one}'")
    assert written == [["", "t"]]
    assert boss.ok("POST", media(boss, "unquarantine", name_of(server), same), {}) == {}
    assert [seen(alice, i) for i in (one, same)] == [200, 200]
    assert until(lambda: [c["quarantined"] for c in changes(boss) if c["media_id"] == one] == [True, False])
    assert boss.ok("POST", media(boss, "protect", one), {}) == {}
    assert boss.ok("POST", media(boss, "quarantine", name_of(server), one), {}) == {}
    assert seen(alice, one) == 200
    assert boss.ok("POST", path(V1, "user", alice.user_id, "media", "quarantine"), {}) == {"num_quarantined": 3}  # and what equals it
    assert boss.ok("POST", path(V1, "user", alice.user_id, "media", "quarantine"), {}) == {"num_quarantined": 0}  # it is there already
    assert [seen(alice, i) for i in (one, same, other)] == [200, 404, 404]
    assert boss.ok("POST", media(boss, "unprotect", one), {}) == {}
    assert boss.ok("POST", media(boss, "quarantine", name_of(server), one), {}) == {}
    assert seen(alice, one) == 404
    refused(boss.call("POST", media(boss, "protect", "nope"), {}), 404)
    assert boss.ok("POST", media(boss, "quarantine", "elsewhere", "nope"), {}) == {}
    refused(boss.call("GET", f"{V1}/media/quarantine_changes?from=99999999"), 400, "M_INVALID_PARAM")
    refused(boss.call("GET", f"{V1}/media/quarantine_changes?from=x"), 400, "M_INVALID_PARAM")


def test_files_of_a_room(server, boss, alice):
    a, b, c, avatar = (upload(alice, os.urandom(20)) for _ in range(4))
    room = alice.create_room()
    mxc = "mxc://" + name_of(server)

    def send(txn, content):
        alice.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{txn}", {"body": "x", "msgtype": "m.image", **content})

    send(1, {"url": f"{mxc}/{a}", "info": {"thumbnail_url": f"{mxc}/{b}"}})
    send(2, {"url": "mxc://elsewhere/abc", "info": {"thumbnail_url": "mxc://elsewhere/def"}})
    send(3, {"url": "https://elsewhere/", "info": {"thumbnail_url": 5}})
    send(4, {"url": "mxc://elsewhere/../x", "info": []})
    send(6, {"url": "mxc://else\x00where/x", "info": {"thumbnail_url": "mxc://elsewhere/\x00"}})
    send(7, {"url": "mxc://elsewh\u00e9re/x", "info": {"thumbnail_url": "mxc://elsewhere/\u2028"}})
    send(5, {"body": f"{mxc}/{c}"})
    alice.put_state(room, "m.room.avatar", {"url": f"{mxc}/{avatar}"})
    listed = until(lambda: (lambda answer: answer if len(answer["local"]) == 3 else None)(boss.ok("GET", path(V1, "room", room, "media"))))
    assert sorted(listed["local"]) == sorted(f"{mxc}/{i}" for i in (a, b, avatar))
    assert sorted(listed["remote"]) == ["mxc://elsewhere/abc", "mxc://elsewhere/def"]
    assert boss.ok("POST", path(V1, "room", room, "media", "quarantine"), {}) == {"num_quarantined": 3}
    assert [seen(alice, i) for i in (a, b, c, avatar)] == [404, 404, 200, 404]
    assert boss.ok("POST", path(V1, "quarantine_media", room), {}) == {"num_quarantined": 3}
    nowhere = path(V1, "room", "!nowhere:x", "media")
    assert boss.ok("GET", nowhere) == {"local": [], "remote": []}
    assert boss.ok("POST", nowhere + "/quarantine", {}) == {"num_quarantined": 0}


def test_old_and_large_files(server, boss, alice):
    old, large, face, hidden, safe, fresh = (upload(alice, os.urandom(n)) for n in (10, 5000, 30, 40, 50, 60))
    alice.ok("PUT", f"/_matrix/client/v3/profile/{quote(alice.user_id)}/avatar_url", {"avatar_url": f"mxc://{name_of(server)}/{face}"})
    boss.ok("POST", media(boss, "quarantine", name_of(server), hidden), {})
    boss.ok("POST", media(boss, "protect", safe), {})
    ids = ", ".join(f"'{i}'" for i in (old, large, face, hidden, safe))
    now = int(time.time() * 1000)
    before = now - 3600_000
    server.sql(f"UPDATE local_media_repository SET created_ts = {now - 7200_000}, last_access_ts = NULL WHERE media_id IN ({ids})")
    delete = f"{V1}/media/delete"
    for query in ("", "?before_ts=x", "?before_ts=-1", "?before_ts=1234", f"?before_ts={before}&size_gt=-1",
                  f"?before_ts={before}&keep_profiles=no"):
        refused(boss.call("POST", delete + query, {}), 400, "M_MISSING_PARAM" if not query else "M_INVALID_PARAM")
    refused(boss.call("POST", f"{V1}/media/elsewhere/delete?before_ts={before}", {}), 400, "M_UNKNOWN")
    query = f"?before_ts={before}"
    assert boss.ok("POST", f"{V1}/media/{name_of(server)}/delete{query}&size_gt=4999", {}) == {"deleted_media": [large], "total": 1}
    assert boss.ok("POST", delete + query, {}) == {"deleted_media": [old], "total": 1}
    assert boss.ok("POST", delete + query + "&keep_profiles=false", {}) == {"deleted_media": [face], "total": 1}
    assert boss.ok("POST", delete + query, {}) == {"deleted_media": [], "total": 0}
    assert [files(server, i)[0] for i in (old, large, face, hidden, safe, fresh)] == [False, False, False, True, True, True]


def remote_file(server, media_id, ts, quarantined="NULL"):
    """A file of another server, as if it had been fetched."""
    file_id = "f" * 8 + media_id
    folder = os.path.join(server.deployment.folder, "media", "remote_content", "elsewhere.example", file_id[:2], file_id[2:4])
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, file_id[4:]), "wb") as f:
        f.write(b"x")
    server.sql(f"INSERT INTO remote_media_cache (media_origin, media_id, media_type, created_ts, media_length, filesystem_id, last_access_ts,"
               f" quarantined_by, authenticated) VALUES ('elsewhere.example', '{media_id}', 'text/plain', {ts}, 1, '{file_id}', {ts},"
               f" {quarantined}, true)")
    return os.path.join(folder, file_id[4:])


def test_other_servers_files(server, boss, alice):
    now = int(time.time() * 1000)
    old, hidden, fresh = (remote_file(server, name, ts, by) for name, ts, by in (
        ("oldoldoldoldoldo", now - 7200_000, "NULL"), ("hiddenhiddenhidd", now - 7200_000, "'@x:y'"), ("freshfreshfreshf", now, "NULL")))
    for query in ("", "?before_ts=x", "?before_ts=12"):
        refused(boss.call("POST", f"{V1}/purge_media_cache{query}", {}), 400)
    assert boss.ok("POST", f"{V1}/purge_media_cache?before_ts={now - 3600_000}", {}) == {"deleted": 1}
    assert [os.path.exists(p) for p in (old, hidden, fresh)] == [False, True, True]
    assert boss.ok("POST", media(boss, "quarantine", "elsewhere.example", "freshfreshfreshf"), {}) == {}
    assert seen(alice, "freshfreshfreshf", "elsewhere.example") == 404
    told = until(lambda: [c for c in changes(boss) if c["media_id"] == "freshfreshfreshf"])
    assert told == [{"origin": "elsewhere.example", "media_id": "freshfreshfreshf", "quarantined": True}]
    assert boss.ok("GET", media(boss, "elsewhere.example", "freshfreshfreshf"))["media_info"]["quarantined_by"] == boss.user_id


def test_what_is_kept_long_enough_goes(server, boss, alice):
    """On the process that media_instance_running_background_jobs names, soon after it starts and then each hour."""
    day = 86400_000
    old, looked_at, hidden, safe, fresh = (upload(alice, os.urandom(30)) for _ in range(5))
    boss.ok("POST", media(boss, "quarantine", name_of(server), hidden), {})
    boss.ok("POST", media(boss, "protect", safe), {})
    now = int(time.time() * 1000)
    ids = ", ".join(f"'{i}'" for i in (old, looked_at, hidden, safe))
    server.sql(f"UPDATE local_media_repository SET created_ts = {now - 91 * day}, last_access_ts = NULL WHERE media_id IN ({ids})")
    server.sql(f"UPDATE local_media_repository SET last_access_ts = {now - 80 * day} WHERE media_id = '{looked_at}'")
    theirs = [remote_file(server, name, now - age * day) for name, age in (("longlonglonglong", 15), ("shortshortshorts", 13))]
    worker = next((w for w in server.deployment.workers if w.app == "synapse.app.media_repository"), None)
    name = worker.name if worker else "main"
    assert server.deployment.processes[name].stop()
    server.deployment.start_process(worker)
    until(lambda: not files(server, old)[0])
    until(lambda: not os.path.exists(theirs[0]))
    assert [files(server, i)[0] for i in (looked_at, hidden, safe, fresh)] == [True] * 4 and os.path.exists(theirs[1])
    until(lambda: server.sql("SELECT media_id FROM remote_media_cache WHERE media_id IN ('longlonglonglong', 'shortshortshorts')") == [["shortshortshorts"]])
    assert server.sql(f"SELECT 1 FROM local_media_repository WHERE media_id = '{old}'") == []


def test_statistics(server, boss, alice):
    upload(alice, os.urandom(10))
    upload(alice, os.urandom(20))
    found = boss.ok("GET", f"{V1}/statistics/users/media?search_term={alice.user_id[1:].split(':')[0]}")["users"]
    assert [(u["user_id"], u["media_count"], u["media_length"]) for u in found] == [(alice.user_id, 2, 30)]
