"""A room of another server takes the place of an older one: aliases and the public list follow when both rooms say so."""

import itertools

from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
_names = itertools.count(1)


def directory(user, alias):
    return user.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}")["room_id"]


def published(user):
    return {entry["room_id"] for entry in user.ok("GET", CLIENT + "/publicRooms")["chunk"]}


def old_room(home, remote):
    """A room of theirs in which alice is, with an alias here, published here, and tagged."""
    alice = home.register()
    room = remote.create_room("10")
    alice.ok("POST", f"{CLIENT}/join/{quote(room.room_id)}?via={quote(remote.name)}", {})
    alias = f"#replaced{next(_names)}:{home.name}"
    alice.ok("PUT", f"{CLIENT}/directory/room/{quote(alias)}", {"room_id": room.room_id})
    alice.ok("PUT", f"{CLIENT}/user/{quote(alice.user_id)}/rooms/{quote(room.room_id)}/tags/u.mine", {})
    home.sql(f"UPDATE rooms SET is_public = true WHERE room_id = '{room.room_id}'")
    return alice, room, alias


def successor(remote, room):
    return remote.create_room("11", content={"predecessor": {"room_id": room.room_id, "event_id": room.leaves[0]}})


def close(home, remote, room, new):
    return room.send("m.room.tombstone", {"body": "moved", "replacement_room": new.room_id}, remote.user("creator"), "", to=[home.name])


def moved(home, alice, room, new, alias):
    until(lambda: directory(alice, alias) == new.room_id)
    public = {row[0] for row in home.sql("SELECT room_id FROM rooms WHERE is_public")}
    assert new.room_id in public and room.room_id not in public
    tags = f"{CLIENT}/user/{quote(alice.user_id)}/rooms/{quote(new.room_id)}/tags"
    until(lambda: "u.mine" in alice.ok("GET", tags)["tags"])


def test_closed_before_one_comes(home, remote):
    alice, room, alias = old_room(home, remote)
    new = successor(remote, room)
    tombstone = close(home, remote, room, new)
    until(lambda: home.sql(f"SELECT 1 FROM current_state_events WHERE event_id = '{tombstone}'"))
    assert directory(alice, alias) == room.room_id
    alice.ok("POST", f"{CLIENT}/join/{quote(new.room_id)}?via={quote(remote.name)}", {})
    moved(home, alice, room, new, alias)


def test_closed_after_one_came(home, remote):
    """Anybody can make a room that says to replace another one: until that one agrees nothing moves."""
    alice, room, alias = old_room(home, remote)
    new = successor(remote, room)
    alice.ok("POST", f"{CLIENT}/join/{quote(new.room_id)}?via={quote(remote.name)}", {})
    assert directory(alice, alias) == room.room_id
    close(home, remote, room, new)
    moved(home, alice, room, new, alias)


def test_closed_towards_a_stranger(home, remote):
    """A tombstone that names a room which knows nothing of it moves nothing either."""
    alice, room, alias = old_room(home, remote)
    stranger = remote.create_room("11")
    alice.ok("POST", f"{CLIENT}/join/{quote(stranger.room_id)}?via={quote(remote.name)}", {})
    for replacement in (stranger.room_id, 7, "\0", "!nobody:" + home.name):
        content = {"body": "moved", "replacement_room": replacement}
        tombstone = room.send("m.room.tombstone", content, remote.user("creator"), "", to=[home.name])
        until(lambda name=tombstone: home.sql(f"SELECT 1 FROM current_state_events WHERE event_id = '{name}'"))
    last = room.say("and on it goes", remote.user("creator"), to=[home.name])
    until(lambda: home.sql(f"SELECT 1 FROM events WHERE event_id = '{last}'"))
    assert directory(alice, alias) == room.room_id
