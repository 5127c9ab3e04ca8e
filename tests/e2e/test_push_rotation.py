"""The background loop that sums notifications up and lets old rows go. Each step waits for a round, every half minute."""

from test_push_counts import actions, group, post, read, text, unread  # noqa: F401

from lib.wait import until


def rotated(server):
    return server.sql("SELECT (SELECT stream_ordering FROM event_push_summary_stream_ordering) >= max(stream_ordering) AND"
                      " (SELECT stream_id FROM event_push_summary_last_receipt_stream_id) >="
                      " (SELECT coalesce(max(stream_id), 0) FROM receipts_linearized) FROM events") == [["t"]]


def summary(server, user, room):
    return [(int(n), thread) for n, thread in server.sql(
        f"SELECT notif_count, thread_id FROM event_push_summary WHERE user_id = '{user.user_id}' AND room_id = '{room}' ORDER BY 2")]


def test_summed_up(server, group):
    """The background loop sums up, takes receipts in, and lets rows go that are older than a day: no count changes by it."""
    alice, bob, _, room = group
    root = post(alice, room, text("root"))
    events = [root] + [post(alice, room, text(f"m{i}")) for i in range(3)]
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": root}}
    replies = [post(alice, room, text(f"t{i}", **thread)) for i in range(2)]
    post(alice, room, text("@room", **thread))
    until(lambda: unread(bob, room) == (7, 1))
    until(lambda: rotated(server), seconds=90)
    assert summary(server, bob, room) == [(3, root), (4, "main")]
    assert unread(bob, room) == (7, 1)
    post(alice, room, text("later"))
    until(lambda: unread(bob, room) == (8, 1))
    read(bob, room, events[1], thread_id="main")
    until(lambda: unread(bob, room) == (6, 1))
    read(bob, room, replies[0], thread_id=root)
    until(lambda: unread(bob, room) == (5, 1))
    server.sql("UPDATE events SET received_ts = 1000")  # as if all of it were long ago
    until(lambda: rotated(server) and [row[2] for row in actions(server, bob, room)] == [1], seconds=90)
    assert summary(server, bob, room) == [(2, root), (3, "main")]
    assert unread(bob, room) == (5, 1)
    last = post(alice, room, text("last"))
    until(lambda: unread(bob, room) == (6, 1))
    read(bob, room, last)
    until(lambda: unread(bob, room) == (0, 0))
    until(lambda: rotated(server) and summary(server, bob, room) == [(0, root), (0, "main")], seconds=90)
    assert unread(bob, room) == (0, 0)
