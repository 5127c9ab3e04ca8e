"""Sliding sync (MSC4186): lists, windows, subscriptions, state, extensions; a connection goes on at any process."""

import pytest

from lib.rooms import CLIENT, refused, room_path
from lib.server import quote
from lib.sliding import Connection

MEMBERS = [["m.room.create", ""], ["m.room.name", ""]]


@pytest.fixture
def pair(server):
    return server.register(), server.register()


def listed(answer, name="all"):
    return [room for op in answer["lists"][name]["ops"] for room in op["room_ids"]]


def bodies(room):
    return [e["content"].get("body") for e in room.get("timeline", []) if e["type"] == "m.room.message"]


def state_of(room):
    return {(e["type"], e["state_key"]) for e in room.get("required_state", [])}


def both(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def test_first_answer(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="public_chat", name="The room")
    bob.join(room)
    sent = [alice.send(room, f"m{i}") for i in range(5)]
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 3, "required_state": MEMBERS}})
    answer = connection.sync()
    assert answer["lists"]["all"]["count"] == 1 and listed(answer) == [room]
    shown = answer["rooms"][room]
    assert shown["initial"] and shown["limited"] and shown["name"] == "The room"
    assert bodies(shown) == ["m2", "m3", "m4"] and [e["event_id"] for e in shown["timeline"]] == sent[2:]
    assert state_of(shown) == {("m.room.create", ""), ("m.room.name", "")}
    assert shown["joined_count"] == 2 and shown["invited_count"] == 0 and shown["num_live"] == 0
    assert shown["bump_stamp"] > 0 and "heroes" not in shown and "is_dm" not in shown
    page = alice.messages(room, **{"from": shown["prev_batch"], "limit": 2})
    assert [e["content"]["body"] for e in page["chunk"]] == ["m1", "m0"]


def test_news_come_alone(server, pair):
    alice, bob = pair
    rooms = [alice.create_room(preset="public_chat", name=f"r{i}") for i in range(4)]
    for room in rooms:
        bob.join(room)
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 2, "required_state": MEMBERS}})
    assert set(connection.sync()["rooms"]) == set(rooms)
    assert connection.sync()["rooms"] == {}
    event_id = bob.send(rooms[1], "news")
    answer = connection.sync_until(lambda a: a["rooms"])
    assert list(answer["rooms"]) == [rooms[1]]
    shown = answer["rooms"][rooms[1]]
    assert [e["event_id"] for e in shown["timeline"]] == [event_id] and shown["num_live"] == 1
    assert "initial" not in shown and not shown["limited"] and "required_state" not in shown and "name" not in shown
    alice.put_state(rooms[2], "m.room.name", {"name": "another"})
    shown = connection.sync_until(lambda a: a["rooms"])["rooms"][rooms[2]]
    assert shown["name"] == "another" and state_of(shown) == {("m.room.name", "")}
    alice.put_state(rooms[2], "m.room.topic", {"topic": "not asked for"})
    shown = connection.sync_until(lambda a: a["rooms"])["rooms"][rooms[2]]
    assert "required_state" not in shown and len(shown["timeline"]) == 1


def test_windows_are_sorted_by_activity(server, pair):
    alice, bob = pair
    rooms = [alice.create_room(preset="public_chat", name=f"r{i}") for i in range(5)]
    for room in rooms:
        bob.join(room)
    alice.send(rooms[1], "up")
    connection = Connection(bob, lists={"all": {"ranges": [[0, 1]], "timeline_limit": 1, "required_state": []}})
    answer = connection.sync()
    assert listed(answer) == [rooms[1], rooms[4]] and answer["lists"]["all"]["count"] == 5
    alice.send(rooms[0], "up too")
    answer = connection.sync_until(lambda a: a["rooms"])
    assert listed(answer) == [rooms[0], rooms[1]] and answer["rooms"][rooms[0]]["initial"]
    alice.send(rooms[4], "unseen")  # was sent once, and is back in the window: what came meanwhile is told
    answer = connection.sync_until(lambda a: a["rooms"])
    assert listed(answer) == [rooms[4], rooms[0]] and bodies(answer["rooms"][rooms[4]]) == ["unseen"]
    assert "initial" not in answer["rooms"][rooms[4]]
    for room in rooms[:3]:
        alice.send(room, "on top")
    connection.sync_until(lambda a: listed(a) == [rooms[2], rooms[1]])
    for i in range(3):
        alice.send(rooms[4], f"n{i}")
        connection.lists["all"]["ranges"] = [[1, 2]]
        connection.sync_until(lambda a: rooms[4] not in listed(a))
    connection.lists["all"]["ranges"] = [[0, 0]]
    answer = connection.sync()
    assert listed(answer) == [rooms[4]] and answer["rooms"][rooms[4]]["limited"]
    assert bodies(answer["rooms"][rooms[4]]) == ["n2"] and answer["rooms"][rooms[4]]["num_live"] in (0, 1)
    connection.lists["all"]["ranges"] = [[0, 0], [3, 9]]
    answer = connection.sync()
    assert [op["range"] for op in answer["lists"]["all"]["ops"]] == [[0, 0], [3, 9]] and len(listed(answer)) == 3


def test_subscriptions_expand_the_timeline(server, pair):
    alice, bob = pair
    room, other = alice.create_room(preset="public_chat"), bob.create_room(preset="private_chat")
    for i in range(6):
        alice.send(room, f"m{i}")
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}})
    assert bodies(connection.sync()["rooms"][room]) == ["m5"]
    wanted = {"timeline_limit": 4, "required_state": [["m.room.create", ""]]}
    connection.subscriptions = {room: wanted, other: wanted, "!nowhere:localhost": wanted}
    answer = connection.sync()
    assert list(answer["rooms"]) == [room]  # nobody looks into a room that they are not in
    shown = answer["rooms"][room]
    assert shown["unstable_expanded_timeline"] and "initial" not in shown and bodies(shown) == ["m2", "m3", "m4", "m5"]
    assert state_of(shown) == {("m.room.create", "")}
    assert connection.sync()["rooms"] == {}
    connection.subscriptions = {}
    assert connection.sync()["rooms"] == {}
    alice.leave(room)
    connection.lists = {}
    connection.subscriptions = {room: {"timeline_limit": 50, "required_state": [["m.room.member", "$ME"]]}}
    shown = connection.sync()["rooms"][room]
    assert shown["timeline"][-1]["content"]["membership"] == "leave"
    assert [e["content"]["membership"] for e in shown["required_state"]] == ["leave"]


def test_required_state(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="public_chat", name="n", topic="t")
    bob.join(room)
    alice.put_state(room, "x.a", {"v": 1}, "k1")
    alice.put_state(room, "x.a", {"v": 2}, "k2")
    everything = {(e["type"], e["state_key"]) for e in alice.ok("GET", room_path(room, "state"))}

    def asked(*pairs):
        connection = Connection(alice, conn_id=repr(pairs), lists={})
        connection.subscriptions = {room: {"timeline_limit": 0, "required_state": list(pairs)}}
        return state_of(connection.sync()["rooms"][room])

    assert asked() == set()
    assert asked(["x.a", "*"]) == {("x.a", "k1"), ("x.a", "k2")}
    assert asked(["x.a", "k2"], ["x.a", "none"]) == {("x.a", "k2")}
    assert asked(["*", "*"]) == everything
    assert asked(["m.room.member", "$ME"]) == {("m.room.member", alice.user_id)}
    assert asked(["m.room.member", "*"]) == {("m.room.member", alice.user_id), ("m.room.member", bob.user_id)}
    assert asked(["m.room.member", "$LAZY"]) == set()
    connection = Connection(alice, lists={})
    for pairs, new in (([["m.room.name", ""]], {("m.room.name", "")}),
                       ([["m.room.name", ""], ["m.room.topic", ""]], {("m.room.topic", "")}),
                       ([["m.room.topic", ""]], set()), ([["m.room.name", ""], ["m.room.topic", ""]], set()),
                       ([["x.a", "*"]], {("x.a", "k1"), ("x.a", "k2")})):
        connection.subscriptions = {room: {"timeline_limit": 0, "required_state": pairs}}
        assert state_of(connection.sync()["rooms"].get(room, {})) == new, pairs


def test_lazy_members(server, pair):
    alice, bob = pair
    carol = server.register()
    room = alice.create_room(preset="public_chat")
    for user in (bob, carol):
        user.join(room)
    bob.send(room, "first")
    lists = {"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": [["m.room.member", "$LAZY"]]}}
    connection = Connection(alice, lists=lists)
    assert state_of(connection.sync()["rooms"][room]) == {("m.room.member", bob.user_id)}
    bob.send(room, "second")
    answer = connection.sync_until(lambda a: a["rooms"])
    assert "required_state" not in answer["rooms"][room]  # known by now
    carol.send(room, "third")
    answer = connection.sync_until(lambda a: a["rooms"], base=both(server)[1])
    assert state_of(answer["rooms"][room]) == {("m.room.member", carol.user_id)}
    carol.send(room, "fourth")
    answer = connection.sync_until(lambda a: a["rooms"], base=both(server)[0])
    assert "required_state" not in answer["rooms"][room]
    dave = server.register()
    dave.join(room)
    answer = connection.sync_until(lambda a: a["rooms"])
    assert state_of(answer["rooms"][room]) == {("m.room.member", dave.user_id)} and answer["rooms"][room]["joined_count"] == 4


def test_invites_kicks_and_leaves(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="private_chat", name="Come in")
    connection = Connection(bob, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 5, "required_state": MEMBERS},
                                        "asked": {"ranges": [[0, 9]], "timeline_limit": 5, "required_state": [],
                                                  "filters": {"is_invite": True}}})
    assert connection.sync()["lists"]["all"]["count"] == 0
    alice.invite(room, bob)
    answer = connection.sync_until(lambda a: a["rooms"])
    shown = answer["rooms"][room]
    assert answer["lists"]["asked"]["count"] == 1 and "timeline" not in shown and "required_state" not in shown
    assert shown["invite_state"][-1]["content"]["membership"] == "invite" and "limited" not in shown
    assert {"m.room.create", "m.room.name"} <= {e["type"] for e in shown["invite_state"]}
    bob.join(room)
    answer = connection.sync_until(lambda a: room in a["rooms"] and "timeline" in a["rooms"][room])
    assert answer["rooms"][room]["initial"] and answer["lists"]["asked"]["count"] == 0
    alice.ok("POST", room_path(room, "kick"), {"user_id": bob.user_id})
    answer = connection.sync_until(lambda a: a["rooms"])
    assert answer["rooms"][room]["timeline"][-1]["content"]["membership"] == "leave"
    assert ("m.room.member", bob.user_id) not in state_of(answer["rooms"][room]) and answer["lists"]["all"]["count"] == 1
    alice.send(room, "not for bob")
    alice.invite(room, bob)
    bob.join(room)
    connection.sync_until(lambda a: a["rooms"].get(room, {}).get("initial") and "timeline" in a["rooms"][room])
    bob.leave(room)
    answer = connection.sync_until(lambda a: a["rooms"])
    assert answer["rooms"][room]["timeline"][-1]["content"]["membership"] == "leave"
    assert connection.sync()["lists"]["all"]["count"] == 0
    other = alice.create_room(preset="private_chat")
    alice.invite(other, bob)
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/account_data/m.ignored_user_list", {"ignored_users": {alice.user_id: {}}})
    assert connection.sync()["rooms"] == {}


def test_filters(server, pair):
    alice, bob = pair
    space = alice.create_room(name="A Space", creation_content={"type": "m.space"})
    plain = alice.create_room(name="Straße")
    dm = alice.create_room(name="Direct one")
    secret = alice.create_room(initial_state=[{"type": "m.room.encryption", "state_key": "",
                                               "content": {"algorithm": "m.megolm.v1.aes-sha2"}}])
    data = f"{CLIENT}/user/{quote(alice.user_id)}"
    alice.ok("PUT", f"{data}/account_data/m.direct", {bob.user_id: [dm]})
    alice.ok("PUT", f"{data}/rooms/{quote(plain)}/tags/m.favourite", {"order": 0.5})
    alice.put_state(space, "m.space.child", {"via": [server.name]}, plain)
    alice.put_state(space, "m.space.child", {}, dm)

    def found(**filters):
        answer = Connection(alice, lists={"all": {"ranges": [[0, 99]], "timeline_limit": 0, "required_state": [], "filters": filters}}).sync()
        assert answer["lists"]["all"]["count"] == len(listed(answer))
        return set(listed(answer))

    everything = {space, plain, dm, secret}
    assert found() == everything
    assert found(is_dm=True) == {dm} and found(is_dm=False) == everything - {dm}
    assert found(is_encrypted=True) == {secret} and found(is_encrypted=False) == everything - {secret}
    assert found(room_types=["m.space"]) == {space} and found(room_types=[None]) == everything - {space}
    assert found(not_room_types=["m.space"]) == everything - {space} and found(not_room_types=[None]) == {space}
    assert found(room_types=[]) == set() and found(room_types=["m.space", None], not_room_types=[None]) == {space}
    assert found(tags=["m.favourite"]) == {plain} and found(not_tags=["m.favourite"]) == everything - {plain}
    assert found(tags=["m.lowpriority"]) == set()
    assert found(spaces=[space]) == {plain} and found(spaces=["!none:x"]) == set()
    assert found(room_name_like="STRASSE") == {plain} and found(room_name_like="e") == {space, plain, dm}
    assert found(is_invite=True) == set() and found(is_dm=True, is_encrypted=True) == set()
    answer = Connection(alice, lists={"all": {"ranges": [[0, 99]], "timeline_limit": 0, "required_state": []}}).sync()
    assert answer["rooms"][dm]["is_dm"] and "is_dm" not in answer["rooms"][plain]


def test_heroes_and_counts(server, pair):
    alice, bob = pair
    carol = server.register()
    room = alice.create_room(preset="public_chat", invite=[carol.user_id])
    bob.join(room)
    shown = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}}).sync()["rooms"][room]
    assert [h["user_id"] for h in shown["heroes"]] == [bob.user_id, carol.user_id] and "name" not in shown
    assert shown["heroes"][0]["displayname"] and (shown["joined_count"], shown["invited_count"]) == (2, 1)
    alice.put_state(room, "m.room.avatar", {"url": "mxc://x/y"})
    shown = Connection(bob, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}}).sync()["rooms"][room]
    assert shown["avatar"] == "mxc://x/y" and [h["user_id"] for h in shown["heroes"]] == [alice.user_id, carol.user_id]


def test_bump_stamp(server, pair):
    alice, _ = pair
    rooms = [alice.create_room() for _ in range(2)]
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}})
    answer = connection.sync()
    stamps = [answer["rooms"][room]["bump_stamp"] for room in rooms]
    assert 0 < stamps[0] < stamps[1]
    alice.put_state(rooms[0], "m.room.topic", {"topic": "does not bump"})
    assert "bump_stamp" not in connection.sync_until(lambda a: a["rooms"])["rooms"][rooms[0]]
    alice.send(rooms[0], "bumps")
    bumped = connection.sync_until(lambda a: a["rooms"])["rooms"][rooms[0]]["bump_stamp"]
    assert bumped > stamps[1]


def test_any_process_goes_on(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    bases = both(server)
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 10, "required_state": []}})
    connection.sync(base=bases[0])
    for i in range(6):
        bob.send(room, f"m{i}", base=bases[i % 2])
        answer = connection.sync_until(lambda a: a["rooms"], base=bases[(i + 1) % 2])
        assert bodies(answer["rooms"][room]) == [f"m{i}"]


def test_positions_end(server, pair):
    alice, bob = pair
    rooms = [alice.create_room() for _ in range(3)]
    lists = {"all": {"ranges": [[0, 0]], "timeline_limit": 1, "required_state": []}}
    connection = Connection(alice, lists=lists)
    connection.sync()
    first = connection.pos
    alice.send(rooms[0], "up")
    connection.sync_until(lambda a: a["rooms"])
    second = connection.pos
    assert first.split("/")[0] != second.split("/")[0]
    again = Connection(alice, lists=lists, pos=first)
    assert again.sync()["rooms"]  # a lost answer: the old position still stands ...
    refused(Connection(alice, lists=lists, pos=second).call(), 400, "M_UNKNOWN_POS")  # ... and ends the other
    position, token = again.pos.split("/")
    for pos in (f"{position}9/{token}", f"{2**62}/{token}"):
        refused(Connection(alice, lists=lists, pos=pos).call(), 400, "M_UNKNOWN_POS")
    refused(Connection(bob, lists=lists, pos=again.pos).call(), 400, "M_UNKNOWN_POS")
    refused(Connection(alice, lists=lists, pos=again.pos, conn_id="another").call(), 400, "M_UNKNOWN_POS")
    Connection(alice, lists=lists, conn_id="another").sync()
    assert again.sync()["rooms"] == {}  # of another connection
    Connection(alice, lists=lists).sync()  # begins anew
    refused(again.call(), 400, "M_UNKNOWN_POS")
    for pos in ("", "x", "1", f"/{token}", f"-1/{token}", f"1/x{token}", f"{position}/t1-2", f"{2**64}/{token}", f"{position}/"):
        refused(Connection(alice, lists=lists, pos=pos).call(), 400, "M_UNKNOWN")


@pytest.mark.parametrize("body", [
    {"lists": []}, {"lists": {"a": []}}, {"lists": {"a": {}}}, {"lists": {"a": {"timeline_limit": 1}}},
    {"lists": {"a": {"timeline_limit": "1", "required_state": []}}}, {"lists": {"a": {"timeline_limit": 1001, "required_state": []}}},
    {"lists": {"a": {"timeline_limit": 1.5, "required_state": []}}}, {"lists": {"a": {"timeline_limit": 1, "required_state": {}}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [["x"]]}}}, {"lists": {"a": {"timeline_limit": 1, "required_state": [["x", 1]]}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [["x", "\u0000"]]}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [["x", "\ud800"]]}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [], "ranges": [[-1, 2]]}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [], "ranges": [[1]]}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [], "ranges": [[0, 1]] * 21}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [], "filters": {"is_dm": "yes"}}}},
    {"lists": {"a": {"timeline_limit": 1, "required_state": [], "filters": {"tags": [1]}}}},
    {"lists": {"a" * 65: {"timeline_limit": 1, "required_state": []}}},
    {"lists": {str(i): {"timeline_limit": 1, "required_state": []} for i in range(101)}},
    {"room_subscriptions": []}, {"room_subscriptions": {"!a:b": {}}}, {"conn_id": 1}, {"conn_id": "\u0000"}, {"extensions": 1},
    {"extensions": {"to_device": {"enabled": 1}}}, {"extensions": {"to_device": {"enabled": True, "since": "x"}}},
    {"extensions": {"typing": {"enabled": True, "rooms": "*"}}}], ids=lambda body: str(body)[:70])
def test_bad_bodies(server, body):
    user = server.shared_user if hasattr(server, "shared_user") else server.register()
    server.shared_user = user
    answer = user.call("POST", Connection.PATH, body)
    assert answer.status == 400 and answer.json["errcode"] in ("M_BAD_JSON", "M_MISSING_PARAM", "M_NOT_JSON"), answer


def test_extensions_with_rooms(server, pair):
    alice, bob = pair
    rooms = [alice.create_room(preset="public_chat") for _ in range(2)]
    for room in rooms:
        bob.join(room)
    events = [alice.send(room, "read me") for room in rooms]
    data = f"{CLIENT}/user/{quote(alice.user_id)}"
    alice.ok("PUT", f"{data}/account_data/x.global", {"a": 1})
    alice.ok("PUT", f"{data}/rooms/{quote(rooms[0])}/account_data/x.room", {"b": 1})
    alice.ok("PUT", f"{data}/rooms/{quote(rooms[0])}/tags/m.favourite", {})
    bob.ok("POST", room_path(rooms[0], "receipt", "m.read", events[0]), {})
    on = {"enabled": True}
    extensions = {"account_data": on, "receipts": on, "typing": on}
    connection = Connection(alice, lists={"all": {"ranges": [[0, 0]], "timeline_limit": 5, "required_state": []}}, extensions=extensions)
    connection.subscriptions = {rooms[0]: {"timeline_limit": 5, "required_state": []}}
    first = connection.sync()["extensions"]
    assert {"type": "x.global", "content": {"a": 1}} in first["account_data"]["global"]
    assert {e["type"]: e["content"] for e in first["account_data"]["rooms"][rooms[0]]} == {
        "x.room": {"b": 1}, "m.tag": {"tags": {"m.favourite": {}}}}
    assert first["account_data"]["rooms"][rooms[1]] == []
    assert bob.user_id in first["receipts"]["rooms"][rooms[0]]["content"][events[0]]["m.read"]
    answer = connection.sync()
    assert answer["extensions"]["account_data"] == {"global": [], "rooms": {}} and answer["extensions"]["receipts"] == {"rooms": {}}
    alice.ok("PUT", f"{data}/rooms/{quote(rooms[1])}/account_data/x.room", {"b": 2})
    told = connection.sync_until(lambda a: a["extensions"]["account_data"]["rooms"])["extensions"]["account_data"]["rooms"]
    assert told == {rooms[1]: [{"type": "x.room", "content": {"b": 2}}]}
    bob.ok("PUT", room_path(rooms[1], "typing", bob.user_id), {"typing": True, "timeout": 30000})
    told = connection.sync_until(lambda a: a["extensions"]["typing"]["rooms"])["extensions"]["typing"]["rooms"]
    assert told == {rooms[1]: {"type": "m.typing", "content": {"user_ids": [bob.user_id]}}}
    connection.extensions["receipts"] = {"enabled": True, "rooms": [rooms[0]], "lists": []}
    connection.sync()
    bob.ok("POST", room_path(rooms[1], "receipt", "m.read", events[1]), {})  # out of scope: told when it is back in it
    bob.ok("POST", room_path(rooms[0], "receipt", "m.read", events[0], ), {"thread_id": "main"})
    told = connection.sync_until(lambda a: a["extensions"]["receipts"]["rooms"])["extensions"]["receipts"]["rooms"]
    assert list(told) == [rooms[0]]
    connection.extensions["receipts"] = on
    told = connection.sync()["extensions"]["receipts"]["rooms"]
    assert list(told) == [rooms[1]] and bob.user_id in told[rooms[1]]["content"][events[1]]["m.read"]


def test_extensions_without_rooms(server, pair):
    """As Element X runs its encryption loop: no lists at all."""
    alice, bob = pair
    connection = Connection(alice, conn_id="encryption", lists={}, extensions={
        "to_device": {"enabled": True}, "e2ee": {"enabled": True}})
    first = connection.sync()
    assert connection.pos.startswith("0/") and first["rooms"] == {} and "lists" not in first
    assert first["extensions"]["to_device"]["events"] == []
    assert first["extensions"]["e2ee"]["device_unused_fallback_key_types"] == [] and "device_lists" not in first["extensions"]["e2ee"]
    assert connection.sync()["extensions"]["e2ee"]["device_lists"] == {"changed": [], "left": []}
    message = {"messages": {alice.user_id: {alice.device_id: {"hello": 1}}}}
    connection.since = first["extensions"]["to_device"]["next_batch"]
    sent = bob.call("PUT", f"{CLIENT}/sendToDevice/x.y/txn1", message)
    if sent.status == 404:
        pytest.skip("to-device messages are not served yet")
    answer = connection.sync_until(lambda a: a["extensions"]["to_device"]["events"])
    assert answer["extensions"]["to_device"]["events"] == [{"type": "x.y", "sender": bob.user_id, "content": {"hello": 1}}]
    again = connection.sync()["extensions"]["to_device"]  # not acknowledged: sent once more
    assert again["events"] and again["next_batch"] == answer["extensions"]["to_device"]["next_batch"]
    connection.since = again["next_batch"]
    assert connection.sync()["extensions"]["to_device"]["events"] == []
    connection.since = first["extensions"]["to_device"]["next_batch"]
    assert connection.sync()["extensions"]["to_device"]["events"] == []  # gone for good


def test_push_rules_and_counts(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="private_chat", invite=[bob.user_id])
    bob.join(room)
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 1, "required_state": []}},
                            extensions={"account_data": {"enabled": True}})
    rules = {e["type"]: e["content"] for e in connection.sync()["extensions"]["account_data"]["global"]}["m.push_rules"]
    assert "underride" in rules["global"]
    bob.send(room, "unread")
    assert connection.sync_until(lambda a: a["rooms"])["rooms"][room]["notification_count"] == 1
    alice.ok("PUT", f"{CLIENT}/pushrules/global/content/mine", {"pattern": "cheese", "actions": ["notify"]})
    told = connection.sync_until(lambda a: a["extensions"]["account_data"]["global"])["extensions"]["account_data"]["global"]
    assert [e["type"] for e in told] == ["m.push_rules"]
    assert [r["pattern"] for r in told[0]["content"]["global"]["content"] if not r["default"]] == ["cheese"]


def test_long_poll(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    connection = Connection(alice, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 5, "required_state": []}})
    connection.sync()
    quiet = connection.sync(timeout=200)
    assert quiet["rooms"] == {} and quiet["lists"]["all"]["count"] == 1
    with connection.waiting(timeout=20000) as answer:
        event_id = bob.send(room, "wake up")
    assert [e["event_id"] for e in answer.json["rooms"][room]["timeline"]] == [event_id]


def test_visible_history_only(server, pair):
    alice, bob = pair
    room = alice.create_room(preset="private_chat", initial_state=[
        {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}])
    alice.send(room, "before")
    alice.invite(room, bob)
    bob.join(room)
    alice.send(room, "after")
    shown = Connection(bob, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 50, "required_state": []}}).sync()["rooms"][room]
    assert bodies(shown) == ["after"]
    guest = server.register()
    room = alice.create_room(preset="private_chat", invite=[guest.user_id])
    guest.leave(room)
    subscribed = Connection(guest, lists={})
    subscribed.subscriptions = {room: {"timeline_limit": 50, "required_state": []}}
    assert {e["type"] for e in subscribed.sync()["rooms"][room].get("timeline", [])} <= {"m.room.member"}
