"""Old history goes while others read and write: nothing above the purge point is lost, doubled or refused."""

import itertools
import threading

import pytest

from deployment.process import wait_until
from lib.admin import V1, administrator, kill_background, path
from lib.rooms import act, ids, refused, room_path

_names = itertools.count(1)


@pytest.fixture(scope="module")
def boss(server):
    return administrator(server, f"purgeboss{next(_names)}")


def purge(boss, room, **body):
    return boss.ok("POST", path(V1, "purge_history", room), body)["purge_id"]


def status(boss, purge_id):
    return boss.ok("GET", path(V1, "purge_history_status", purge_id))


def purged(boss, purge_id, seconds=60):
    wait_until("purged", lambda: status(boss, purge_id)["status"] != "active", seconds=seconds)
    assert status(boss, purge_id) == {"status": "complete"}


def pages(user, room, base, limit=30):
    """All events that can be paged to, newest first."""
    found, token = [], None
    while True:
        query = {"limit": limit, **({"from": token} if token else {})}
        answer = user.ok("GET", room_path(room, "messages"), dir="b", base=base, **query)
        found += ids(answer["chunk"])
        token = answer.get("end")
        if not token:
            return found


class Reader(threading.Thread):
    """Pages through the room again and again until it is told to stop; keeps what is not as it should be."""

    def __init__(self, user, room, base, above):
        super().__init__(daemon=True)
        self.user, self.room, self.base, self.above = user, room, base, above
        self.done, self.rounds, self.wrong = threading.Event(), 0, None

    def run(self):
        above = set(self.above)
        while not self.done.is_set() and self.wrong is None:
            try:
                seen = pages(self.user, self.room, self.base)
                kept = [e for e in seen if e in above]
                if kept != self.above or len(seen) != len(set(seen)):
                    self.wrong = f"{len(kept)} of {len(self.above)}, {len(seen) - len(set(seen))} twice"
            except AssertionError as error:
                self.wrong = str(error)
            self.rounds += 1


def test_purge_while_two_workers_page(server, boss):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat", name="Old")
    bob.join(room)
    sent = [alice.send(room, f"m{i}") for i in range(330)]
    topic = alice.put_state(room, "m.room.topic", {"topic": "before the point"})
    sent += [bob.send(room, f"n{i}") for i in range(170)]
    point = sent[400]
    alice.put_state(room, "m.room.name", {"name": "New"})
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    above = [e for e in pages(bob, room, bases[0]) if e not in sent[:400]]
    above = above[:above.index(point) + 1]
    readers = [Reader(bob, room, base, above) for base in bases]
    for reader in readers:
        reader.start()
    wait_until("both read", lambda: all(r.rounds for r in readers))
    purge_id = purge(boss, room, purge_up_to_event_id=point, delete_local_events=True)
    if not server.monolith:
        kill_background(server)  # it goes on where it was
    purged(boss, purge_id)
    rounds = [r.rounds for r in readers]
    wait_until("both read on", lambda: all(r.rounds > n + 1 or r.wrong for r, n in zip(readers, rounds)))
    for reader in readers:
        reader.done.set()
        reader.join(30)
        assert reader.wrong is None, reader.wrong
    for base in bases:
        assert pages(bob, room, base) == above
        wait_until("forgotten", lambda base=base: bob.call("GET", room_path(room, "event", sent[0]), base=base).status == 404)
    # State stays, new events follow, and the tables agree.
    assert bob.state(room, "m.room.topic") == {"topic": "before the point"} and bob.state(room, "m.room.name") == {"name": "New"}
    carol = server.register()
    carol.join(room)
    assert carol.send(room, "after the purge") in [e["event_id"] for e in carol.messages(room)["chunk"]]
    act(carol, room, "leave")
    assert bob.sync()["rooms"]["join"][room]["timeline"]["events"]
    left = server.sql(f"SELECT count(*) FROM events WHERE room_id = '{room}' AND NOT outlier AND event_id IN ({quoted(sent[:400])})")
    assert left == [["0"]]
    assert server.sql(f"SELECT outlier FROM events WHERE event_id = '{topic}'") == [["t"]]
    ends = server.sql(f"SELECT event_id FROM event_backward_extremities WHERE room_id = '{room}'")
    assert ends == [[sent[399]]]
    for table in ("event_json", "event_edges", "event_auth", "event_search", "event_to_state_groups", "event_relations"):
        assert server.sql(f"SELECT count(*) FROM {table} WHERE event_id IN ({quoted(sent[:400])})") == [["0"]], table


def quoted(event_ids):
    return ", ".join(f"'{e}'" for e in event_ids)


def test_own_messages_stay_as_outliers(server, boss):
    alice = server.register()
    room = alice.create_room()
    sent = [alice.send(room, f"m{i}") for i in range(10)]
    purged(boss, boss.ok("POST", path(V1, "purge_history", room, sent[5]))["purge_id"])
    assert pages(alice, room, None) == sent[:4:-1]
    assert server.sql(f"SELECT count(*) FROM events WHERE outlier AND event_id IN ({quoted(sent[:5])})") == [["5"]]
    purged(boss, purge(boss, room, purge_up_to_event_id=sent[7], delete_local_events=True))
    assert pages(alice, room, None) == sent[:6:-1]
    assert server.sql(f"SELECT count(*) FROM events WHERE event_id IN ({quoted(sent[:7])})") == [["0"]]
    assert alice.send(room, "still")


def test_state_groups_that_nothing_names_go(server, boss):
    """Ages what waits for deletion; the state of what is left reads as before."""
    alice = server.register()
    room = alice.create_room()
    for i in range(12):
        alice.put_state(room, "m.room.topic", {"topic": f"t{i}"})
        alice.send(room, f"m{i}")
    point = alice.send(room, "the point")
    alice.put_state(room, "m.room.name", {"name": "kept"})
    state = {(e["type"], e["state_key"]): e["event_id"] for e in alice.ok("GET", room_path(room, "state"))}
    before = int(server.sql(f"SELECT count(*) FROM state_groups WHERE room_id = '{room}'")[0][0])
    purged(boss, purge(boss, room, purge_up_to_event_id=point, delete_local_events=True))
    loose = server.sql(f"SELECT count(*) FROM state_groups_pending_deletion p JOIN state_groups g ON g.id = p.state_group WHERE room_id = '{room}'")
    assert int(loose[0][0]) > 10
    server.sql("UPDATE state_groups_pending_deletion SET insertion_ts = 1")
    kill_background(server)  # does its jobs soon after the start
    wait_until("groups are gone", lambda: server.sql("SELECT count(*) FROM state_groups_pending_deletion") == [["0"]])
    after = int(server.sql(f"SELECT count(*) FROM state_groups WHERE room_id = '{room}'")[0][0])
    assert after < before - 10
    kill_background(server)  # nothing cached there
    assert {(e["type"], e["state_key"]): e["event_id"] for e in alice.ok("GET", room_path(room, "state"))} == state
    around = alice.ok("GET", room_path(room, "context", point))
    assert {e["event_id"] for e in around["state"]} <= set(state.values()) | {e["event_id"] for e in around["state"] if e["type"] == "m.room.topic"}
    groups = server.sql("WITH RECURSIVE g(id, top) AS (SELECT s.state_group, s.state_group FROM event_to_state_groups s JOIN events e USING"
                        f" (event_id) WHERE e.room_id = '{room}' AND e.type = 'm.room.name' UNION ALL SELECT p.prev_state_group, g.top FROM g JOIN"
                        " state_group_edges p ON p.state_group = g.id) SELECT count(DISTINCT (s.type, s.state_key)) FROM g JOIN state_groups_state s"
                        " ON s.state_group = g.id")
    assert groups == [[str(len(state))]]
    assert alice.send(room, "and on")


def test_points_and_refusals(server, boss):
    alice = server.register()
    room, other = alice.create_room(), alice.create_room()
    event = alice.send(other, "elsewhere")
    refused(boss.call("POST", path(V1, "purge_history", room), {}), 400, "M_BAD_JSON")
    refused(boss.call("POST", path(V1, "purge_history", room), {"purge_up_to_ts": "x"}), 400, "M_BAD_JSON")
    refused(boss.call("POST", path(V1, "purge_history", room), {"purge_up_to_ts": 1}), 404, "M_NOT_FOUND")
    refused(boss.call("POST", path(V1, "purge_history", room), {"purge_up_to_event_id": 1}), 400, "M_BAD_JSON")
    refused(boss.call("POST", path(V1, "purge_history", room, event), {}), 400)
    refused(boss.call("POST", path(V1, "purge_history", room, "$nothing"), {}), 404, "M_NOT_FOUND")
    refused(boss.call("POST", path(V1, "purge_history", room, event), {"delete_local_events": "x"}), 400, "M_BAD_JSON")
    refused(boss.call("GET", path(V1, "purge_history_status", "nonsense")), 404, "M_NOT_FOUND")
    refused(alice.call("POST", path(V1, "purge_history", room, event), {}), 403, "M_FORBIDDEN")
    server.sql("INSERT INTO scheduled_tasks (id, action, status, timestamp, resource_id, params) VALUES ('toodeep" + room[1:6] +
               f"', 'purge_history', 'active', 1, '{room}', '{{\"token\": \"t999-999\", \"delete_local_events\": true}}')")
    kill_background(server)
    wait_until("failed", lambda: status(boss, "toodeep" + room[1:6])["status"] == "failed")
    assert "forward extremities" in status(boss, "toodeep" + room[1:6])["error"]
    assert alice.send(room, "nothing was lost")
    purged(boss, purge(boss, room, purge_up_to_ts=4_000_000_000_000))


def test_up_to_a_time(server, boss):
    alice = server.register()
    room = alice.create_room()
    old = [alice.send(room, f"m{i}") for i in range(4)]
    new = alice.send(room, "new")
    server.sql(f"UPDATE events SET received_ts = received_ts - 1000 WHERE event_id <> '{new}' AND room_id = '{room}'")
    stamp = int(server.sql(f"SELECT received_ts FROM events WHERE event_id = '{new}'")[0][0])
    purged(boss, purge(boss, room, purge_up_to_ts=stamp, delete_local_events=True))
    assert pages(alice, room, None) == [new]
    assert server.sql(f"SELECT count(*) FROM events WHERE event_id IN ({quoted(old)})") == [["0"]]
