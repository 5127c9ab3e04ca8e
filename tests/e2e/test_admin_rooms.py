"""The admin API about rooms: lists, facts, reading, blocking, power, and the end of rooms."""

import itertools

import pytest

from deployment.process import wait_until
from lib.admin import V1, V2, administrator, kill_background, path
from lib.rooms import CLIENT, act, ids, membership, refused, room_path
from lib.server import quote
from lib.sliding import settle

_names = itertools.count(1)


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"roomboss{next(_names)}")


def room_url(room, *parts, version=V1):
    return path(version, "rooms", room, *parts)


def members(user, room, kind):
    """As a worker tells, which hears of what main does a moment later."""
    return [e["state_key"] for e in user.ok("GET", room_path(room, "members"), membership=kind)["chunk"]]


def test_only_administrators(server, boss):
    user = server.register()
    room = user.create_room()
    for method, where in (("GET", f"{V1}/rooms"), ("GET", room_url(room)), ("GET", room_url(room, "messages")), ("DELETE", room_url(room)),
                          ("DELETE", room_url(room, version=V2)), ("PUT", room_url(room, "block")), ("POST", path(V1, "purge_history", room)),
                          ("POST", path(V1, "join", room)), ("GET", room_url(room, "state"))):
        refused(user.call(method, where, {} if method != "GET" else None), 403, "M_FORBIDDEN")


def test_list_and_facts(server, boss):
    alice, bob = server.register(), server.register()
    tag = f"Tagged{next(_names)}x"
    rooms = [alice.create_room(name=f"{tag} {i}", preset="public_chat" if i else "private_chat", topic="topics") for i in range(3)]
    bob.join(rooms[1])

    def found(**query):
        answer = boss.ok("GET", f"{V1}/rooms", search_term=tag.lower(), **query)
        return [r["room_id"] for r in answer["rooms"]], answer

    wait_until("statistics", lambda: found()[0] == rooms)
    assert found()[1]["total_rooms"] == 3 and found()[1]["offset"] == 0
    assert found(dir="b")[0] == rooms[::-1]
    wait_until("two members", lambda: found(order_by="joined_members")[0][0] == rooms[1])
    assert found(order_by="joined_members", dir="b")[0][-1] == rooms[1]
    page, answer = found(limit=2)
    assert page == rooms[:2] and answer["next_batch"] == 2
    page, answer = found(**{"from": 2, "limit": 2})
    assert page == rooms[2:] and answer["prev_batch"] == 0 and "next_batch" not in answer
    assert [r["room_id"] for r in boss.ok("GET", f"{V1}/rooms", search_term=rooms[0])["rooms"]] == [rooms[0]]
    for bad in ({"order_by": "x"}, {"dir": "x"}, {"search_term": ""}, {"from": -1}, {"public_rooms": "x"}):
        refused(boss.call("GET", f"{V1}/rooms", **bad), 400, "M_INVALID_PARAM")
    wait_until("statistics of members", lambda: boss.ok("GET", room_url(rooms[1]))["joined_members"] == 2)
    facts = boss.ok("GET", room_url(rooms[1]))
    assert facts["joined_members"] == 2 and facts["joined_local_members"] == 2 and facts["joined_local_devices"] == 2
    assert facts["creator"] == alice.user_id and facts["tombstoned"] is False and facts["forgotten"] is False
    assert facts["name"] == f"{tag} 1" and facts["topic"] == "topics" and facts["join_rules"] == "public"
    refused(boss.call("GET", room_url("!none:" + server.name)), 404, "M_NOT_FOUND")
    assert boss.ok("GET", room_url(rooms[1], "members")) == {"members": sorted([alice.user_id, bob.user_id]), "total": 2}
    assert rooms[1] in str(boss.ok("GET", f"{V1}/statistics/database/rooms")) or boss.ok("GET", f"{V1}/statistics/database/rooms")["rooms"]


def test_reading_as_nobody_s_member(server, boss):
    alice = server.register()
    room = alice.create_room()
    sent = [alice.send(room, f"m{i}") for i in range(6)]
    settle(alice)
    state = boss.ok("GET", room_url(room, "state"))["state"]
    assert {"m.room.create", "m.room.member"} <= {e["type"] for e in state}
    assert {e["type"] for e in boss.ok("GET", room_url(room, "state"), type="m.room.member")["state"]} == {"m.room.member"}
    assert ids(boss.ok("GET", room_url(room, "messages"), dir="b", limit=3)["chunk"]) == sent[:2:-1]
    around = boss.ok("GET", room_url(room, "context", sent[3]))
    assert around["event"]["event_id"] == sent[3] and ids(around["events_after"]) == sent[4:]
    stamp = around["event"]["origin_server_ts"]
    assert boss.ok("GET", room_url(room, "timestamp_to_event"), ts=stamp, dir="b")["event_id"] in sent
    assert boss.ok("GET", path(V1, "fetch_event", sent[0]))["event"]["content"]["body"] == "m0"
    refused(boss.call("GET", path(V1, "fetch_event", "$nothing")), 404, "M_NOT_FOUND")
    refused(boss.call("GET", room_path(room, "messages"), dir="b"), 403, "M_FORBIDDEN")  # as a client, nothing


def test_blocked_rooms(server, boss):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    assert boss.ok("GET", room_url(room, "block")) == {"block": False}
    bob.join(room, base=server.worker_url("generic_worker2"))  # now both processes know that it is open
    carol.join(room, base=server.worker_url("generic_worker1"))
    act(carol, room, "leave")
    assert boss.ok("PUT", room_url(room, "block"), {"block": True}) == {"block": True}
    assert boss.ok("GET", room_url(room, "block")) == {"block": True, "user_id": boss.user_id}
    for base in ("generic_worker1", "generic_worker2"):  # each hears of it a moment later
        wait_until("refused", lambda base=base: carol.call("POST", f"{CLIENT}/join/{quote(room)}", {}, base=server.worker_url(base)).status == 403
                   or act(carol, room, "leave") is None)
    refused(act(alice, room, "invite", carol), 403)
    assert act(bob, room, "leave").status == 200
    assert boss.ok("PUT", room_url(room, "block"), {"block": False}) == {"block": False}
    wait_until("joined", lambda: carol.call("POST", f"{CLIENT}/join/{quote(room)}", {}).status == 200)
    for bad in ({}, {"block": "x"}):
        assert boss.call("PUT", room_url(room, "block"), bad).status == 400
    refused(boss.call("PUT", room_url("nonsense", "block"), {"block": True}), 400)


def test_power_and_joining(server, boss):
    alice, bob = server.register(), server.register()
    for version in ("10", "12"):
        room = alice.create_room(room_version=version)
        boss.ok("POST", room_url(room, "make_room_admin"), {"user_id": bob.user_id})
        wait_until("power", lambda: alice.state(room, "m.room.power_levels")["users"].get(bob.user_id) == 100)
        wait_until("invited", lambda: bob.user_id in members(alice, room, "invite"))
        assert boss.call("POST", path(V1, "join", room), {"user_id": bob.user_id}).status in (200, 403)  # the boss is no member who could invite
        act(alice, room, "invite", boss)
        boss.join(room)
        carol = server.register()
        assert boss.ok("POST", path(V1, "join", room), {"user_id": carol.user_id}) == {"room_id": room}
        wait_until("joined", lambda: carol.user_id in members(alice, room, "join"))
    alias = f"#power{next(_names)}:{server.name}"
    open_room = alice.create_room(preset="public_chat", room_alias_name=alias[1:].split(":")[0])
    assert boss.ok("POST", path(V1, "join", alias), {"user_id": bob.user_id}) == {"room_id": open_room}
    refused(boss.call("POST", path(V1, "join", open_room), {}), 400, "M_MISSING_PARAM")
    refused(boss.call("POST", path(V1, "join", open_room), {"user_id": f"@nobody:{server.name}"}), 404, "M_NOT_FOUND")
    refused(boss.call("POST", path(V1, "join", "nonsense"), {"user_id": bob.user_id}), 400)
    refused(boss.call("POST", room_url(f"#no{next(_names)}:{server.name}", "make_room_admin"), {}), 404, "M_NOT_FOUND")
    ends = boss.ok("GET", room_url(open_room, "forward_extremities"))
    assert ends["count"] == len(ends["results"]) == 1
    assert boss.ok("DELETE", room_url(open_room, "forward_extremities")) == {"deleted": 0}


# ---- the end of a room ----

LEFT_BEHIND = ("blocked_rooms", "current_state_delta_stream", "event_reports", "room_reports", "cache_invalidation_stream_by_instance",
               "device_lists_changes_in_room", "scheduled_tasks", "room_ban_redactions", "un_partial_stated_room_stream", "delayed_events",
               "sliding_sync_connection_streams", "sliding_sync_connection_room_configs", "sliding_sync_connection_lazy_members")


def rows_of(server, room):
    """Tables that still hold something of a room."""
    tables = [r[0] for r in server.sql("SELECT table_name FROM information_schema.columns WHERE column_name = 'room_id' AND table_schema = 'public'")]
    query = " UNION ALL ".join(f"SELECT '{t}', count(*) FROM {t} WHERE room_id = '{room}'" for t in tables if t not in LEFT_BEHIND)
    return {t: n for t, n in server.sql(query) if n != "0"}


def populate(server, boss):
    alice, bob, carol = server.register(), server.register(), server.register()
    name = f"doomed{next(_names)}"
    room = alice.create_room(preset="public_chat", room_alias_name=name)
    bob.join(room)
    act(alice, room, "invite", carol)
    sent = [alice.send(room, f"m{i}") for i in range(5)]
    bob.ok("POST", room_path(room, "receipt", "m.read", sent[-1]), {})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/rooms/{quote(room)}/account_data/x.y", {"a": 1})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/rooms/{quote(room)}/tags/u.x", {})
    bob.ok("PUT", room_path(room, "send", "m.reaction", f"r{next(_names)}"),
           {"m.relates_to": {"rel_type": "m.annotation", "event_id": sent[0], "key": "x"}})
    return room, f"#{name}:{server.name}", alice, bob, carol, sent


def deleted(server, boss, room, seconds=30, **body):
    delete_id = boss.ok("DELETE", room_url(room, version=V2), body)["delete_id"]
    status = lambda: boss.ok("GET", path(V2, "rooms", "delete_status", delete_id))  # noqa: E731
    wait_until("deleted", lambda: status()["status"] not in ("active", "scheduled"), seconds=seconds)
    assert status()["status"] == "complete", server.sql(f"SELECT error FROM scheduled_tasks WHERE id = '{delete_id}'")
    assert boss.ok("GET", room_url(room, "delete_status", version=V2))["results"][0]["delete_id"] == delete_id
    return status()["shutdown_room"]


def test_delete_room(server, boss):
    room, alias, alice, bob, carol, sent = populate(server, boss)
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    for base in bases:
        bob.ok("GET", room_path(room, "messages"), dir="b", base=base)  # now it is cached there
    since = bob.sync()["next_batch"]
    result = deleted(server, boss, room, new_room_user_id=boss.user_id, room_name="Moved", message="It is over.", block=True)
    assert sorted(result["kicked_users"]) == sorted(u.user_id for u in (alice, bob, carol)) and result["failed_to_kick_users"] == []
    assert result["local_aliases"] == [alias]
    new = result["new_room_id"]
    wait_until("moved", lambda: new in bob.ok("GET", f"{CLIENT}/joined_rooms")["joined_rooms"])
    assert membership(bob, new) == "join" and bob.state(new, "m.room.name")["name"] == "Moved"
    wait_until("told why", lambda: "It is over." in [e["content"].get("body") for e in bob.messages(new)["chunk"]])
    assert bob.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}")["room_id"] == new
    assert rows_of(server, room) == {}
    assert server.sql(f"SELECT count(*) FROM event_json WHERE event_id = '{sent[0]}'") == [["0"]]
    for base in bases:
        for user in (alice, bob):
            wait_until("gone", lambda user=user, base=base: user.call("GET", room_path(room, "messages"), dir="b", base=base).status == 403)
            assert room not in user.ok("GET", f"{CLIENT}/joined_rooms", base=base)["joined_rooms"]
            assert user.sync(since, base=base)["next_batch"] and user.sync(base=base)["next_batch"]
    wait_until("blocked", lambda: bob.call("POST", f"{CLIENT}/join/{quote(room)}", {}).status == 403)
    refused(boss.call("GET", room_url(room)), 404, "M_NOT_FOUND")


def test_delete_without_purge_and_at_once(server, boss):
    room, _, alice, bob, carol, _ = populate(server, boss)
    deleted(server, boss, room, purge=False)
    assert membership_rows(server, room) == [[u, "leave"] for u in sorted(u.user_id for u in (alice, bob, carol))]
    answer = boss.ok("DELETE", room_url(room), {})
    assert answer == {"kicked_users": [], "failed_to_kick_users": [], "local_aliases": [], "new_room_id": None}
    assert rows_of(server, room) == {}
    refused(boss.call("DELETE", room_url(room), {}), 404, "M_NOT_FOUND")
    assert boss.ok("DELETE", room_url(room), {"block": True})["kicked_users"] == []  # a room that nobody here knows can be blocked
    assert boss.ok("GET", room_url(room, "block"))["block"] is True


def membership_rows(server, room):
    return server.sql(f"SELECT user_id, membership FROM local_current_membership WHERE room_id = '{room}' ORDER BY 1")


def test_a_killed_deletion_goes_on(server, boss):
    room, _, alice, bob, _, _ = populate(server, boss)
    server.sql("INSERT INTO scheduled_tasks (id, action, status, timestamp, resource_id, params, result) VALUES"
               f" ('halfdeleted{next(_names)}', 'shutdown_and_purge_room', 'active', 1, '{room}', '{{\"purge\": true, \"force_purge\": false,"
               f" \"block\": false, \"requester_user_id\": \"{boss.user_id}\", \"new_room_user_id\": null}}',"
               f" '{{\"kicked_users\": [\"{alice.user_id}\"], \"failed_to_kick_users\": [], \"local_aliases\": [], \"new_room_id\": null}}')")
    kill_background(server)
    wait_until("the room is gone", lambda: rows_of(server, room) == {})
    results = boss.ok("GET", room_url(room, "delete_status", version=V2))["results"]
    wait_until("complete", lambda: boss.ok("GET", room_url(room, "delete_status", version=V2))["results"][0]["status"] == "complete")
    assert bob.user_id in results[0]["shutdown_room"]["kicked_users"]


def test_bad_requests(server, boss):
    user = server.register()
    room = user.create_room()
    for bad in ({"block": "x"}, {"purge": 1}, {"force_purge": "x"}, {"new_room_user_id": 1}, {"new_room_user_id": "@x:elsewhere"}, {"message": 1}):
        for version in (V1, V2):
            assert boss.call("DELETE", room_url(room, version=version), bad).status == 400, bad
    refused(boss.call("DELETE", room_url("nonsense", version=V2), {}), 400)
    refused(boss.call("GET", path(V2, "rooms", "delete_status", "nonsense")), 404, "M_NOT_FOUND")
    refused(boss.call("GET", room_url(room, "delete_status", version=V2)), 404, "M_NOT_FOUND")
    assert membership(user, room) == "join"
