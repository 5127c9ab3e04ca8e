"""The admin API about the server: version, reports, tasks, what is left of Synapse's schema work; ends of accounts and words."""

import itertools

import pytest

from deployment.process import wait_until
from lib.admin import V1, V2, administrator, kill_background, path
from lib.rooms import CLIENT, act, history, membership, refused, room_path
from lib.server import request

_names = itertools.count(1)


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"serverboss{next(_names)}")


def test_version_needs_no_token(server, boss):
    answer = request("GET", f"{server.base_url}{V1}/server_version")
    assert answer.status == 200 and "Ganglion" in answer.json["server_version"]


def test_reports(server, boss):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    events = [alice.send(room, f"bad{i}") for i in range(3)]
    for event in events:
        bob.ok("POST", room_path(room, "report", event), {"reason": "rude", "score": -10})
    answer = boss.ok("GET", f"{V1}/event_reports", user_id=bob.user_id)
    assert answer["total"] == 3 and [r["event_id"] for r in answer["event_reports"]] == events[::-1]
    first = answer["event_reports"][0]
    assert first["sender"] == alice.user_id and first["user_id"] == bob.user_id and first["score"] == -10 and first["reason"] == "rude"
    page = boss.ok("GET", f"{V1}/event_reports", user_id=bob.user_id, dir="f", limit=2)
    assert [r["event_id"] for r in page["event_reports"]] == events[:2] and page["next_token"] == 2
    assert boss.ok("GET", f"{V1}/event_reports", room_id=room)["total"] == 3
    assert boss.ok("GET", f"{V1}/event_reports", event_sender_user_id=alice.user_id)["total"] == 3
    detail = boss.ok("GET", path(V1, "event_reports", str(first["id"])))
    assert detail["event_json"]["content"]["body"] == "bad2" and detail["id"] == first["id"]
    boss.ok("DELETE", path(V1, "event_reports", str(first["id"])))
    for method in ("GET", "DELETE"):
        refused(boss.call(method, path(V1, "event_reports", str(first["id"]))), 404, "M_NOT_FOUND")
        refused(boss.call(method, path(V1, "event_reports", "x")), 400, "M_INVALID_PARAM")
        refused(boss.call(method, path(V1, "event_reports", "-1")), 400, "M_INVALID_PARAM")
    server.sql("INSERT INTO user_reports (id, received_ts, target_user_id, user_id, reason) VALUES"
               f" ({1000 + next(_names)}, 1, '{alice.user_id}', '{bob.user_id}', 'why')")
    users = boss.ok("GET", f"{V1}/user_reports", user_id=bob.user_id)
    assert users["total"] == 1 and users["user_reports"][0]["target_user_id"] == alice.user_id
    report = str(users["user_reports"][0]["id"])
    assert boss.ok("GET", path(V1, "user_reports", report))["reason"] == "why"
    boss.ok("DELETE", path(V1, "user_reports", report))
    refused(boss.call("GET", path(V1, "user_reports", report)), 404, "M_NOT_FOUND")
    refused(bob.call("GET", f"{V1}/event_reports"), 403, "M_FORBIDDEN")


def test_words_of_a_user(server, boss):
    alice, bob = server.register(), server.register()
    room, other = alice.create_room(preset="public_chat"), alice.create_room(preset="public_chat")
    bob.join(room)
    bob.join(other)
    for i in range(3):
        bob.send(room, f"bad{i}")
        alice.send(room, f"good{i}")
    bob.send(other, "elsewhere")
    redact_id = boss.ok("POST", path(V1, "user", bob.user_id, "redact"), {"rooms": [room], "reason": "spam"})["redact_id"]
    status = lambda: boss.ok("GET", path(V1, "user", "redact_status", redact_id))  # noqa: E731
    wait_until("redacted", lambda: status()["status"] == "complete")
    assert status()["failed_redactions"] == {}
    said = [body for body in history(alice, room) if body]
    assert said == ["good2", "good1", "good0"] and history(alice, other) == ["elsewhere"]
    boss.ok("POST", path(V1, "user", bob.user_id, "redact"), {"rooms": [], "limit": 10})
    wait_until("everywhere", lambda: history(alice, other) == [None])
    tasks = boss.ok("GET", f"{V1}/scheduled_tasks", action_name="redact_all_events", resource_id=bob.user_id)["scheduled_tasks"]
    assert len(tasks) == 2 and tasks[0]["status"] == "complete" and tasks[0]["result"] == {"failed_redactions": {}}
    refused(boss.call("GET", f"{V1}/scheduled_tasks", status="x"), 400, "M_INVALID_PARAM")
    refused(boss.call("GET", path(V1, "user", "redact_status", "x")), 404, "M_NOT_FOUND")
    for bad in ({}, {"rooms": "x"}, {"rooms": [1]}, {"rooms": [], "limit": 0}, {"rooms": [], "limit": "x"}, {"rooms": [], "use_admin": 1},
                {"rooms": [], "reason": 1}, {"rooms": [], "before_ts": "x"}):
        assert boss.call("POST", path(V1, "user", bob.user_id, "redact"), bad).status == 400, bad


def test_the_end_of_an_account(server, boss):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    assert boss.ok("POST", path(V1, "deactivate", bob.user_id), {"erase": True}) == {"id_server_unbind_result": "success"}
    wait_until("logged out", lambda: bob.call("GET", f"{CLIENT}/account/whoami").status == 401)
    wait_until("left", lambda: membership(alice, room, bob) == "leave")
    facts = boss.ok("GET", path(V2, "users", bob.user_id))
    assert facts["deactivated"] is True and facts["erased"] is True
    back = boss.ok("PUT", path(V2, "users", bob.user_id), {"deactivated": False, "password": "back again"})
    assert back["deactivated"] is False and back["erased"] is False
    server.login(bob.user_id, "back again")
    assert boss.ok("PUT", path(V2, "users", bob.user_id), {"deactivated": True})["deactivated"] is True
    refused(boss.call("POST", path(V1, "deactivate", bob.user_id), {"erase": 1}), 400, "M_BAD_JSON")
    refused(boss.call("POST", path(V1, "deactivate", f"@nobody:{server.name}"), {}), 404, "M_NOT_FOUND")
    refused(boss.call("POST", path(V1, "deactivate", "@x:elsewhere"), {}), 400)


def test_what_synapse_left_to_do(server, boss):
    """In its order; what is not known stays for Synapse, and what depends on it."""
    assert boss.ok("GET", f"{V1}/background_updates/status") == {"enabled": True, "current_updates": {}}
    server.sql("DROP INDEX received_ts_idx")
    server.sql("INSERT INTO background_updates (update_name, progress_json, depends_on, ordering) VALUES"
               " ('events_received_ts_index', '{}', NULL, 9), ('of_a_later_version', '{}', NULL, 1),"
               " ('add_otk_ts_added_index', '{}', 'of_a_later_version', 2), ('local_media_repository_sha256_idx', '{}', NULL, 3)")
    kill_background(server)
    left = lambda: sorted(r[0] for r in server.sql("SELECT update_name FROM background_updates"))  # noqa: E731
    wait_until("indexes", lambda: left() == ["add_otk_ts_added_index", "of_a_later_version"])
    assert server.sql("SELECT indisvalid FROM pg_index WHERE indexrelid = 'received_ts_idx'::regclass") == [["t"]]
    server.sql("DELETE FROM background_updates")
    assert boss.ok("POST", f"{V1}/background_updates/enabled", {"enabled": False}) == {"enabled": False}
    assert boss.ok("GET", f"{V1}/background_updates/enabled") == {"enabled": False}
    assert boss.ok("POST", f"{V1}/background_updates/enabled", {"enabled": True}) == {"enabled": True}
    refused(boss.call("POST", f"{V1}/background_updates/enabled", {"enabled": 1}), 400)
    assert act(boss, boss.create_room(), "leave").status == 200


def test_other_servers(server, boss):
    tag = f"far{next(_names)}"
    for i in range(3):
        server.sql(f"INSERT INTO destinations (destination, retry_last_ts, retry_interval, failure_ts) VALUES ('{tag}{i}.example', {i}, {10 - i}, 5)")
    where = f"{V1}/federation/destinations"
    names = lambda **query: [d["destination"][-9] for d in boss.ok("GET", where, destination=tag, **query)["destinations"]]  # noqa: E731
    assert names() == ["0", "1", "2"] and names(dir="b") == ["2", "1", "0"]
    assert names(order_by="retry_last_ts", dir="b") == ["2", "1", "0"] and names(order_by="retry_interval") == ["2", "1", "0"]
    page = boss.ok("GET", where, destination=tag, limit=2)
    assert page["total"] == 3 and page["next_token"] == "2"
    refused(boss.call("GET", where, order_by="x"), 400, "M_INVALID_PARAM")
    one = path(V1, "federation", "destinations", f"{tag}2.example")
    assert boss.ok("GET", one) == {"destination": f"{tag}2.example", "retry_last_ts": 2, "retry_interval": 8, "failure_ts": 5,
                                   "last_successful_stream_ordering": None}
    assert boss.ok("GET", f"{one}/rooms") == {"rooms": [], "total": 0}
    boss.ok("POST", f"{one}/reset_connection", {})
    assert boss.ok("GET", one)["retry_last_ts"] == 0
    refused(boss.call("POST", f"{one}/reset_connection", {}), 400)
    for suffix in ("", "/rooms"):
        refused(boss.call("GET", path(V1, "federation", "destinations", "unknown") + suffix), 404, "M_NOT_FOUND")
    refused(boss.call("POST", path(V1, "federation", "destinations", "unknown", "reset_connection"), {}), 404, "M_NOT_FOUND")


def test_spaces_and_keys(server, boss):
    alice = server.register()
    space, room = alice.create_room(creation_content={"type": "m.space"}), alice.create_room(name="inside")
    alice.put_state(space, "m.space.child", {"via": [server.name]}, room)
    rooms = boss.ok("GET", path(V1, "rooms", space, "hierarchy"))["rooms"]
    assert [r["room_id"] for r in rooms] == [space, room]
    refused(boss.call("GET", f"/_matrix/client/v1/rooms/{space}/hierarchy"), 403, "M_FORBIDDEN")  # as a client, nothing
    refused(boss.call("POST", path(V1, "users", alice.user_id, "_allow_cross_signing_replacement_without_uia"), {}), 404, "M_NOT_FOUND")
