"""What another server may ask, rightly and wrongly: a real Synapse and Ganglion are asked the same by one remote server, and
say the same but for what stands in OURS."""

import copy
import itertools
import time

import pytest

from deployment.deployment import Deployment
from lib import pdu as pdus
from lib.asked import V1, V2, Side, alike, named, summary
from lib.mixed import Mixed
from lib.own import Own
from lib.remote import Remote
from lib.server import Server, quote
from lib.wait import until

PLENTY = {"per_second": 10000, "burst_count": 10000}
SETTINGS = {"rc_joins": {"local": PLENTY, "remote": PLENTY}, "rc_joins_per_room": PLENTY, "rc_message": PLENTY, "rc_room_creation": PLENTY,
            "rc_federation": {"sleep_limit": 10000, "reject_limit": 10000}, "rc_invites": {"per_room": PLENTY, "per_user": PLENTY, "per_issuer": PLENTY},
            "allow_public_rooms_over_federation": True}
_number = itertools.count(1)

# ---- what is asked: a name, and a function of a side that gives the answer ----

PATHS = """
GET v1/event/
GET v1/event/x
GET v1/event/%24x
GET v1/state/{open}?event_id=
GET v1/state/{open}?event_id={other}
GET v1/state/!x:nowhere?event_id={after}
GET v1/state/x?event_id={after}
GET v1/state_ids/{open}
GET v1/state_ids/{open}?event_id=%24x
GET v1/backfill/{open}
GET v1/backfill/{open}?v={after}
GET v1/backfill/{open}?limit=5
GET v1/backfill/{open}?v={after}&limit=0
GET v1/backfill/{open}?v={after}&limit=-1
GET v1/backfill/{open}?v={after}&limit=1000000000
GET v1/backfill/{open}?v={after}&limit=x
GET v1/backfill/{open}?v={after}&limit=1.5
GET v1/backfill/{open}?v=x&limit=5
GET v1/backfill/{open}?v={other}&limit=5
GET v1/backfill/{open}?v={after}&v=%24x&limit=5
GET v1/backfill/!x:y?v={after}&limit=5
GET v1/timestamp_to_event/{open}
GET v1/timestamp_to_event/{open}?ts=1
GET v1/timestamp_to_event/{open}?ts=x&dir=f
GET v1/timestamp_to_event/{open}?ts=-1&dir=f
GET v1/timestamp_to_event/{open}?ts=1&dir=x
GET v1/timestamp_to_event/{open}?ts=1&dir=f
GET v1/timestamp_to_event/{open}?ts=1&dir=b
GET v1/query/profile
GET v1/query/profile?user_id=x
GET v1/query/profile?user_id={alice}
GET v1/query/profile?user_id={alice}&field=displayname
GET v1/query/profile?user_id={alice}&field=nonsense
GET v1/query/profile?user_id={user}
GET v1/query/profile?user_id={nobody}
GET v1/query/directory
GET v1/query/directory?room_alias=x
GET v1/query/directory?room_alias=%23x:{server}
GET v1/query/directory?room_alias=%23x:elsewhere
GET v1/query/nonsense
GET v1/make_join/{open}/{new}
GET v1/make_join/{open}/{new}?ver=9
GET v1/make_join/{open}/{new}?ver=x&ver=10
GET v1/make_join/{one}/{new}
GET v1/make_join/{one}/{new}?ver=2
GET v1/make_join/{open}/%40x:elsewhere?ver=10
GET v1/make_join/{open}/{alice}?ver=10
GET v1/make_join/!x:y/{new}?ver=10
GET v1/make_leave/{open}/{alice}
GET v1/make_leave/!x:y/{user}
GET v1/make_leave/{open}/{user}
GET v1/make_leave/{open}/{new}
GET v1/make_knock/{knock}/{new}
GET v1/make_knock/{knock}/{new}?ver=6
GET v1/make_knock/{knock}/{new}?ver=10
GET v1/make_knock/{one}/{new}?ver=1
GET v1/make_knock/!x:y/{new}?ver=10
GET v1/event_auth/{open}/x
GET v1/event_auth/{open}/{other}
GET v1/event_auth/!x:y/{after}
GET v1/user/devices/x
GET v1/user/devices/{alice}
GET v1/user/devices/{nobody}
GET v1/user/devices/{user}
GET v1/openid/userinfo
GET v1/openid/userinfo?access_token=x
GET v1/publicRooms
GET v1/publicRooms?limit=-1
GET v1/publicRooms?limit=x
GET v1/publicRooms?include_all_networks=x
GET v1/hierarchy/{open}?suggested_only=x
GET v1/media/download/x
GET v1/media/thumbnail/abcdefghijklmnopqrstuvwx?width=x&height=1
GET v1/media/thumbnail/abcdefghijklmnopqrstuvwx?width=32&height=32&method=crop
GET v1/nonsense
GET v1/send/1
POST v1/event/{after}
PUT v1/state/{open}
GET v2/send_join/{open}/x
GET unstable/rooms/!x:y/complexity
"""


def paths():
    for line in PATHS.strip().splitlines():
        method, path = line.split(" ")
        yield line, lambda s, method=method, path=path: s.ask(method, s.fill(f"/_matrix/federation/{path}"), None if method == "GET" else {})


def rooms():
    """Of each room: an event, the state, history, who may come. The ends of events that it may not see are the same, redacted."""
    for label in ("open", "private", "denied", "banned", "hidden", "twelve"):
        room = "{" + label + "}"
        for when in ("before", "after") if label == "hidden" else ("after",):
            for name, path in (("event", "event/EVENT"), ("state", f"state/{room}?event_id=EVENT"), ("state_ids", f"state_ids/{room}?event_id=EVENT"),
                               ("backfill", f"backfill/{room}?v=EVENT&limit=5"), ("event_auth", f"event_auth/{room}/EVENT")):
                yield f"{name} of {label}, {when}", lambda s, path=path, when=when, label=label: s.ask(
                    "GET", s.fill(f"{V1}/{path}").replace("EVENT", quote(getattr(s, when)[label])))
        for path in ("hierarchy/ROOM", "timestamp_to_event/ROOM?ts=99999999999999&dir=b", "make_join/ROOM/{new}?ver=10&ver=12", "make_leave/ROOM/{user}",
                     "make_knock/ROOM/{new}?ver=10&ver=12"):
            yield f"{path} of {label}", lambda s, path=path.replace("ROOM", room): s.ask("GET", s.fill(f"{V1}/{path}"))


def bodies():
    def post(path, body, **options):
        return lambda s: s.ask("POST", s.fill(f"{V1}/{path}"), body(s) if callable(body) else body, **options)

    for body in ([], "x", None, {}, {"latest_events": 1}, {"latest_events": [1]}, {"latest_events": ["$x"], "earliest_events": ["$y"]}):
        yield f"missing events {body}", post("get_missing_events/{open}", body)
    between = lambda s: {"latest_events": [s.after["open"]], "earliest_events": [s.before["open"]]}
    for more in ({}, {"limit": 0}, {"limit": -1}, {"limit": 10**9}, {"limit": "x"}, {"limit": None}, {"min_depth": -5}, {"min_depth": 0}):
        yield f"missing events {more}", post("get_missing_events/{open}", lambda s, more=more: {**between(s), **more})
    yield "missing events of another room", post("get_missing_events/{open}", lambda s: {"latest_events": [s.after["private"]], "earliest_events": []})
    yield "missing events of no room", post("get_missing_events/!x:y", between)
    for path, key in (("user/keys/query", "device_keys"), ("user/keys/claim", "one_time_keys")):
        for body in ([], "x", None, {}, {key: {}}, {key: []}, {key: {"x": []}}, {key: {"@x:y": []}}):
            yield f"{path} {body}", post(path, body)
        for who, wish in itertools.product(("alice", "nobody"), ([], ["D"]) if key == "device_keys" else ({}, {"D": "signed_curve25519"}, {"D": 1}, [])):
            yield f"{path} {who} {wish}", post(path, lambda s, key=key, who=who, wish=wish: {key: {f"@{who}:{s.name}": wish}})
    for body in ([], {}, {"limit": 0}, {"limit": "x"}, {"filter": "x"}, {"filter": {"generic_search_term": "x"}}, {"since": 1}, {"third_party_instance_id": 1}):
        yield f"publicRooms {body}", post("publicRooms", body)
    for body in ([], {}, {"invites": []}, {"invites": [1]}, {"invites": [{"signed": {}}]}):
        yield f"onbind {body}", post("3pid/onbind", body, signed=False)


def keys():
    for path in ("server", "server/ed25519:nothing", "query/localhost:1", "query/REMOTE", "query/REMOTE/ed25519:nothing", "query/REMOTE?minimum_valid_until_ts=99999999999999"):
        def ask(s, path=path):
            answer = s.ask("GET", "/_matrix/key/v2/" + path.replace("REMOTE", quote(s.remote.name)), signed=False)
            for field in ("verify_keys", "signatures"):  # these are named after the server
                if isinstance((answer.json or {}).get(field), dict):
                    answer.json[field] = list(answer.json[field].values())
            return answer
        yield f"key {path}", ask
    for body in ([], {}, {"server_keys": []}, {"server_keys": {"x": []}}, {"server_keys": {"localhost:1": {}}}, {"server_keys": {"": {}}}):
        yield f"key query {body}", lambda s, body=body: s.ask("POST", "/_matrix/key/v2/query", body, signed=False)


HEADERS = {  # what becomes of a good Authorization header
    "as it is": lambda s, h: h, "of another scheme": lambda s, h: "Bearer x", "without a field": lambda s, h: "X-Matrix ", "without a key": lambda s, h: h.replace(",key=", ",x="),
    "without an origin": lambda s, h: h.replace("origin=", "x="), "without a signature": lambda s, h: h.replace(",sig=", ",x="),
    "without a destination": lambda s, h: h.replace(",destination=", ",x="), "for another": lambda s, h: h.replace(f'destination="{s.name}"', 'destination="elsewhere"'),
    "with another signature": lambda s, h: h.replace('sig="', 'sig="AAAA'), "with a short one": lambda s, h: h[:h.index("sig=")] + 'sig="AAAA"',
    "with one that is no base64": lambda s, h: h[:h.index("sig=")] + 'sig="!!!"', "with another key": lambda s, h: h.replace(s.remote.key_id, "ed25519:nothing"),
    "with a key of another kind": lambda s, h: h.replace("ed25519:", "rsa:"), "of nobody": lambda s, h: h.replace(s.remote.name, "localhost:1"),
    "of no server name": lambda s, h: h.replace(s.remote.name, "a b"), "of theirs": lambda s, h: h.replace(f'origin="{s.remote.name}"', f'origin="{s.name}"'),
    "unquoted": lambda s, h: h.replace('"', ""), "with spaces": lambda s, h: h.replace(",", " , "), "with more fields": lambda s, h: h + ',x="y"',
    "with capitals": lambda s, h: h.replace("origin=", "Origin=").replace("sig=", "SIG=")}


def headers():
    yield "no header", lambda s: s.ask("GET", s.fill(f"{V1}/event/{{after}}"), signed=False)
    for name, change in HEADERS.items():
        def ask(s, change=change):
            path = s.fill(f"{V1}/event/{{after}}")
            return s.ask("GET", path, headers={"Authorization": change(s, s.remote.authorization("GET", path, s.name))})
        yield f"a header {name}", ask
    for name, raw in (("that was not signed", b'{"pdus": []}'), ("that is no JSON", b'{"pdus": '), ("that is no text", b'{"pdus": "\xff"}')):
        def ask(s, raw=raw):
            path = f"{V1}/send/raw{next(_number)}"
            return s.ask("PUT", path, headers={"Authorization": s.remote.authorization("PUT", path, s.name, {"pdus": []})}, raw=raw)
        yield f"a body {name}", ask


def transactions():
    def send(change):
        def ask(s):
            body = {"origin": s.remote.name, "origin_server_ts": int(time.time() * 1000), "pdus": [], "edus": []}
            return s.ask("PUT", f"{V1}/send/body{next(_number)}", change(body))
        return ask

    yield "a transaction of nothing", send(lambda body: body)
    yield "a transaction that is a list", send(lambda body: [])
    for change in ({"origin": "elsewhere"}, {"pdus": "x"}, {"pdus": None}, {"edus": "x"}, {"pdus": [{}]}, {"pdus": [{}] * 51}, {"edus": [{"edu_type": "x", "content": {}}] * 101},
                   {"pdus": [{"room_id": "!x:y"}]}, {"edus": [{"edu_type": "m.typing"}]}, {"edus": [{"edu_type": "x.y", "content": {}}]}):
        yield f"a transaction with {str(change)[:60]}", send(lambda body, change=change: {**body, **change})
    for key in ("origin", "origin_server_ts", "pdus", "edus"):
        yield f"a transaction without {key}", send(lambda body, key=key: {name: value for name, value in body.items() if name != key})


def _membership(path, membership, change, label="open", who="mover"):
    def ask(s):
        room, user = s.kept.get(label) or s.kept["open"], s.remote.user(who)
        event = room.event("m.room.member", {"membership": membership}, user, user)
        event = s.rebuild(event, room.version, room_id=s.rooms[label])
        event = change(s, event, lambda **changes: s.rebuild(event, room.version, **changes))
        return s.ask("PUT", path.format(room=quote(s.rooms[label]), event=quote(named(event, room.version))), event)
    return ask


MEMBERSHIPS = {  # what becomes of a good event that a user is the subject of
    "that is a list": lambda s, e, b: [], "that is empty": lambda s, e, b: {}, "of another kind": lambda s, e, b: b(type="m.room.topic"),
    "that bans": lambda s, e, b: b(content={"membership": "ban"}), "without membership": lambda s, e, b: b(content={}), "with membership 1": lambda s, e, b: b(content={"membership": 1}),
    "without a state key": lambda s, e, b: b(state_key=None), "of another user": lambda s, e, b: b(state_key=s.remote.user("other")),
    "of another server": lambda s, e, b: b(sender="@x:elsewhere", state_key="@x:elsewhere"), "of theirs": lambda s, e, b: b(sender=s.alice.user_id, state_key=s.alice.user_id),
    "of another room": lambda s, e, b: b(room_id="!x:y"), "without signatures": lambda s, e, b: {**e, "signatures": {}},
    "with a bad signature": lambda s, e, b: {**e, "signatures": {s.remote.name: {s.remote.key_id: "AAAA"}}}, "with a bad hash": lambda s, e, b: {**e, "hashes": {"sha256": "AAAA"}},
    "after nothing": lambda s, e, b: b(prev_events=[]), "that cites nothing": lambda s, e, b: b(auth_events=[]), "with depth x": lambda s, e, b: {**e, "depth": "x"}}


def memberships():
    for what, membership in ((f"{V2}/send_join", "join"), (f"{V2}/send_leave", "leave"), (f"{V1}/send_knock", "knock")):
        path = what + "/{room}/{event}"
        for name, change in MEMBERSHIPS.items():
            yield f"{what}: {membership} {name}", _membership(path, membership, change)
        for label in ("private", "denied", "knock"):
            yield f"{what} of room {label}", _membership(path, membership, lambda s, e, b: e, label)
        yield f"{what} of who is banned", _membership(path, membership, lambda s, e, b: e, "banned", "joiner")
    for version in (V1, V2):
        for what, membership in (("send_join", "join"), ("send_leave", "leave")):
            yield f"{version}/{what}", _membership(f"{version}/{what}/{{room}}/{{event}}", membership, lambda s, e, b: e, who=f"of {version[-2:]}".replace(" ", "_"))


INVITES = {  # what becomes of a good invite
    "as it is": lambda s, i, b: i, "that is a list": lambda s, i, b: [], "without what the room looks like": lambda s, i, b: {**i, "invite_room_state": []},
    "with x for that": lambda s, i, b: {**i, "invite_room_state": "x"}, "of version x": lambda s, i, b: {**i, "room_version": "x"}, "of version 9": lambda s, i, b: {**i, "room_version": "9"},
    "without an event": lambda s, i, b: {"room_version": "10"}, "of another server's user": lambda s, i, b: {**i, "event": b(state_key="@x:elsewhere")},
    "of nobody": lambda s, i, b: {**i, "event": b(state_key=f"@nobody:{s.name}")}, "of x": lambda s, i, b: {**i, "event": b(state_key="x")},
    "by another server": lambda s, i, b: {**i, "event": b(sender="@x:elsewhere")}, "that joins": lambda s, i, b: {**i, "event": b(content={"membership": "join"})},
    "that is a topic": lambda s, i, b: {**i, "event": b(type="m.room.topic")}, "to another room": lambda s, i, b: {**i, "event": b(room_id="!x:y")},
    "with a bad hash": lambda s, i, b: {**i, "event": {**i["event"], "hashes": {"sha256": "AAAA"}}},
    "with a bad signature": lambda s, i, b: {**i, "event": {**i["event"], "signatures": {s.remote.name: {s.remote.key_id: "AAAA"}}}}}


def invites():
    def invite(version, change, path=V2 + "/invite/{room}/{event}", bare=False):
        def ask(s):
            room = s.doors[version]
            event = room.event("m.room.member", {"membership": "invite"}, s.remote.user("creator"), s.alice.user_id)
            shown = [{key: room.state_event(kind)[key] for key in ("type", "state_key", "sender", "content")} for kind in ("m.room.create", "m.room.join_rules")]
            body = event if bare else {"room_version": version, "event": event, "invite_room_state": shown}
            body = change(s, body, lambda **changes: s.rebuild(event, version, **changes))
            inner = body if bare else body.get("event", {}) if isinstance(body, dict) else {}
            return s.ask("PUT", path.format(room=quote(room.room_id), event=quote(named(inner, version))), body)
        return ask

    for name, change in INVITES.items():
        yield f"an invite {name}", invite("10", change)
    for version in ("1", "12"):
        yield f"an invite to a room of version {version}", invite(version, lambda s, i, b: i)
    for version in ("1", "10"):
        yield f"an old invite to a room of version {version}", invite(version, lambda s, i, b: i, V1 + "/invite/{room}/{event}", bare=True)
    yield "an invite to another room than it says", invite("10", lambda s, i, b: i, V2 + "/invite/!x:y/{event}")


# What we say instead.
OURS = {
    "hierarchy/ROOM of private": (404, "M_NOT_FOUND"),  # as the specification has it; Synapse: M_UNKNOWN
    f"{V2}/send_join": (200, "{'auth_chain': ['{}', 4], 'event': '{}', 'members_omitted': 'bool', 'origin': 'str', 'state': ['{}', 6]}"),  # with the origin of the specification
}


@pytest.fixture(scope="module")
def sides(build, folder, postgres, authority):
    own, remote = Own(build, folder, postgres), Remote(authority)
    kinds = ((Mixed, "asked_synapse", {"python": {"main"}}), (Deployment, "asked_ganglion", {}))
    made = [own.make(name, kind, authority, monolith=True, extra_config=SETTINGS, **options) for kind, name, options in kinds]
    try:
        yield [Side(Server(deployment.start()), remote) for deployment in made]
    finally:
        remote.stop()
        for deployment in made:
            deployment.stop()


@pytest.mark.parametrize("questions", [paths, rooms, bodies, keys, headers, transactions, memberships, invites], ids=lambda questions: questions.__name__)
def test_asked_the_same(sides, questions):
    found = []
    for name, ask in questions():
        synapse, ganglion = [summary(ask(side)) for side in sides]
        if not alike(synapse, ganglion, OURS.get(name)):
            found.append((name, synapse, ganglion))
    assert not found, "\n".join(map(str, found))


FIELDS = {"sender": (1, "x", "@x:elsewhere", None), "room_id": ("x", "!x:y", None), "type": (1, None), "content": ("x", None), "depth": ("x", -1, 2**63, None),
          "prev_events": ("x", None, [1], ["$x"], []), "auth_events": ("x", None, ["$x"], []), "origin_server_ts": ("x", None, -1), "state_key": (1,),
          "signatures": ("x", {}), "hashes": ("x", {"sha256": "AAAA"}), "unsigned": ("x",)}


def broken_events(s, label):
    """Events of a user of theirs, each wrong in one thing; the first one is not."""
    room = s.kept[label]
    good = room.event("m.room.message", {"msgtype": "m.text", "body": "hello"}, s.user)
    yield "good", good
    for field, values in FIELDS.items():
        for value in values:
            event = copy.deepcopy(room.event("m.room.message", {"msgtype": "m.text", "body": "x"}, s.user))
            event[field] = value
            yield f"{field} {value}", event if value is not None else {key: inner for key, inner in event.items() if key != field}
    for name, changes in (("a stranger", {"sender": s.remote.user("stranger")}), ("too big", {"content": {"body": "x" * 66000}}), ("a long type", {"type": "x" * 256}),
                          ("many before it", {"prev_events": [room.reference(room.leaves[0])] * 21}), ("much cited", {"auth_events": [room.reference(room.leaves[0])] * 11})):
        yield name, s.rebuild(good, room.version, **changes)


@pytest.mark.parametrize("label", ["open", "one", "twelve", "banned"])
def test_sent_the_same(sides, label):
    """Of events that are sent, the same ones are kept, and judged alike."""
    judged = []
    for s in sides:
        events = list(broken_events(s, label))
        names = {name: named(event, s.kept[label].version) for name, event in events}
        for _, event in events:
            answer = s.ask("PUT", f"{V1}/send/event{next(_number)}", {"origin": s.remote.name, "origin_server_ts": 1, "pdus": [event]})
            assert answer.status == 200, (event, answer)
        until(lambda: s.server.sql("SELECT count(*) FROM federation_inbound_events_staging") == [["0"]])
        rows = {row[0]: row[1:] for row in s.server.sql("SELECT e.event_id, outlier, COALESCE(rejection_reason, 'fine'), COALESCE(json_extract_path_text("
                                                        "internal_metadata::json, 'soft_failed'), 'false') FROM events e JOIN event_json USING (event_id)")}
        judged.append({name: rows.get(event_id) for name, event_id in names.items()})
    assert judged[0] == judged[1]
    assert judged[1]["good"] == (["f", "fine", "false"] if label != "banned" else ["f", "auth_error", "false"])
