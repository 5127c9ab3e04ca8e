"""Rooms as clients find them: aliases, tags, read markers, redactions, contents of joins, what /sync says of members."""

import json

from lib.wait import until
from lib.server import quote
from lib.sliding import settle

C = "/_matrix/client/v3"


def joined(answer, room):
    return answer.get("rooms", {}).get("join", {}).get(room, {})


def members_in_state(answer, room):
    return sorted(e["state_key"] for e in joined(answer, room).get("state", {}).get("events", []) if e["type"] == "m.room.member")


LAZY = json.dumps({"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 10}}})


def test_a_join_keeps_what_its_body_says(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.ok("POST", f"{C}/join/{quote(room)}", {"foo": "bar"})
    settle(bob)
    assert alice.state(room, "m.room.member", bob.user_id)["foo"] == "bar"
    first = alice.ok("GET", f"{C}/rooms/{quote(room)}/state/m.room.member/{quote(bob.user_id)}?format=event")["event_id"]
    bob.ok("POST", f"{C}/join/{quote(room)}", {"foo": "bar"})
    again = alice.ok("GET", f"{C}/rooms/{quote(room)}/state/m.room.member/{quote(bob.user_id)}?format=event")["event_id"]
    assert again == first


def test_redacting_is_for_authors_and_moderators(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    settle(bob)
    of_alice, of_bob = alice.send(room, "one"), bob.send(room, "two")
    settle(bob)
    assert bob.call("PUT", f"{C}/rooms/{quote(room)}/redact/{quote(of_alice)}/a", {}).status == 403
    assert bob.call("PUT", f"{C}/rooms/{quote(room)}/redact/{quote(of_bob)}/b", {}).status == 200
    assert alice.call("PUT", f"{C}/rooms/{quote(room)}/redact/{quote(of_alice)}/c", {}).status == 200
    for event in (of_alice, of_bob):
        assert alice.ok("GET", f"{C}/rooms/{quote(room)}/event/{quote(event)}")["content"] == {}


def test_aliases(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alias = f"#tea-{alice.user_id[1:].split(':')[0]}:{server.name}"
    path = f"{C}/directory/room/{quote(alias)}"
    alice.ok("PUT", path, {"room_id": room})
    assert alice.call("PUT", path, {"room_id": room}).status == 409
    assert bob.ok("GET", path) == {"room_id": room, "servers": [server.name]}
    assert bob.ok("GET", f"{C}/rooms/{quote(room)}/aliases") == {"aliases": [alias]}
    alice.put_state(room, "m.room.canonical_alias", {"alias": alias, "alt_aliases": [alias]})
    assert bob.call("DELETE", path).status == 403
    settle(alice)
    alice.ok("DELETE", path)
    settle(alice)
    assert bob.call("GET", path).status == 404
    assert alice.state(room, "m.room.canonical_alias") == {}


def test_tags(server):
    alice = server.register()
    room = alice.create_room()
    path = f"{C}/user/{quote(alice.user_id)}/rooms/{quote(room)}/tags"

    def tags(answer):
        return [e["content"]["tags"] for e in joined(answer, room).get("account_data", {}).get("events", []) if e["type"] == "m.tag"]

    since = alice.sync()["next_batch"]
    alice.ok("PUT", f"{path}/u.work", {"order": 0.1})
    seen, since = alice.sync_until(tags, since)
    assert seen == [{"u.work": {"order": 0.1}}]
    assert alice.ok("GET", path) == {"tags": {"u.work": {"order": 0.1}}}
    alice.ok("DELETE", f"{path}/u.work")
    seen, since = alice.sync_until(tags, since)
    assert seen == [{}]
    assert alice.ok("GET", path) == {"tags": {}}


def test_read_markers_only_move_forward(server):
    alice = server.register()
    room = alice.create_room()
    first, second = alice.send(room, "one"), alice.send(room, "two")
    path = f"{C}/rooms/{quote(room)}/read_markers"

    def marker(answer):
        return [e["content"]["event_id"] for e in joined(answer, room).get("account_data", {}).get("events", []) if e["type"] == "m.fully_read"]

    def receipts(answer):
        return [e["content"] for e in joined(answer, room).get("ephemeral", {}).get("events", []) if e["type"] == "m.receipt"]

    since = alice.sync()["next_batch"]
    alice.ok("POST", path, {"m.fully_read": second, "m.read": second})
    # Written at one process, read at another that may hear of it a moment later: no token asks it to wait.
    assert alice.sync_until(marker)[0] == [second]
    seen, since = alice.sync_until(receipts, since)
    assert alice.user_id in seen[0][second]["m.read"]
    alice.ok("POST", path, {"m.fully_read": first})
    assert marker(alice.sync()) == [second]


def test_typing(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)

    def typists(answer):
        return [e["content"]["user_ids"] for e in joined(answer, room).get("ephemeral", {}).get("events", []) if e["type"] == "m.typing"]

    settle(bob)
    since = alice.sync()["next_batch"]
    path = f"{C}/rooms/{quote(room)}/typing/{quote(bob.user_id)}"
    bob.ok("PUT", path, {"typing": True, "timeout": 30000})
    seen, since = alice.sync_until(typists, since)
    assert seen == [[bob.user_id]]
    bob.ok("PUT", path, {"typing": False})
    seen, since = alice.sync_until(typists, since)
    assert seen == [[]]
    bob.ok("PUT", path, {"typing": True, "timeout": 200})
    seen, since = alice.sync_until(typists, since)
    assert seen == [[bob.user_id]]
    seen, since = alice.sync_until(typists, since)
    assert seen == [[]]


def test_a_newly_joined_room_is_limited(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    since = bob.sync()["next_batch"]
    bob.join(room)
    answer, _ = bob.sync_until(lambda a: a if joined(a, room) else None, since)
    assert joined(answer, room)["timeline"]["limited"] is True


def test_a_whole_first_timeline_pages_back_over_itself(server):
    alice = server.register()
    room = alice.create_room()
    sent = alice.send(room, "one")
    timeline = joined(alice.sync(), room)["timeline"]
    page = alice.messages(room, **{"from": timeline["prev_batch"], "limit": 50})
    assert timeline["limited"] is False and page["chunk"][0]["event_id"] == sent and "end" in page
    assert "end" not in alice.messages(room, **{"from": page["end"]})


def test_a_filtered_timeline_looks_behind_what_it_drops(server):
    alice = server.register()
    room = alice.create_room()
    sent = alice.send(room, "one")
    for i in range(12):
        alice.ok("PUT", f"{C}/rooms/{quote(room)}/send/m.filler/{i}", {})
    timeline = joined(alice.sync(filter=json.dumps({"room": {"timeline": {"limit": 1, "types": ["m.room.message"]}}})), room)["timeline"]
    assert [e["event_id"] for e in timeline["events"]] == [sent] and timeline["limited"] is False


def test_the_federation_format(server):
    alice = server.register()
    room = alice.create_room()
    sent = alice.send(room, "one")
    settle(alice)
    event = joined(alice.sync(filter=json.dumps({"event_format": "federation"})), room)["timeline"]["events"][-1]
    assert event["event_id"] == sent and event["room_id"] == room
    assert {"prev_events", "auth_events", "depth", "hashes", "signatures"} <= set(event)


def test_state_that_stands_is_shown_in_private_history(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alice.put_state(room, "m.room.history_visibility", {"history_visibility": "joined"})
    since = bob.sync()["next_batch"]
    bob.leave(room)
    carol.join(room)
    for i in range(20):
        alice.send(room, f"message {i}")
    bob.join(room)
    answer, _ = bob.sync_until(lambda a: joined(a, room), since)
    assert any(e["type"] == "m.room.member" and e["state_key"] == carol.user_id for e in answer["timeline"]["events"])


def test_members_are_sent_once_to_who_loads_them_lazily(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="tea")
    base = server.worker_url("generic_worker1")  # each process remembers for itself what it has sent
    bob.join(room)
    carol.join(room)
    for i in range(10):
        bob.send(room, f"message {i}")
    first = alice.sync(filter=LAZY, base=base)
    assert members_in_state(first, room) == sorted([alice.user_id, bob.user_id])
    carol.send(room, "here")
    bob.send(room, "and here")
    second = alice.sync(first["next_batch"], filter=LAZY, base=base)
    assert members_in_state(second, room) == [carol.user_id]
    carol.send(room, "again")
    assert members_in_state(alice.sync(second["next_batch"], filter=LAZY, base=base), room) == []


def test_a_room_without_a_name_has_heroes(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    alice.invite(room, carol)
    answer = joined(alice.sync(filter=LAZY), room)
    assert answer["summary"] == {"m.joined_member_count": 2, "m.invited_member_count": 1,
                                 "m.heroes": sorted([bob.user_id, carol.user_id])}
    alice.put_state(room, "m.room.name", {"name": "tea"})
    until(lambda: joined(alice.sync(filter=LAZY), room)["summary"] == {"m.joined_member_count": 2, "m.invited_member_count": 1})
    assert joined(alice.sync(), room)["summary"] == {}


def test_an_invite_outlives_the_inviter_and_can_be_turned_down(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(invite=[bob.user_id])
    invite, since = bob.sync_until(lambda a: a.get("rooms", {}).get("invite", {}).get(room))
    mine = invite["invite_state"]["events"][-1]
    assert mine["state_key"] == bob.user_id and set(mine) == {"type", "state_key", "sender", "content"}
    alice.leave(room)
    bob.leave(room)
    left, since = bob.sync_until(lambda a: a.get("rooms", {}).get("leave", {}).get(room), since)
    assert room not in bob.sync().get("rooms", {}).get("invite", {})
    assert bob.call("POST", f"{C}/rooms/{quote(room)}/leave", {}).status == 200  # it stands
