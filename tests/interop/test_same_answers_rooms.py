"""What clients may ask about rooms, rightly and wrongly: a real Synapse and Ganglion are asked the same, and say the same but
for what stands in OURS."""

import re

import pytest

from deployment.deployment import Deployment
from lib.asked import alike, summary
from lib.mixed import Mixed
from lib.own import Own
from lib.rooms import done
from lib.server import Server, User, quote, request

# Who is there is told as it comes: two answers may differ by that.
SETTINGS = {"allow_guest_access": True, "presence": {"enabled": False}}

# Who asks, how, what, and the body if there is one. {room}: alice made it, bob is in, carol invited, dave banned, erin gone,
# frank was never there; {text}, {root}, {gone}: events of it; {empty}: a room that all have left.
READS = """
alice GET v3/rooms/{room}/state
frank GET v3/rooms/{room}/state
erin GET v3/rooms/{room}/state/m.room.name
alice GET v3/rooms/{room}/state/m.room.name?format=event
alice GET v3/rooms/{room}/state/m.room.name?format=x
alice GET v3/rooms/{room}/state/m.room.nothing
alice GET v3/rooms/{room}/members
erin GET v3/rooms/{room}/members
alice GET v3/rooms/{room}/members?membership=
alice GET v3/rooms/{room}/members?membership=x
alice GET v3/rooms/{room}/members?not_membership=join
alice GET v3/rooms/{room}/members?at=x
erin GET v3/rooms/{room}/joined_members
bob GET v3/rooms/{room}/joined_members
bob GET v3/rooms/{room}/messages
carol GET v3/rooms/{room}/messages
dave GET v3/rooms/{room}/messages
erin GET v3/rooms/{room}/messages?dir=b
guest GET v3/rooms/{room}/messages?dir=b
alice GET v3/rooms/{room}/messages?dir=x
alice GET v3/rooms/{room}/messages?dir=b&limit=0
alice GET v3/rooms/{room}/messages?dir=b&limit=-1
alice GET v3/rooms/{room}/messages?dir=b&limit=x
alice GET v3/rooms/{room}/messages?dir=b&limit=1.5
alice GET v3/rooms/{room}/messages?dir=b&limit=99999999999999999999
alice GET v3/rooms/{room}/messages?dir=b&from=
alice GET v3/rooms/{room}/messages?dir=b&from=x
alice GET v3/rooms/{room}/messages?dir=b&from=t1-1
alice GET v3/rooms/{room}/messages?dir=b&from=s-1
alice GET v3/rooms/{room}/messages?dir=b&to=x
alice GET v3/rooms/{room}/messages?dir=b&filter=x
alice GET v3/rooms/{room}/messages?dir=b&filter=%5B%5D
alice GET v3/rooms/{room}/messages?dir=b&filter={{"types":["m.room.name"]}}
alice GET v3/rooms/{room}/messages?dir=b&filter={{"lazy_load_members":true,"types":["m.room.message"]}}
alice GET v3/rooms/{room}/messages?dir=f&filter={{"lazy_load_members":true,"types":["m.room.message"]}}
alice GET v3/rooms/!none:localhost/messages?dir=b
alice GET v3/rooms/none/messages?dir=b
alice GET v3/rooms/%20/messages?dir=b
alice GET v3/rooms/a%2Fb/messages?dir=b
alice GET v3/rooms/%C3%A9/messages?dir=b
alice GET v3/rooms/{room}/messages/
alice GET v3/rooms/{room}/event/{text}
erin GET v3/rooms/{room}/event/{text}
frank GET v3/rooms/{room}/event/{text}
alice GET v3/rooms/{room}/event/{gone}
alice GET v3/rooms/{room}/event/x
alice GET v3/rooms/{empty}/event/{text}
alice GET v3/rooms/{room}/context/{text}
alice GET v3/rooms/{room}/context/{text}?limit=0
alice GET v3/rooms/{room}/context/{text}?limit=-1
alice GET v3/rooms/{room}/context/{text}?limit=x
alice GET v3/rooms/{room}/context/{text}?filter={{"lazy_load_members":true}}
alice GET v3/rooms/{room}/context/$none
erin GET v3/rooms/{room}/context/{text}
alice GET v1/rooms/{room}/relations/{root}
alice GET v1/rooms/{room}/relations/{root}/m.thread?limit=1
erin GET v1/rooms/{room}/relations/{root}
frank GET v1/rooms/{room}/relations/{root}
alice GET v1/rooms/{room}/relations/$none
alice GET v1/rooms/{room}/relations/{root}?dir=x
alice GET v1/rooms/{room}/relations/{root}?limit=0
alice GET v1/rooms/{room}/relations/{root}?from=x
alice GET v1/rooms/{room}/relations/{root}?recurse=x
alice GET v1/rooms/{room}/threads
alice GET v1/rooms/{room}/threads?include=participated
alice GET v1/rooms/{room}/threads?include=x
alice GET v1/rooms/{room}/threads?from=x
alice GET v1/rooms/{room}/threads?from=
alice GET v1/rooms/{room}/timestamp_to_event?ts=1&dir=f
alice GET v1/rooms/{room}/timestamp_to_event?ts=1&dir=b
alice GET v1/rooms/{room}/timestamp_to_event?ts=99999999999999999999&dir=b
alice GET v1/rooms/{room}/timestamp_to_event?ts=x
alice GET v1/rooms/{room}/timestamp_to_event
frank GET v1/rooms/{room}/timestamp_to_event?ts=1
alice GET v1/rooms/{room}/hierarchy
frank GET v1/rooms/{room}/hierarchy
alice GET v1/rooms/{room}/hierarchy?limit=-1
alice GET v1/rooms/{room}/hierarchy?from=x
nobody GET v1/room_summary/{room}
frank GET v1/room_summary/!none:localhost
frank GET v1/room_summary/x
alice GET v3/rooms/{room}/initialSync
alice GET v3/rooms/{room}/aliases
frank GET v3/rooms/{room}/aliases
alice GET v3/joined_rooms
nobody GET v3/joined_rooms
nobody GET v3/publicRooms
alice GET v3/publicRooms?limit=-1
alice GET v3/publicRooms?limit=x
alice POST v3/publicRooms {{"limit":"x"}}
alice POST v3/publicRooms {{"filter":{{"room_types":"x"}}}}
alice POST v3/publicRooms {{"filter":{{"generic_search_term":"nothing has this"}}}}
alice POST v3/publicRooms
alice GET v3/directory/room/%23none:localhost
alice GET v3/directory/room/x
nobody GET v3/directory/list/room/{room}
nobody GET v3/directory/list/room/!none:localhost
alice GET v3/notifications?limit=-1
alice GET v3/notifications?from=x
alice POST v3/search {{}}
alice POST v3/search {{"search_categories":{{"room_events":{{"search_term":"hello"}}}}}}
alice POST v3/search {{"search_categories":{{"room_events":{{}}}}}}
alice POST v3/search {{"search_categories":{{"room_events":{{"search_term":"hello","order_by":"x"}}}}}}
alice POST v3/search?next_batch=x {{"search_categories":{{"room_events":{{"search_term":"hello"}}}}}}
alice PATCH v3/rooms/{room}/state
alice DELETE v3/rooms/{room}/messages
"""
SYNCS = """
alice GET v3/sync
bob GET v3/sync
carol GET v3/sync
erin GET v3/sync
frank GET v3/sync
guest GET v3/sync
nobody GET v3/sync
alice GET v3/sync?since=x
alice GET v3/sync?since=s
alice GET v3/sync?timeout=x
alice GET v3/sync?timeout=-1
alice GET v3/sync?full_state=x
alice GET v3/sync?set_presence=x
alice GET v3/sync?filter=0
alice GET v3/sync?filter=99
alice GET v3/sync?filter=x
alice GET v3/sync?filter={{
alice GET v3/sync?filter={{"room":{{"timeline":{{"limit":0}}}}}}
alice GET v3/sync?filter={{"room":{{"timeline":{{"limit":3}},"state":{{"lazy_load_members":true}}}}}}
alice GET v3/sync?filter={{"room":{{"rooms":[]}}}}
erin GET v3/sync?filter={{"room":{{"include_leave":true}}}}
alice POST v3/sync {{}}
alice POST v3/user/{alice}/filter {{"room":{{"timeline":{{"limit":5,"related_by_senders":["{bob}"]}}}}}}
alice POST v3/user/{bob}/filter {{}}
bob GET v3/user/{alice}/filter/0
alice GET v3/events?timeout=0&from=x
alice GET v3/events/{text}
frank GET v3/events/{text}
alice GET v3/initialSync?limit=x
alice POST SLIDING {{"lists":{{"l":{{"ranges":[[0,9]],"required_state":[["m.room.name",""]],"timeline_limit":2}}}}}}
carol POST SLIDING {{"lists":{{"l":{{"ranges":[[0,9]],"required_state":[["m.room.member","$LAZY"]],"timeline_limit":2}}}}}}
alice POST SLIDING {{"room_subscriptions":{{"{room}":{{"required_state":[["*","*"]],"timeline_limit":3}}}}}}
frank POST SLIDING {{"room_subscriptions":{{"{room}":{{"required_state":[["*","*"]],"timeline_limit":3}}}}}}
alice POST SLIDING {{"lists":{{"l":{{"ranges":[[5,2]],"required_state":[],"timeline_limit":2}}}}}}
alice POST SLIDING {{"lists":{{"l":{{"ranges":[],"required_state":[],"timeline_limit":"x"}}}}}}
alice POST SLIDING {{"lists":[]}}
alice POST SLIDING?pos=x {{}}
alice POST SLIDING?pos=99999/s1_0_0 {{}}
alice POST SLIDING?timeout=-1 {{}}
"""
WRITES = """
nobody POST v3/createRoom {{}}
guest POST v3/createRoom {{}}
alice POST v3/createRoom []
alice POST v3/createRoom
alice POST v3/createRoom {{"preset":"x"}}
alice POST v3/createRoom {{"room_version":"x"}}
alice POST v3/createRoom {{"room_version":9}}
alice POST v3/createRoom {{"invite":["x"]}}
alice POST v3/createRoom {{"invite":["{alice}"]}}
alice POST v3/createRoom {{"name":5}}
alice POST v3/createRoom {{"creation_content":5}}
alice POST v3/createRoom {{"initial_state":[{{}}]}}
alice POST v3/createRoom {{"room_alias_name":"a:b"}}
alice POST v3/createRoom {{"power_level_content_override":{{"users":{{}}}}}}
alice PUT v3/rooms/{room}/send/m.room.message/w1 {{"msgtype":"m.text","body":"x"}}
alice PUT v3/rooms/{room}/send/m.room.message/w2 {{"body":"x"}}
alice PUT v3/rooms/{room}/send/m.room.message/w3 {{"msgtype":"m.text","body":"x","m.mentions":null}}
alice PUT v3/rooms/{room}/send/x.y/w4 {{"x":1.5}}
alice PUT v3/rooms/{room}/send/x.y/w5 {{"x":9007199254740992}}
alice PUT v3/rooms/{room}/send/x.y/w6 DEEP126
alice PUT v3/rooms/{room}/send/x.y/w7 DEEP127
alice PUT v3/rooms/{room}/send/x.y/w8 []
alice PUT v3/rooms/{room}/send/x.y/w9
alice PUT v3/rooms/{room}/send/m.room.create/w10 {{}}
alice PUT v3/rooms/{room}/send/m.reaction/w11 {{"m.relates_to":{{"rel_type":"m.annotation","event_id":"$none","key":"+"}}}}
bob PUT v3/rooms/{room}/send/m.reaction/w12 {{"m.relates_to":{{"rel_type":"m.annotation","event_id":"{text}","key":"+"}}}}
bob PUT v3/rooms/{room}/send/m.reaction/w13 {{"m.relates_to":{{"rel_type":"m.annotation","event_id":"{text}","key":"+"}}}}
carol PUT v3/rooms/{room}/send/x.y/w14 {{}}
dave PUT v3/rooms/{room}/send/x.y/w15 {{}}
erin PUT v3/rooms/{room}/send/x.y/w16 {{}}
frank PUT v3/rooms/!none:localhost/send/x.y/w17 {{}}
bob PUT v3/rooms/{room}/state/m.room.name/ {{"name":"x"}}
alice PUT v3/rooms/{room}/state/m.room.power_levels/ {{"users":{{"{bob}":"x"}}}}
alice PUT v3/rooms/{room}/state/m.room.server_acl/ {{"deny":["*"]}}
alice PUT v3/rooms/{room}/state/m.room.canonical_alias/ {{"alias":"#none:localhost"}}
alice PUT v3/rooms/{room}/state/m.room.join_rules/ {{"join_rule":"x"}}
alice PUT v3/rooms/{room}/state/m.room.member/{bob} {{"membership":"x"}}
alice PUT v3/rooms/{room}/state/m.room.member/x {{"membership":"leave"}}
bob PUT v3/rooms/{room}/state/x.y/{alice} {{}}
bob PUT v3/rooms/{room}/redact/{text}/r1 {{}}
alice PUT v3/rooms/{room}/redact/$none/r2 {{}}
alice PUT v3/rooms/{room}/redact/{text}/r3 {{"reason":5}}
guest PUT v3/rooms/{room}/redact/{text}/r4 {{}}
alice POST v3/rooms/{room}/invite {{}}
alice POST v3/rooms/{room}/invite {{"user_id":"x"}}
alice POST v3/rooms/{room}/invite {{"user_id":"{dave}"}}
alice POST v3/rooms/{room}/invite {{"user_id":"{bob}"}}
frank POST v3/rooms/{room}/invite {{"user_id":"{erin}"}}
alice POST v3/rooms/{room}/kick {{"user_id":"{frank}"}}
bob POST v3/rooms/{room}/kick {{"user_id":"{alice}"}}
alice POST v3/rooms/{room}/unban {{"user_id":"{bob}"}}
bob POST v3/rooms/{room}/ban {{"user_id":"{alice}"}}
dave POST v3/rooms/{room}/join {{}}
dave POST v3/rooms/{room}/leave {{}}
erin POST v3/rooms/{room}/leave {{}}
frank POST v3/rooms/{room}/leave {{}}
bob POST v3/rooms/{room}/forget {{}}
frank POST v3/rooms/{room}/forget {{}}
alice POST v3/rooms/{empty}/leave {{}}
bob POST v3/rooms/{empty}/join {{}}
bob POST v3/rooms/{empty}/leave {{}}
frank POST v3/join/x {{}}
frank POST v3/join/%23none:localhost {{}}
frank POST v3/join/!none:localhost {{}}
frank POST v3/knock/{room} {{}}
frank POST v3/knock/!none:localhost {{}}
bob POST v3/rooms/{room}/upgrade {{"new_version":"11"}}
alice POST v3/rooms/{room}/upgrade {{"new_version":"x"}}
alice POST v3/rooms/{room}/upgrade {{}}
bob PUT v3/rooms/{room}/typing/{bob} {{"typing":true,"timeout":10}}
bob PUT v3/rooms/{room}/typing/{bob} {{}}
bob PUT v3/rooms/{room}/typing/{alice} {{"typing":true}}
erin PUT v3/rooms/{room}/typing/{erin} {{"typing":true}}
bob POST v3/rooms/{room}/receipt/m.read/{text} {{}}
bob POST v3/rooms/{room}/receipt/m.read/x {{}}
bob POST v3/rooms/{room}/receipt/m.x/{text} {{}}
bob POST v3/rooms/{room}/receipt/m.read/{text} {{"thread_id":5}}
bob POST v3/rooms/{room}/receipt/m.fully_read/{text} {{"thread_id":"main"}}
erin POST v3/rooms/{room}/receipt/m.read/{text} {{}}
bob POST v3/rooms/{room}/receipt/m.fully_read/$none {{}}
bob POST v3/rooms/{room}/read_markers {{"m.fully_read":"$none"}}
bob POST v3/rooms/{room}/read_markers {{"m.fully_read":"{text}","m.read":"{text}"}}
bob PUT v3/user/{bob}/rooms/{room}/tags/m.favourite {{"order":0.5}}
bob PUT v3/user/{bob}/rooms/{room}/tags/TAG256 {{}}
bob PUT v3/user/{bob}/rooms/!none:localhost/tags/x {{}}
bob PUT v3/user/{alice}/rooms/{room}/tags/x {{}}
bob GET v3/user/{bob}/rooms/{room}/tags
bob PUT v3/user/{bob}/account_data/x.y {{"a":1.5}}
bob GET v3/user/{bob}/account_data/x.y
bob GET v3/user/{bob}/account_data/x.none
bob GET v3/user/{bob}/account_data/m.push_rules
bob PUT v3/user/{bob}/account_data/m.push_rules {{}}
bob PUT v3/user/{bob}/account_data/x.y []
bob GET v3/user/{alice}/account_data/x.y
bob GET v3/user/{bob}/rooms/x/account_data/x.y
bob PUT v3/user/{bob}/rooms/x/account_data/x.y {{}}
bob PUT v3/user/{bob}/rooms/{room}/account_data/m.fully_read {{}}
frank PUT v3/user/{frank}/account_data/m.invite_permission_config {{"default_action":"block"}}
alice POST v3/rooms/{room}/invite {{"user_id":"{frank}"}}
alice POST v3/createRoom {{"invite":["{frank}"]}}
alice PUT v3/directory/list/room/{room} {{"visibility":"x"}}
alice PUT v3/directory/list/room/{room}
bob PUT v3/directory/list/room/{room} {{"visibility":"public"}}
alice PUT v3/directory/room/%23one:localhost {{"room_id":"{room}"}}
alice PUT v3/directory/room/%23one:localhost {{"room_id":"{room}"}}
alice PUT v3/directory/room/%23two:localhost {{"room_id":"{room}","servers":"x"}}
alice PUT v3/directory/room/%23two:elsewhere {{"room_id":"{room}"}}
alice PUT v3/directory/room/%23two:localhost {{}}
frank DELETE v3/directory/room/%23one:localhost
alice DELETE v3/directory/room/%23one:localhost
alice DELETE v3/directory/room/%23one:localhost
bob POST v3/rooms/{room}/report/{text} {{"reason":5}}
bob POST v3/rooms/{room}/report/$none {{}}
frank POST v3/rooms/{room}/report/{text} {{}}
"""
# What we say instead: to what has the wrong form, and where Synapse refuses with M_UNKNOWN.
OURS = {
    'alice GET v3/rooms/{room}/messages?dir=b&filter=%5B%5D': (400, "M_BAD_JSON"),
    'alice POST v3/publicRooms {{"filter":{{"room_types":"x"}}}}': (400, "M_INVALID_PARAM"),
    'alice POST v3/createRoom {{"initial_state":[{{}}]}}': (400, "M_BAD_JSON"),
}


class Side:
    """A homeserver with one room of which everybody has another view."""

    def __init__(self, server):
        self.server = server
        self.users = {name: server.register(name) for name in ("alice", "bob", "carol", "dave", "erin", "frank")}
        made = request("POST", server.base_url + "/_matrix/client/v3/register?kind=guest", {}).json
        self.users["guest"] = User(server, made["user_id"], made["access_token"], "guest_device")
        alice, bob = self.users["alice"], self.users["bob"]
        room, empty = (alice.create_room(preset="public_chat", name="Name", room_version="11") for _ in range(2))
        for name in ("bob", "dave", "erin"):
            self.users[name].join(room)
        alice.invite(room, self.users["carol"])
        done(alice, room, "ban", self.users["dave"])
        self.users["erin"].leave(room)
        alice.leave(empty)
        text, root, gone = bob.send(room, "hello"), alice.send(room, "a thread begins"), bob.send(room, "this goes")
        bob.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/answer", {
            "msgtype": "m.text", "body": "an answer", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        alice.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/redact/{quote(gone)}/redaction", {})
        self.names = {"room": room, "empty": empty, "text": text, "root": root, "gone": gone}
        self.names.update((name, user.user_id) for name, user in self.users.items())

    def ask(self, line):
        who, method, path, *body = line.split(" ", 3)
        path, _, query = path.replace("SLIDING", "unstable/org.matrix.simplified_msc3575/sync").replace("TAG256", "t" * 256).partition("?")
        path = path.format(**{name: quote(value) for name, value in self.names.items()})
        query = "?" + re.sub(r'[{}"\[\], ]', lambda c: quote(c.group()), query.format(**self.names)) if query else ""
        headers = {} if who == "nobody" else {"Authorization": f"Bearer {self.users[who].token}"}
        raw = None if method == "GET" else self.body(*body)
        return request(method, f"{self.server.base_url}/_matrix/client/{path}{query}", headers=headers, raw=raw)

    def body(self, text=""):
        deep = re.fullmatch(r"DEEP(\d+)", text)
        if deep:
            return b'{"a":' * int(deep[1]) + b"1" + b"}" * int(deep[1])
        return text.format(**self.names).encode()


@pytest.fixture(scope="module")
def sides(build, folder, postgres):
    own = Own(build, folder, postgres)
    made = [own.make(name, kind, monolith=True, extra_config=SETTINGS, **options)
            for kind, name, options in ((Mixed, "same_synapse", {"python": {"main"}}), (Deployment, "same_ganglion", {}))]
    try:
        yield [Side(Server(deployment.start())) for deployment in made]
    finally:
        for deployment in made:
            deployment.stop()


@pytest.mark.parametrize("lines", [READS, SYNCS, WRITES], ids=["reads", "syncs", "writes"])
def test_the_same_answers(sides, lines):
    found = []
    for line in lines.strip().splitlines():
        synapse, ganglion = [summary(side.ask(line)) for side in sides]
        if not alike(synapse, ganglion, OURS.get(line)):
            found.append((line, synapse, ganglion))
    assert not found, "\n".join(map(str, found))
