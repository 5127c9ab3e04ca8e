"""A room of many members is entered: what it costs in memory, and that others are served meanwhile.

GANGLION_LARGE_ROOM=20000 makes it as large as the figures in docs/ speak of."""

import os
import threading
import time

from lib import pdu
from lib.server import quote

FED = "/_matrix/federation"
MEMBERS = int(os.environ.get("GANGLION_LARGE_ROOM", "2000"))


def fill(remote, room, n):
    """Members without a place in the graph of the test's own: only the state's events are asked for."""
    key, version = remote.key, room.version
    create, levels, rules = (room.state[kind, ""] for kind in ("m.room.create", "m.room.power_levels", "m.room.join_rules"))
    state, last = dict(room.state), room.leaves[-1]
    for i in range(n):
        user = remote.user(f"member{i}")
        event = pdu.build(version, remote.name, key, type="m.room.member", content={"membership": "join", "displayname": f"Member {i}"},
                          sender=user, state_key=user, depth=10 + i, prev_events=[last], auth_events=[create, levels, rules],
                          room_id=room.room_id)
        last = pdu.event_id(event, version)
        room.events[last] = event
        state["m.room.member", user] = last
    room.after[last], room.leaves = state, [last]
    room.order.append(last)


def memory(deployment):
    """Peak resident bytes of each process."""
    peaks = {}
    for name, process in deployment.processes.items():
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            peaks[name] = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    return peaks


def slices(deployment):
    """Milliseconds for which a fiber kept the others waiting, as the processes report them."""
    found, folder = [], os.path.join(deployment.folder, "logs")
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            found += [(int(line.split(" ran ")[1].split()[0]), line.split('fiber "')[1].split('"')[0]) for line in file if "without a wait" in line]
    return found


def test_many_members(home, remote):
    alice, bob = home.register(), home.register()
    room = remote.create_room()
    fill(remote, room, MEMBERS)
    before, waits, done = memory(home.deployment), [], threading.Event()

    def others():
        while not done.is_set():
            start = time.monotonic()
            bob.ok("GET", "/_matrix/client/v3/account/whoami")
            waits.append(time.monotonic() - start)
            time.sleep(0.01)

    thread = threading.Thread(target=others)
    thread.start()
    start = time.monotonic()
    try:
        answer = alice.call("POST", f"/_matrix/client/v3/join/{quote(room.room_id)}?server_name={quote(remote.name)}", {}, timeout=300)
    finally:
        done.set()
        thread.join()
    took = time.monotonic() - start
    assert answer.status == 200, answer
    rows = home.sql(f"SELECT count(*) FROM current_state_events WHERE room_id = '{room.room_id}'")
    assert rows[0][0] == str(MEMBERS + 5)
    after = memory(home.deployment)
    grown = max(after[name] - before[name] for name in after)
    long = sorted(slices(home.deployment))[-3:]
    print(f"longest slices: {long}")
    print(f"{MEMBERS} members: {took:.1f} s; a process grew by {grown >> 20} MiB at most; others waited {max(waits) * 1000:.0f} ms at most")
    assert grown < (64 << 20) + MEMBERS * 16384
    # Of a second, or of as much as a machine takes for the rest that has other things to do.
    assert max(waits) < max(1.0, took / 2)
    assert all(ms < max(500, took * 250) for ms, _ in long), long
