"""Two homeservers that one remote server asks the same: what each has, and what of their answers must be alike."""

from lib import pdu as pdus
from lib.server import quote

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
VERSIONS = {"one": "1", "twelve": "12"}  # of rooms; all others are of version 10
ROOMS = {  # what a room is made with
    "open": {}, "one": {}, "twelve": {}, "denied": {}, "banned": {},
    "private": {"preset": "private_chat"},
    "knock": {"initial_state": [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]},
    "hidden": {"initial_state": [{"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}]},
}
JOINED = ("open", "one", "twelve", "hidden", "denied", "banned")  # the remote's user comes to these


class Side:
    """A homeserver with alice's rooms; an event in each from before the remote came, and one from after."""

    def __init__(self, server, remote):
        self.server, self.remote, self.name, self.user = server, remote, server.name, remote.user("joiner")
        self.alice = server.register("alice")
        version = lambda label: VERSIONS.get(label, "10")
        self.rooms = {label: self.alice.create_room(**{"preset": "public_chat", "room_version": version(label), **options})
                      for label, options in ROOMS.items()}
        self.before = {label: self.alice.send(room, "before") for label, room in self.rooms.items()}
        self.kept = {label: remote.join(server.name, self.rooms[label], version=version(label)) for label in JOINED}
        self.after = {label: self.alice.send(room, "after") for label, room in self.rooms.items()}
        self.alice.put_state(self.rooms["denied"], "m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]})
        self.alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(self.rooms['banned'])}/ban", {"user_id": self.user})
        self.doors = {version: remote.create_room(version) for version in ("1", "10", "12")}  # of theirs, to which alice is invited

    def ask(self, method, path, body=None, **options):
        return self.remote.call(method, self.name, path, body, **options)

    def fill(self, path):
        """A path with {open} for a room, {after} for an event, {user}, {alice} ..."""
        named = {label: quote(room) for label, room in self.rooms.items()}
        return path.format(after=quote(self.after["open"]), other=quote(self.after["private"]), user=quote(self.user), server=quote(self.name),
                           alice=quote(self.alice.user_id), nobody=quote(f"@nobody:{self.name}"), new=quote(self.remote.user("new")), **named)

    def rebuild(self, event, version, **changes):
        """The event with other fields, hashed and signed anew; None takes a field away."""
        fields = {key: value for key, value in event.items() if key not in ("hashes", "signatures", "unsigned")}
        return pdus.build(version, self.remote.name, self.remote.key, **{**fields, **changes})


def named(event, version):
    """Its id, or some id where it is too broken to have one."""
    try:
        return pdus.event_id(event, version)
    except Exception:
        return "$broken"


def _shape(value, depth=0):
    if isinstance(value, dict):
        return {key: _shape(inner, depth + 1) for key, inner in sorted(value.items())} if depth < 1 else "{}"
    if isinstance(value, list):
        return [_shape(value[0], depth + 1), len(value)] if value else []
    return type(value).__name__


def summary(answer):
    """(status, errcode) of a refusal, (200, the names, types and lengths in it) of an answer."""
    body = answer.json
    if answer.status == 200:
        return 200, str(_shape(body))
    return answer.status, body.get("errcode") if isinstance(body, dict) else None


def alike(synapse, ganglion, ours=None):
    """Where Synapse fails, or refuses without a code, a refusal of ours must have one; a plain success may stand as well.
    ours: what we are known to say instead."""
    if ours is not None:
        return ganglion == ours
    if synapse[0] == 500:
        return ganglion[0] < 500
    if synapse[0] != 200 and not synapse[1]:
        return ganglion[0] in (400, 404) and bool(ganglion[1])
    return synapse == ganglion
