"""The admin API and the operators' programs on both kinds of server, over one database."""

import os
import subprocess

from deployment.process import wait_until
from lib.admin import V1, V2, administrator, path
from lib.rooms import act, ids, room_path
from lib.server import Server, quote

# Differ by nature: when somebody was last seen, which of us speaks.
VOLATILE = {"last_seen_ts", "last_seen_ip", "last_seen", "age", "user_agent", "last_seen_user_agent"}


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in VOLATILE}
    return [plain(v) for v in value] if isinstance(value, list) else value


def questions(alice, bob, room, event):
    user, place = path(V1, "users", bob.user_id), path(V1, "rooms", room)
    return [f"{V2}/users?limit=2", f"{V2}/users?name=bob", f"{V2}/users?order_by=creation_ts&dir=b", "/_synapse/admin/v3/users?deactivated=true",
            f"{V2}/users?guests=false&admins=false", path(V2, "users", bob.user_id), f"{user}/admin", f"{user}/joined_rooms", f"{user}/memberships",
            f"{user}/pushers", f"{user}/override_ratelimit", f"{user}/sent_invite_count?from_ts=0", f"{user}/cumulative_joined_room_count?from_ts=0",
            path(V2, "users", bob.user_id, "devices"), path(V1, "registration_tokens"), path(V1, "registration_tokens", "interop"), f"{V1}/rooms",
            f"{V1}/rooms?search_term=compared", f"{V1}/rooms?order_by=joined_members&dir=b&limit=1", place, f"{place}/members", f"{place}/state?type=m.room.name",
            f"{place}/messages?dir=b&limit=4", f"{place}/context/{quote(event)}?limit=4", f"{place}/block", f"{place}/forward_extremities", f"{V1}/event_reports",
            f"{V1}/experimental_features/{quote(bob.user_id)}", f"{V1}/background_updates/enabled", f"{V1}/fetch_event/{quote(event)}",
            f"{V1}/rooms/{quote('!none:' + alice.server.name)}", f"{V2}/users/nonsense", f"{V2}/users?order_by=x", f"{V1}/rooms?search_term=",
            f"{V1}/event_reports/x", f"{V1}/event_reports/99", f"{V1}/purge_history_status/x", path(V2, "rooms", "delete_status", "x"),
            f"{V1}/users/{quote(bob.user_id)}/accountdata", f"{V1}/federation/destinations", f"{V1}/federation/destinations/far.example",
            f"{V1}/federation/destinations/far.example/rooms", f"{V1}/federation/destinations/none", f"{place}/hierarchy", f"{V1}/user_reports",
            f"{V1}/event_reports/1", f"{V1}/scheduled_tasks?resource_id={quote(room)}", f"{place}/timestamp_to_event?ts=0&dir=f",
            path(V1, "username_available") + "?username=bob", path(V1, "username_available") + "?username=free", f"{V1}/statistics/users/media",
            f"{V1}/threepid/email/users/b@example.org", f"{V1}/auth_providers/p/users/x", f"{V1}/auth_providers/p/users/none", path(V1, "whois", bob.user_id)]


def ask_all(boss, asked):
    return {q: (a.status, plain(a.json)) for q in asked for a in [boss.call("GET", q)]}


def keys_of(value):
    """The shape of an answer, for what two implementations say in words of their own."""
    return sorted(value) if isinstance(value, dict) else type(value).__name__


def test_answers_are_the_same(mixed):
    deployment = mixed("admin", monolith=True, python=())
    deployment.start()
    server = Server(deployment)
    boss = administrator(server, "boss")
    alice, bob = server.register("alice"), server.register("bob")
    room = alice.create_room(preset="public_chat", name="Compared", topic="topic")
    bob.join(room)
    events = [alice.send(room, f"m{i}") for i in range(12)]
    bob.ok("POST", room_path(room, "report", events[0]), {"reason": "rude", "score": -1})
    boss.ok("POST", f"{V1}/registration_tokens/new", {"token": "interop", "uses_allowed": 2})
    boss.ok("POST", path(V1, "users", bob.user_id, "override_ratelimit"), {"messages_per_second": 3, "burst_count": 4})
    server.sql("INSERT INTO destinations (destination, retry_last_ts, retry_interval, failure_ts) VALUES ('far.example', 1, 2, 3)")
    boss.ok("PUT", path(V2, "users", bob.user_id), {"external_ids": [{"auth_provider": "p", "external_id": "x"}],
                                                      "threepids": [{"medium": "email", "address": "b@example.org"}]})
    wait_until("statistics", lambda: boss.ok("GET", path(V1, "rooms", room))["joined_members"] == 2)
    wait_until("last seen", lambda: server.sql(f"SELECT 1 FROM user_ips WHERE user_id = '{bob.user_id}'"))
    asked = questions(alice, bob, room, events[5])
    ours = ask_all(boss, asked)
    purge_id = boss.ok("POST", path(V1, "purge_history", room, events[3]), {"delete_local_events": True})["purge_id"]
    wait_until("purged", lambda: boss.ok("GET", path(V1, "purge_history_status", purge_id))["status"] == "complete")
    after = ask_all(boss, asked)
    deployment.stop()
    deployment.python = {"main"}
    deployment.start()
    theirs = ask_all(boss, asked)
    different = {}
    for question, (status, answer) in after.items():
        other_status, other = theirs[question]
        words = status >= 400
        if status != other_status or (keys_of(answer) != keys_of(other) or answer.get("errcode") != other.get("errcode") if words else answer != other):
            different[question] = ((status, answer), (other_status, other))
    assert not different, "\n".join(f"{q}\n  ours   {a}\n  theirs {b}" for q, (a, b) in different.items())
    assert ours[asked[5]] == after[asked[5]]
    # A room that we purged lives on there, and what they purge lives on here.
    assert ids(bob.messages(room, limit=50)["chunk"])[:9] == events[:2:-1]
    alice.send(room, "said to Synapse")
    purge_id = boss.ok("POST", path(V1, "purge_history", room, events[8]), {"delete_local_events": True})["purge_id"]
    wait_until("purged", lambda: boss.ok("GET", path(V1, "purge_history_status", purge_id))["status"] == "complete")
    tools(server)
    deployment.stop()
    deployment.python = set()
    deployment.start()
    assert ids(bob.messages(room, limit=50)["chunk"])[1:] == events[:7:-1]
    assert bob.send(room, "and here again") and act(bob, room, "leave").status == 200
    result = boss.ok("DELETE", path(V1, "rooms", room), {})
    assert result["kicked_users"] == [alice.user_id]


def tools(server):
    """Our programs against a Synapse, and its password check on our hash."""
    program = lambda name, *a: subprocess.run([os.path.join(server.deployment.build, "bin", name), *a], capture_output=True, text=True,  # noqa: E731
                                              check=False, timeout=60)
    config = server.deployment.config_paths()[0]
    made = program("register_new_matrix_user", "-u", "tooled", "-p", "a good password", "-a", "-c", config, server.base_url)
    assert made.returncode == 0 and "Success!" in made.stdout, made
    user = server.login("tooled")
    hashed = program("hash_password", "-p", "made by a program", "-c", config).stdout.strip()
    server.sql(f"UPDATE users SET password_hash = '{hashed}' WHERE name = '{user.user_id}'")
    server.deployment.processes["main"].stop()
    server.deployment.start_process()  # it keeps hashes in memory
    server.login("tooled", "made by a program")
