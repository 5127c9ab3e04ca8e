"""What notifies, and how much of it is unread: counts in /sync, per thread, and the rows behind them."""

import itertools

import pytest

from lib.rooms import CLIENT, filtered, joined, room_path
from lib.server import quote
from lib.wait import until


@pytest.fixture
def group(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    carol.join(room)
    return alice, bob, carol, room


def post(user, room, content, kind="m.room.message"):
    user.txn = getattr(user, "txn", 0) + 1
    path = room_path(room, "send", kind, f"push{user.txn}")
    return user.ok("PUT", path, content)["event_id"]


def text(body, **more):
    return dict({"msgtype": "m.text", "body": body}, **more)


_asked = itertools.count()


def unread(user, room):
    """Each time in other words: the same question may be given the same answer for a while."""
    part = joined(filtered(user, room_filter={"timeline": {"not_types": [f"none.{next(_asked)}"]}}), room)
    return part["unread_notifications"]["notification_count"], part["unread_notifications"]["highlight_count"]


def read(user, room, event, kind="m.read", **body):
    user.ok("POST", room_path(room, "receipt", kind, event), body)


def actions(server, user, room):
    rows = server.sql(f"SELECT actions, notif, highlight, unread, thread_id FROM event_push_actions WHERE"
                      f" user_id = '{user.user_id}' AND room_id = '{room}' ORDER BY stream_ordering")
    return [(row[0] or "", int(row[1]), int(row[2]), int(row[3]), row[4]) for row in rows]


LOUD = '["notify",{"set_tweak":"highlight"},{"set_tweak":"sound","value":"default"}]'


def test_message(server, group):
    alice, bob, carol, room = group
    post(alice, room, text("hello"))
    post(alice, room, text("for you", **{"m.mentions": {"user_ids": [bob.user_id]}}))
    post(alice, room, dict(text("a notice"), msgtype="m.notice"))
    until(lambda: unread(bob, room) == (2, 1))
    until(lambda: unread(carol, room) == (2, 0))
    assert unread(alice, room) == (0, 0)
    assert actions(server, bob, room) == [("", 1, 0, 0, "main"), (LOUD, 1, 1, 0, "main")]
    assert actions(server, carol, room) == [("", 1, 0, 0, "main"), ("", 1, 0, 0, "main")]
    assert actions(server, alice, room) == []
    assert server.sql(f"SELECT count(*) FROM event_push_actions_staging JOIN events USING (event_id) WHERE room_id = '{room}'") == [["0"]]


def test_receipts(server, group):
    alice, bob, _, room = group
    events = [post(alice, room, text(f"m{i}")) for i in range(4)]
    until(lambda: unread(bob, room) == (4, 0))
    read(bob, room, events[1])
    until(lambda: unread(bob, room) == (2, 0))
    read(bob, room, events[2], kind="m.read.private")
    until(lambda: unread(bob, room) == (1, 0))
    read(bob, room, events[3])
    until(lambda: unread(bob, room) == (0, 0))
    post(alice, room, text("@room all"))
    until(lambda: unread(bob, room) == (1, 1))


def test_told_at_once(server, group):
    alice, bob, _, room = group
    since = bob.sync()["next_batch"]
    event = post(alice, room, text("hello"))
    told, since = bob.sync_until(lambda a: joined(a, room), since)
    assert told["unread_notifications"] == {"notification_count": 1, "highlight_count": 0}
    read(bob, room, event)
    told, since = bob.sync_until(lambda a: joined(a, room), since)
    assert told["unread_notifications"] == {"notification_count": 0, "highlight_count": 0}


def test_threads(server, group):
    alice, bob, _, room = group
    root = post(alice, room, text("root"))

    def reply(body, **more):
        return post(alice, room, text(body, **more, **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}}))

    first, second = reply("one"), reply("two", **{"m.mentions": {"user_ids": [bob.user_id]}})
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": second, "key": "+1"}}
    post(alice, room, reaction, "m.reaction")

    def counts():
        by_thread = {"timeline": {"unread_thread_notifications": True, "not_types": [f"none.{next(_asked)}"]}}
        part = joined(filtered(bob, room_filter=by_thread), room)
        return part["unread_notifications"]["notification_count"], part.get("unread_thread_notifications", {})

    until(lambda: counts() == (1, {root: {"notification_count": 2, "highlight_count": 1}}))
    assert unread(bob, room) == (3, 1)  # who knows no threads is told of all together
    assert [row[4] for row in actions(server, bob, room)] == ["main", root, root]
    read(bob, room, first, thread_id=root)
    until(lambda: counts() == (1, {root: {"notification_count": 1, "highlight_count": 1}}))
    read(bob, room, root, thread_id="main")
    until(lambda: counts() == (0, {root: {"notification_count": 1, "highlight_count": 1}}))
    read(bob, room, second)
    until(lambda: counts() == (0, {}))


def test_who_is_asked(server, group):
    """Names and local parts in the text, one's own messages, whom one ignores, invitations."""
    alice, bob, carol, room = group
    bob.put_state(room, "m.room.member", {"membership": "join", "displayname": "Robert Tables"}, bob.user_id)
    post(alice, room, text("ask robert tables, not Robert"))
    until(lambda: unread(bob, room) == (1, 1))
    post(alice, room, text(f"{bob.user_id[1:].split(':')[0]}: and you?"))
    until(lambda: unread(bob, room) == (2, 2))
    path = f"{CLIENT}/user/{quote(carol.user_id)}/account_data/m.ignored_user_list"
    carol.ok("PUT", path, {"ignored_users": {alice.user_id: {}}})

    def unheard():  # the process that makes alice's events may hear of it later than we do
        event = post(alice, room, text("can you hear me?"))
        return server.sql(f"SELECT user_id FROM event_push_actions WHERE event_id = '{event}'") == [[bob.user_id]]

    until(unheard)
    before = len(actions(server, carol, room))
    post(bob, room, text("I can"))
    until(lambda: len(actions(server, carol, room)) == before + 1)
    other = alice.create_room(preset="private_chat", invite=[bob.user_id])
    sound = '["notify",{"set_tweak":"highlight","value":false},{"set_tweak":"sound","value":"default"}]'
    until(lambda: actions(server, bob, other) == [(sound, 1, 0, 0, "main")])
    bob.join(other)
    assert unread(bob, other) == (0, 0)  # counted from where one joined
    post(alice, other, text("just us"))
    two = '["notify",{"set_tweak":"sound","value":"default"},{"set_tweak":"highlight","value":false}]'
    until(lambda: actions(server, bob, other)[-1] == (two, 1, 0, 0, "main"))


def test_redaction_takes_it_back(server, group):
    alice, bob, _, room = group
    event = post(alice, room, text("oops"))
    until(lambda: unread(bob, room) == (1, 0))
    alice.ok("PUT", room_path(room, "redact", event, "r1"), {})
    until(lambda: unread(bob, room) == (0, 0))
    assert actions(server, bob, room) == []
