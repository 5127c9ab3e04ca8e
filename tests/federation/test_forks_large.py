"""A room of many members whose graph forks again and again: resolved as the rules have it, and others are served meanwhile.

GANGLION_LARGE_ROOM=20000 makes it large."""

import os
import threading
import time

from lib import pdu
from lib.server import quote
from lib.wait import until
from test_join_large import fill

MEMBERS = int(os.environ.get("GANGLION_LARGE_ROOM", "2000"))
FORKS = 5


def fork(room, creator, number):
    """Two branches: on one the levels change and a topic is set after it; on the other another topic. The first one's
    topic stands nearer to the levels that win, and so is the later one."""
    start = list(room.leaves)
    levels = {"users": {creator: 100}, "invite": number}
    one = room.event("m.room.power_levels", levels, creator, "", prev=start)
    room.add(one)
    topic = room.event("m.room.topic", {"topic": f"first {number}"}, creator, "", prev=[pdu.event_id(one, room.version)])
    room.add(topic)
    other = room.event("m.room.topic", {"topic": f"second {number}"}, creator, "", prev=start)
    name = pdu.event_id(other, room.version)
    after = {**room.before(start), ("m.room.topic", ""): name}
    room.events[name], room.after[name] = other, after
    return [one, topic, other], [pdu.event_id(topic, room.version), name]


def join_branches(room, creator, leaves, resolved):
    """A message on both, with the state that the branches resolve to."""
    event = room.event("m.room.message", {"body": "joined", "msgtype": "m.text"}, creator, prev=leaves,
                       auth=room.auth_events("m.room.message", {}, creator, None, resolved))
    name = room.add(event, before=resolved)
    room.leaves = [name]
    return event


def test_forks(home, remote):
    alice, bob = home.register(), home.register()
    creator = remote.user("creator")
    room = remote.create_room()
    fill(remote, room, MEMBERS)
    answer = alice.call("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?server_name={quote(remote.name)}", {}, timeout=300)
    assert answer.status == 200, answer
    until(lambda: ("m.room.member", alice.user_id) in room.state)
    waits, done = [], threading.Event()

    def others():
        while not done.is_set():
            start = time.monotonic()
            bob.ok("GET", "/_matrix/client/v3/account/whoami")
            waits.append(time.monotonic() - start)
            time.sleep(0.01)

    thread = threading.Thread(target=others)
    thread.start()
    try:
        start = time.monotonic()
        for number in range(1, FORKS + 1):
            events, leaves = fork(room, creator, number)
            resolved = {**room.after[leaves[0]]}
            events.append(join_branches(room, creator, leaves, resolved))
            assert all(said == {} for said in remote.send(home.name, events).values())
        last = pdu.event_id(events[-1], room.version)
        until(lambda: home.sql(f"SELECT count(*) FROM event_forward_extremities WHERE event_id = '{last}'") == [["1"]], 120)
    finally:
        done.set()
        thread.join()
    took = time.monotonic() - start
    assert alice.state(room.room_id, "m.room.topic")["topic"] == f"first {FORKS}"
    assert alice.state(room.room_id, "m.room.power_levels")["invite"] == FORKS
    print(f"{MEMBERS} members: {took / FORKS * 1000:.0f} ms a fork; others waited {max(waits) * 1000:.0f} ms at most")
    assert max(waits) < 1.0
