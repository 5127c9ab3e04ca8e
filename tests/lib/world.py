"""A server full of what a server may hold: rooms of every version and what happens in them, and data beside the rooms."""

from lib.server import User, quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
VERSIONS = [str(n) for n in range(1, 13)]
READ_VERSIONS = ("1", "11")  # in the rooms of these, alice and bob have receipts
NAMES = ("alice", "bob", "carol", "dave", "erin")


def relation(kind, event_id, **more):
    return {"m.relates_to": {"rel_type": kind, "event_id": event_id, **more}}


def text(body, **more):
    return {"msgtype": "m.text", "body": body, **more}


class World:
    """users by name, rooms by a name of ours; `txn` makes transaction ids that are ours alone. bases: every process that
    clients may ask, when there are several."""

    def __init__(self, server, bases=(None,)):
        self.server, self.bases, self._txn = server, bases, 0
        self.rooms, self.events, self.filters = {}, {}, {}  # ids by names of ours
        self.tokens, self.older = {}, {}                    # of bob: of /sync; prev_batch of rooms
        self.users = {name: server.register(name) for name in NAMES}

    def __getattr__(self, name):
        return self.users[name]

    def remember(self, name):
        """Tokens that whoever serves now has made, to be understood by whoever serves next."""
        answer = self.bob.sync()
        self.tokens[name] = answer["next_batch"]
        names = {room_id: room for room, room_id in self.rooms.items()}
        for room_id, room in answer["rooms"]["join"].items():
            self.older.setdefault(names[room_id], {})[name] = room["timeline"]["prev_batch"]

    def move_to(self, server):
        """The same users and tokens, asked of whoever serves now."""
        self.server = server
        self.users = {name: User(server, u.user_id, u.token, u.device_id) for name, u in self.users.items()}

    def put(self, user, room, kind, content, base=None):
        self._txn += 1
        path = f"{CLIENT}/rooms/{quote(self.rooms[room])}/send/{quote(kind)}/w{self._txn}"
        return user.ok("PUT", path, content, base=base)["event_id"]

    def say(self, user, room, body, base=None, **more):
        return self.put(user, room, "m.room.message", text(body, **more), base)

    def post(self, user, room, action, body=None, base=None):
        return user.ok("POST", f"{CLIENT}/rooms/{quote(self.rooms[room])}/{action}", body or {}, base=base)

    def redact(self, user, room, event_id, reason=None, base=None):
        """Once every process has the event: Synapse's load one when they hear of it, and one that is still loading when the
        redaction comes keeps what it was, a gap of theirs that hasty hands would find."""
        shown = f"{CLIENT}/rooms/{quote(self.rooms[room])}/event/{quote(event_id)}"
        for each in self.bases:
            until(lambda each=each: user.call("GET", shown, base=each).status == 200)
        self._txn += 1
        path = f"{CLIENT}/rooms/{quote(self.rooms[room])}/redact/{quote(event_id)}/w{self._txn}"
        return user.ok("PUT", path, {"reason": reason} if reason else {}, base=base)["event_id"]

    def state(self, user, room, kind, content, key="", base=None):
        path = f"{CLIENT}/rooms/{quote(self.rooms[room])}/state/{quote(kind)}/{quote(key)}"
        return user.ok("PUT", path, content, base=base)["event_id"]


def fill_room(w, version, base=None, by="version"):
    """Members of every kind, changes of state, relations and redactions, in one room."""
    room = f"{by} {version}"
    w.rooms[room] = w.alice.ok("POST", f"{CLIENT}/createRoom", {
        "room_version": version, "preset": "public_chat", "name": room, "topic": "first topic",
        "initial_state": [{"type": "m.room.history_visibility", "content": {"history_visibility": "shared"}}],
        "power_level_content_override": {"users_default": 0, "events": {"m.room.topic": 0}}}, base=base)["room_id"]
    first = w.say(w.alice, room, "before anybody came", base)
    w.post(w.bob, room, "join", base=base)
    w.post(w.carol, room, "join", base=base)
    root = w.say(w.bob, room, "a root", base)
    w.put(w.carol, room, "m.room.message", text("* edited", **{"m.new_content": text("edited")}, **relation("m.replace", root)), base)
    edited = w.say(w.carol, room, "to be editde", base)
    w.put(w.carol, room, "m.room.message", text("* to be edited", **{"m.new_content": text("to be edited")},
                                                 **relation("m.replace", edited)), base)
    like = w.put(w.alice, room, "m.reaction", relation("m.annotation", root, key="\U0001f44d"), base)
    w.put(w.bob, room, "m.room.message", text("in a thread", **relation("m.thread", root)), base)
    gone = w.say(w.bob, room, "will be gone", base)
    w.state(w.bob, room, "m.room.topic", {"topic": "second topic"}, base=base)
    sent = w.state(w.alice, room, "org.example.state", {"n": 1, "deep": {"list": [1, "two", None, True]}}, "key é", base)
    w.post(w.carol, room, "leave", {"reason": "tired"}, base)
    w.post(w.alice, room, "invite", {"user_id": w.dave.user_id, "reason": "come in"}, base)
    w.post(w.erin, room, "join", base=base)
    w.post(w.alice, room, "kick", {"user_id": w.erin.user_id, "reason": "out"}, base)
    w.redact(w.bob, room, gone, "spelling", base)
    w.redact(w.alice, room, like, base=base)
    w.redact(w.alice, room, sent, "state too", base)
    last = w.say(w.alice, room, "unicode \u2028 \U0001f600 \\ \" </script>", base)
    w.events[room] = {"first": first, "root": root, "gone": gone, "last": last, "edited": edited}


def fill_other_rooms(w, base=None):
    """What is not a matter of the room's version."""
    def make(room, user, **body):
        w.rooms[room] = user.ok("POST", f"{CLIENT}/createRoom", {"name": room, **body}, base=base)["room_id"]

    def came(user, room):
        """And has read that: what Synapse counts from a join on, it counts from the invite on once it has been summed up."""
        event = w.state(user, room, "m.room.member", {"membership": "join"}, user.user_id, base)
        w.post(user, room, f"receipt/m.read/{quote(event)}", base=base)

    make("members only", w.alice, preset="private_chat", invite=[w.bob.user_id],
         initial_state=[{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}])
    w.say(w.alice, "members only", "bob may not see this", base)
    came(w.bob, "members only")
    w.say(w.alice, "members only", "bob may see this", base)
    make("banned", w.alice, preset="public_chat")
    w.post(w.bob, "banned", "join", base=base)
    w.post(w.alice, "banned", "ban", {"user_id": w.bob.user_id}, base)
    w.say(w.alice, "banned", "without bob", base)
    make("forgotten", w.alice, preset="public_chat")
    w.post(w.bob, "forgotten", "join", base=base)
    w.post(w.bob, "forgotten", "leave", base=base)
    w.post(w.bob, "forgotten", "forget", base=base)
    make("again", w.alice, preset="public_chat")
    for action in ("join", "leave", "join"):
        w.say(w.alice, "again", f"before {action}", base)
        w.post(w.bob, "again", action, base=base)
    make("long", w.alice, preset="public_chat")
    w.post(w.bob, "long", "join", base=base)
    for i in range(25):
        w.say(w.alice if i % 3 else w.bob, "long", f"line {i}", base)
    make("direct", w.carol, preset="trusted_private_chat", is_direct=True, invite=[w.alice.user_id])
    came(w.alice, "direct")
    w.state(w.carol, "direct", "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"}, base=base)
    w.put(w.carol, "direct", "m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AA"}, base)
    make("space", w.alice, preset="public_chat", creation_content={"type": "m.space"})
    w.state(w.alice, "space", "m.space.child", {"via": ["localhost"]}, w.rooms["long"], base)


def fill_data(w, base=None):
    """Account data, tags, receipts, filters and profiles."""
    alice, bob = w.alice, w.bob
    me = f"{CLIENT}/user/{quote(bob.user_id)}"
    # Carol is in one room only: Synapse tells rooms of a new name later, one by one.
    w.carol.ok("PUT", f"{CLIENT}/profile/{quote(w.carol.user_id)}/displayname", {"displayname": "Carol \u2744"}, base=base)
    bob.ok("PUT", f"{me}/account_data/org.example.settings", {"theme": "dark", "n": [1, 2.5]}, base=base)
    bob.ok("PUT", f"{me}/account_data/m.ignored_user_list", {"ignored_users": {w.erin.user_id: {}}}, base=base)
    for version in READ_VERSIONS:
        room = w.rooms[f"version {version}"]
        events = w.events[f"version {version}"]
        bob.ok("PUT", f"{me}/rooms/{quote(room)}/account_data/org.example.room", {"mark": version}, base=base)
        bob.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(events['root'])}", {"thread_id": "main"}, base=base)
        alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(events['first'])}", {}, base=base)
        bob.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read.private/{quote(events['last'])}", {}, base=base)
    for name, content in (("lazy", {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 2}}}),
                          ("left", {"room": {"include_leave": True}}),
                          ("types", {"room": {"timeline": {"types": ["m.room.message"], "limit": 5}, "state": {"types": ["m.room.name"]},
                                              "account_data": {"not_types": ["m.tag"]}}, "account_data": {"types": ["org.*"]}})):
        w.filters[name] = bob.ok("POST", f"{me}/filter", content, base=base)["filter_id"]
