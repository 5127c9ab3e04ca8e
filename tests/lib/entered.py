"""A room of a deployment as a played server has it that knows all of it: read from the deployment's database, entered by a
join that is simply sent."""

import json

from lib.remote_room import RemoteRoom


def known(home, remote, room_id, version):
    """The room with every event that home holds in full."""
    room = RemoteRoom(remote, room_id, version)
    for (text,) in home.sql("SELECT j.json FROM events e JOIN event_json j USING (event_id) "
                            f"WHERE e.room_id = '{room_id}' AND NOT e.outlier ORDER BY e.stream_ordering"):
        room.add(json.loads(text))
    remote.rooms[room_id] = room
    return room


def entered(home, remote, room_id, version, user="joiner"):
    """The same, with a user of remote's joined: the room must be public."""
    room = known(home, remote, room_id, version)
    room.user = remote.user(user)
    room.send("m.room.member", {"membership": "join"}, room.user, room.user, to=[home.name])
    return room
