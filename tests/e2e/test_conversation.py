"""Two users talk: the first job of a homeserver, on the monolith and across the processes of a split."""

import threading

from lib.server import quote, request
from lib.sliding import settle


def timeline(answer, room):
    return answer.get("rooms", {}).get("join", {}).get(room, {}).get("timeline", {}).get("events", [])


def bodies(answer, room):
    return [e["content"].get("body") for e in timeline(answer, room) if e["type"] == "m.room.message"]


def test_two_users_talk(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(name="tea", invite=[bob.user_id])
    invite, since = bob.sync_until(lambda a: a.get("rooms", {}).get("invite", {}).get(room))
    assert any(e["type"] == "m.room.name" and e["content"] == {"name": "tea"} for e in invite["invite_state"]["events"])
    bob.join(room)
    event_id = alice.send(room, "hello")
    seen, _ = bob.sync_until(lambda a: [e for e in timeline(a, room) if e["event_id"] == event_id], since)
    assert seen[0]["content"] == {"msgtype": "m.text", "body": "hello"}
    assert seen[0]["sender"] == alice.user_id
    assert "transaction_id" not in seen[0].get("unsigned", {})


def test_a_long_poll_wakes_across_processes(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    one, two = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
    since = bob.sync(base=two)["next_batch"]
    since = bob.sync(since, base=two)["next_batch"]
    got = []
    waiter = threading.Thread(target=lambda: got.append(bob.sync(since, timeout=20000, base=two)))
    waiter.start()
    alice.send(room, "wake up", base=one)
    waiter.join(15)
    assert got and bodies(got[0], room) == ["wake up"]


def test_the_same_transaction_id_gives_the_same_event(server):
    alice = server.register()
    room = alice.create_room()
    first = alice.send(room, "once", txn="same", base=server.worker_url("generic_worker1"))
    assert alice.send(room, "once", txn="same", base=server.worker_url("generic_worker2")) == first
    assert alice.send(room, "once", txn="same", base=server.worker_url("generic_worker1")) == first
    sent = [e for e in alice.messages(room, limit=50)["chunk"] if e["type"] == "m.room.message"]
    assert [e["event_id"] for e in sent] == [first]
    assert sent[0]["unsigned"]["transaction_id"] == "same"


def test_history_pages_meet_without_gap_or_repeat(server):
    alice = server.register()
    room = alice.create_room()
    sent = [alice.send(room, f"message {i}") for i in range(25)]
    got, token = [], None
    while True:
        page = alice.messages(room, limit=7, **({"from": token} if token else {}))
        got += [e["event_id"] for e in page["chunk"] if e["type"] == "m.room.message"]
        if not page.get("end") or not page["chunk"]:
            break
        token = page["end"]
    assert got == sent[::-1]
    page = alice.messages(room, dir="f", limit=100)
    assert [e["event_id"] for e in page["chunk"] if e["type"] == "m.room.message"] == sent
    assert page["chunk"][0]["type"] == "m.room.create"


def test_a_gap_in_sync_is_said_and_can_be_filled(server):
    alice = server.register()
    room = alice.create_room()
    since = alice.sync()["next_batch"]
    sent = [alice.send(room, f"message {i}") for i in range(15)]
    joined = alice.sync(since)["rooms"]["join"][room]["timeline"]
    assert joined["limited"] is True
    assert [e["event_id"] for e in joined["events"]] == sent[-10:]
    page = alice.messages(room, limit=5, **{"from": joined["prev_batch"]})
    assert [e["event_id"] for e in page["chunk"]] == sent[4::-1]


def test_same_since_answers_the_same(server):
    alice = server.register()
    room = alice.create_room()
    settle(alice)
    since = alice.sync()["next_batch"]
    alice.send(room, "again")
    settle(alice)
    first, second = alice.sync(since), alice.sync(since)
    for answer in (first, second):
        for event in timeline(answer, room):
            event.get("unsigned", {}).pop("age", None)
    assert timeline(first, room) == timeline(second, room) != []


def test_leaving_is_told(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    since = bob.sync()["next_batch"]
    bob.leave(room)
    left, _ = bob.sync_until(lambda a: a.get("rooms", {}).get("leave", {}).get(room), since)
    assert left["timeline"]["events"][-1]["content"]["membership"] == "leave"
    assert bob.call("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/x", {"body": "no"}).status == 403
    assert room not in bob.ok("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]
    assert room in alice.ok("GET", "/_matrix/client/v3/joined_rooms")["joined_rooms"]


def test_versions_and_capabilities(server):
    told = request("GET", server.base_url + "/_matrix/client/versions")
    assert "v1.11" in told.json["versions"] and told.headers["Cache-Control"].startswith("public")
    for built in ("org.matrix.msc3981", "fi.mau.msc2659.stable", "org.matrix.msc4380.stable", "uk.half-shot.msc2666.query_mutual_rooms.stable"):
        assert told.json["unstable_features"][built] is True
    alice = server.register()
    assert alice.call("GET", "/_matrix/client/versions").headers["Cache-Control"].startswith("no-cache")
    rooms = alice.ok("GET", "/_matrix/client/v3/capabilities")["capabilities"]["m.room_versions"]
    assert rooms["default"] == "12" and rooms["available"]["11"] == "stable"


def test_typing_is_seen_everywhere_and_ends_by_itself(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    one, two = server.worker_url("generic_worker1"), server.worker_url("generic_worker2")
    since = bob.sync(base=two)["next_batch"]
    path = f"/_matrix/client/v3/rooms/{quote(room)}/typing/{quote(alice.user_id)}"

    def typists(answer):
        events = answer.get("rooms", {}).get("join", {}).get(room, {}).get("ephemeral", {}).get("events", [])
        return [e["content"]["user_ids"] for e in events if e["type"] == "m.typing"]

    for base in (one, two):  # one of them keeps the list, the other hands it on
        alice.ok("PUT", path, {"typing": True, "timeout": 1500}, base=base)
        seen, since = bob.sync_until(typists, since)
        assert seen == [[alice.user_id]]
        seen, since = bob.sync_until(typists, since)
        assert seen == [[]]
    alice.ok("PUT", path, {"typing": True, "timeout": 30000}, base=one)
    assert bob.sync_until(typists, since)[0] == [[alice.user_id]]
    late = alice.sync(base=two)
    assert typists(late) == [[alice.user_id]]
    alice.ok("PUT", path, {"typing": False}, base=two)
    assert bob.sync_until(lambda a: typists(a) and not typists(a)[0] and a, since)


def test_text_that_the_database_cannot_hold_spoils_nothing(server):
    alice = server.register()
    room = alice.create_room(name="a\0b", topic="\0")
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send"
    sent = alice.ok("PUT", f"{path}/m.room.message/nul1", {
        "msgtype": "m.text", "body": "a\0b", "m.relates_to": {"event_id": alice.send(room, "x"), "rel_type": "\0", "key": "\0"}})["event_id"]
    assert alice.call("PUT", f"{path}/m.reaction/nul3", {
        "m.relates_to": {"event_id": "$\0", "rel_type": "m.annotation", "key": "\0"}}).status == 400
    alice.ok("PUT", f"{path}/m.room.redaction/nul2", {"redacts": "$a\0"})
    event = alice.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(sent)}")
    assert event["content"]["body"] == "a\0b"
