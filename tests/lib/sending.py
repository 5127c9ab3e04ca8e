"""Rooms that two servers share, for tests of what one sends to the other."""

from lib.server import quote


def shared_room(home, remote, user="joiner", **options):
    """One of ours and one of theirs in a room of ours: (our user, room id)."""
    alice = home.register()
    room = alice.create_room(preset="public_chat", room_version="10", **options)
    remote.join(home.name, room, user)
    return alice, room


def body_is(text, room=None):
    return lambda pdu: pdu["content"].get("body") == text and room in (None, pdu["room_id"])


def delivered(home, remote):
    """All that is owed to it is noted as delivered."""
    return home.sql("SELECT 1 FROM destinations d WHERE d.destination = '%s' AND NOT EXISTS (SELECT FROM destination_rooms r "
                    "WHERE r.destination = d.destination AND r.stream_ordering > COALESCE(d.last_successful_stream_ordering, 0))"
                    % remote.name)


def forgive(home, remote):
    """It is known to be up: it asked us something."""
    remote.call("GET", home.name, "/_matrix/federation/v1/event/" + quote("$nothing"))
