"""Rooms made, published, knocked on, replaced and left, by Synapse and then by Ganglion on the same database: equal rows of
statistics, directory and state; each reads what the other has made."""

from lib.rooms import CLIENT, act, room_path
from lib.server import Server, User, quote
from lib.wait import until

OF_ROOM = {
    "facts": "SELECT name, regexp_replace(canonical_alias, '[0-9]', '', 'g'), join_rules, history_visibility, encryption, avatar,"
             " guest_access, is_federatable, topic, room_type FROM room_stats_state WHERE room_id = '{0}'",
    "room": "SELECT is_public, room_version FROM rooms WHERE room_id = '{0}'",
    "aliases": "SELECT regexp_replace(room_alias, '[0-9]', '', 'g') FROM room_aliases WHERE room_id = '{0}' ORDER BY 1",
    "state": "SELECT type, membership, count(*) FROM current_state_events WHERE room_id = '{0}' GROUP BY 1, 2 ORDER BY 1, 2",
    "joined room": "SELECT room_type, is_encrypted, tombstone_successor_room_id IS NULL FROM sliding_sync_joined_rooms WHERE room_id = '{0}'",
    "snapshots": "SELECT membership, forgotten, has_known_state, room_type, count(*) FROM sliding_sync_membership_snapshots"
                 " WHERE room_id = '{0}' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    "old members": "SELECT membership, forgotten, count(*) FROM room_memberships WHERE room_id = '{0}' GROUP BY 1, 2 ORDER BY 1, 2",
}
MEMBERS = "join", "invite", "leave", "ban", "knock"
# As counted, and as it is: all members are ours. Ours are equal; Synapse now and then counts a change twice, where it counts a database for the first time.
NUMBERS = ("SELECT joined_members, invited_members, left_members, banned_members, knocked_members, local_users_in_room"
           " FROM room_stats_current WHERE room_id = '{0}'",
           "SELECT " + ", ".join(f"count(*) FILTER (WHERE membership = '{one}')" for one in (*MEMBERS, "join")) +
           " FROM local_current_membership WHERE room_id = '{0}'")
JOINED = ("SELECT joined_rooms FROM user_stats_current WHERE user_id = '{0}'",
          "SELECT count(*) FROM local_current_membership WHERE membership = 'join' AND user_id = '{0}'")


def live(server, number):
    """The same life each time. Rooms and users by name."""
    alice, bob, carol, dave = (server.register(f"{name}{number}") for name in ("alice", "bob", "carol", "dave"))
    rooms = {}
    rooms["space"] = alice.create_room(preset="public_chat", visibility="public", name="A space", topic="of topics", room_alias_name=f"space{number}",
                                       creation_content={"type": "m.space", "m.federate": False}, invite=[dave.user_id],
                                       initial_state=[{"type": "m.room.avatar", "content": {"url": "mxc://a/b"}}])
    rooms["door"] = alice.create_room(preset="private_chat", name="Door", room_version="11",
                                      initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    for user in (bob, carol, dave):
        assert user.call("POST", f"{CLIENT}/knock/{quote(rooms['door'])}", {"reason": "hello"}).status == 200
    alice.invite(rooms["door"], bob)
    bob.join(rooms["door"])
    assert act(alice, rooms["door"], "ban", carol).status == 200
    assert act(alice, rooms["door"], "unban", carol).status == 200
    for old, new in (("9", "10"), ("10", "12")):
        room = alice.create_room(preset="public_chat", visibility="public", name="Old " + old, room_version=old, room_alias_name=f"v{old}x{number}",
                                 initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
        bob.join(room)
        carol.join(room)
        carol.leave(room)
        assert act(alice, room, "ban", dave).status == 200
        new_room = alice.ok("POST", room_path(room, "upgrade"), {"new_version": new})["replacement_room"]
        bob.join(new_room)
        bob.leave(room)
        assert act(bob, room, "forget").status == 200
        rooms[f"old {old}"], rooms[f"new {new}"] = room, new_room
    rooms["empty"] = alice.create_room(preset="public_chat", name="Soon empty")
    bob.join(rooms["empty"])
    alice.put_state(rooms["empty"], "m.room.topic", {"topic": "first"})
    alice.put_state(rooms["empty"], "m.room.topic", {"topic": "second"})
    alice.leave(rooms["empty"])
    bob.leave(rooms["empty"])
    alice.put_state(rooms["space"], "m.space.child", {"via": [server.name]}, rooms["new 12"])
    return rooms, (alice, bob, carol, dave)


def look(deployment, rooms):
    def sql(statement):
        return deployment.postgres.sql(statement, deployment.database)
    found = {f"{room}: {name}": sql(query.format(room_id)) for room, room_id in rooms.items() for name, query in OF_ROOM.items()}
    return found


def numbers(deployment, rooms, users):
    """By room and user: what the statistics say, and what is so."""
    asked = {**{name: (NUMBERS, room_id) for name, room_id in rooms.items()},
             **{user.user_id: (JOINED, user.user_id) for user in users}}
    return {name: tuple(deployment.postgres.sql(query.format(of), deployment.database) for query in queries)
            for name, (queries, of) in asked.items()}


def counted(deployment):
    """The statistics have caught up with what was done."""
    until(lambda: deployment.postgres.sql("SELECT (SELECT stream_id FROM stats_incremental_position) >="
                                          " (SELECT max(stream_id) FROM current_state_delta_stream)", deployment.database) == [["t"]], 30)


def seen(user, server, rooms):
    """What one is told of the rooms."""
    user = User(server, user.user_id, user.token, user.device_id)
    hierarchy = user.ok("GET", f"/_matrix/client/v1/rooms/{quote(rooms['space'])}/hierarchy")
    listed = user.ok("GET", f"{CLIENT}/publicRooms", limit=50)
    summaries = [user.call("GET", f"/_matrix/client/v1/room_summary/{quote(room)}").json for room in rooms.values()]
    pages, since = [], None
    while True:
        page = user.ok("GET", f"{CLIENT}/publicRooms", limit=1, **({"since": since} if since else {}))
        pages.append(page)
        since = page.get("next_batch")
        if since is None:
            return {"hierarchy": hierarchy, "listed": listed, "pages": pages, **dict(zip(rooms, summaries))}


def same(before, after):
    different = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not different, "\n".join(f"{name}:\n  {a}\n  {b}" for name, (a, b) in different.items())


def test_the_same_life(mixed):
    deployment = mixed("life", python={"main"}, monolith=True)
    deployment.start()
    server = Server(deployment)
    rooms, users = live(server, 1)
    counted(deployment)
    theirs, theirs_seen = look(deployment, rooms), seen(users[0], server, rooms)
    assert deployment.complaints() == [] and deployment.stop()

    deployment.python = set()
    deployment.start()
    server = Server(deployment)
    same(theirs_seen, seen(users[0], server, rooms))
    more, others = live(server, 2)
    counted(deployment)
    same(theirs, look(deployment, more))
    assert {name: pair for name, pair in numbers(deployment, more, others).items() if pair[0] != pair[1]} == {}
    ours_seen = seen(others[0], server, more)
    assert deployment.complaints() == [] and deployment.stop()

    deployment.python = {"main"}
    deployment.forget_logs()
    deployment.start()
    same(ours_seen, seen(others[0], Server(deployment), more))
    assert deployment.complaints() == []
