"""Many senders in one room at once: their messages are written together, but each is answered for itself."""

from concurrent.futures import ThreadPoolExecutor

from lib.server import quote


def send(user, room, txn, text, base=None):
    return user.call("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{txn}", {"msgtype": "m.text", "body": text},
                     base=base)


def everything(user, room):
    found, start = [], None
    while True:
        answer = user.messages(room, limit=100, **({"from": start} if start else {}))
        found += answer["chunk"]
        start = answer.get("end")
        if not start or not answer["chunk"]:
            return found


def test_each_sender_gets_an_answer_of_their_own(server):
    alice, bob, muted, stranger = (server.register() for _ in range(4))
    room = alice.create_room(preset="public_chat", room_version="10",
                             power_level_content_override={"users": {alice.user_id: 100, muted.user_id: -1}})
    bob.join(room)
    muted.join(room)
    senders = [alice, bob, muted, stranger] * 40
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda i: (senders[i], i, send(senders[i], room, f"m{i}", f"text {i}")), range(len(senders))))
    sent = {}
    for user, i, answer in answers:
        if user in (alice, bob):
            assert answer.status == 200, answer
            sent[answer.json["event_id"]] = (user.user_id, f"text {i}")
        else:
            assert (answer.status, answer.json["errcode"]) == (403, "M_FORBIDDEN"), answer
    assert len(sent) == 80
    seen = [e for e in everything(alice, room) if e["type"] == "m.room.message"]
    assert len(seen) == len(sent)
    assert {e["event_id"]: (e["sender"], e["content"]["body"]) for e in seen} == sent


def test_repeated_transactions_among_others_leave_no_hole(server):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    old = {f"old{i}": send(alice, room, f"old{i}", f"old {i}").json["event_id"] for i in range(5)}
    # Each transaction three times at once, with ones that were used long before in between.
    jobs = [f"new{i // 3}" for i in range(60)] + list(old) * 3
    jobs.sort(key=lambda name: hash((name, "mixed")))
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda name: (name, send(alice, room, name, name)), jobs))
    ids = {}
    for name, answer in answers:
        assert answer.status == 200, answer
        assert ids.setdefault(name, answer.json["event_id"]) == answer.json["event_id"]
    assert all(ids[name] == event_id for name, event_id in old.items())
    events = everything(alice, room)
    seen = [e["event_id"] for e in events if e["type"] == "m.room.message"]
    assert sorted(seen) == sorted(ids.values())
    # No event stands on one that was never written.
    postgres = server.deployment.postgres
    holes = postgres.sql(f"SELECT event_id FROM event_backward_extremities WHERE room_id = '{room}'", server.deployment.database)
    assert holes == []


def test_two_workers_repeat_each_other_and_leave_no_hole(server):
    """Both hand runs of messages to the room's writer; each transaction goes to both, in the middle of their runs."""
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    bases = [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]
    for base in bases:
        assert send(alice, room, f"first{bases.index(base)}", "first", base).status == 200
    jobs = [(base, f"both{i}") for i in range(40) for base in bases]
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda job: (job[1], send(alice, room, job[1], job[1], job[0])), jobs))
    ids = {}
    for name, answer in answers:
        assert answer.status == 200, answer
        assert ids.setdefault(name, answer.json["event_id"]) == answer.json["event_id"]
    events = everything(alice, room)
    texts = [e["content"]["body"] for e in events if e["type"] == "m.room.message" and e["content"]["body"] != "first"]
    assert sorted(texts) == sorted(ids)
    assert {e["event_id"] for e in events} >= set(ids.values())
