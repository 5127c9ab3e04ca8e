"""matrix-js-sdk with its Rust crypto over the split: each user at another worker."""

PASSWORD = "a good password"


def connect(server, client, user, worker, sliding=False, device="one"):
    start = client.connect_sliding if sliding else client.connect
    return start(base=server.worker_url(worker), user=user.user_id, password=PASSWORD, device=device)


def test_two_users_verify_each_other_and_talk_in_secret(server, sdk):
    alice, bob = server.register(password=PASSWORD), server.register(password=PASSWORD)
    hers, his = sdk(), sdk()
    connect(server, hers, alice, "generic_worker1")
    connect(server, his, bob, "generic_worker2")
    key = hers.bootstrap()
    assert key["ready"] and his.bootstrap()["ready"]

    room = hers.create_room(name="Secrets", invite=[bob.user_id])
    his.join(room_id=room)
    hers.has_members(room_id=room, users=[alice.user_id, bob.user_id])
    asking = hers.start("ask_to_verify", room_id=room, user=bob.user_id)
    answering = his.start("answer_verification", user=alice.user_id)
    assert asking.result(60) == answering.result(60), "both have read the same numbers"
    assert hers.trusts(user=bob.user_id) and his.trusts(user=alice.user_id)

    first = hers.send(room_id=room, body="first")
    seen = his.sees(room_id=room, event_id=first, like={"body": "first", "encrypted": True})
    assert not seen["failed"]
    edited = his.send(room_id=room, body="tpyo")
    his.edit(room_id=room, event_id=edited, body="typo")
    hers.sees(room_id=room, event_id=edited, like={"body": "typo"})
    gone = hers.send(room_id=room, body="never said")
    his.sees(room_id=room, event_id=gone, like={"body": "never said"})
    hers.redact(room_id=room, event_id=gone)
    his.sees(room_id=room, event_id=gone, like={"redacted": True})
    inside = his.reply_in_thread(room_id=room, root=first, body="in the thread")
    hers.sees(room_id=room, event_id=inside, like={"body": "in the thread", "thread": first})
    assert hers.thread(room_id=room, root=first, length=1)["length"] == 1
    for i in range(40):
        last = his.send(room_id=room, body=f"message {i}")
    hers.sees(room_id=room, event_id=last, like={"body": "message 39"})

    # A new device reads what was said before it was there, with keys from the backup, and pages back to it.
    hers.backed_up(keys=2)
    new = sdk()
    connect(server, new, alice, "generic_worker2", device="two")
    restored = new.recover(recovery_key=key["recovery_key"])
    assert restored["ready"] and restored["imported"] == restored["total"] >= 2, restored
    order = new.scroll_back(room_id=room, to=first)
    assert len(set(order)) == len(order), "no event twice"
    assert not new.sees(room_id=room, event_id=first, like={"body": "first"})["failed"]
    assert new.trusts(user=bob.user_id)


def test_sliding_sync_goes_on_at_another_worker(server, sdk):
    alice, bob = server.register(password=PASSWORD), server.register(password=PASSWORD)
    hers, his = sdk(), sdk()
    connect(server, hers, alice, "generic_worker1", sliding=True)
    connect(server, his, bob, "generic_worker2")
    assert hers.bootstrap()["ready"]
    room = hers.create_room(name="Sliding", invite=[bob.user_id])
    his.join(room_id=room)
    hers.has_members(room_id=room, users=[alice.user_id, bob.user_id])
    assert {"id": room, "name": "Sliding", "membership": "join"} in hers.rooms()
    his.sees(room_id=room, event_id=hers.send(room_id=room, body="here"), like={"body": "here"})
    hers.sees(room_id=room, event_id=his.send(room_id=room, body="there"), like={"body": "there"})
    assert hers.go_on_at(base=server.worker_url("generic_worker2"))["failures"] == []
    hers.sees(room_id=room, event_id=his.send(room_id=room, body="after the move"), like={"body": "after the move"})
