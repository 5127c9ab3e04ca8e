"""Messages from device to device: sent once, delivered by any process, deleted when the next sync acknowledges them."""

import threading
import time

from lib.rooms import CLIENT, refused
from lib.server import quote, request
from lib.sliding import settle


def path(kind, txn):
    return f"{CLIENT}/sendToDevice/{quote(kind)}/{quote(txn)}"


def send(user, txn, messages, kind="x.test", **kwargs):
    """Told to its writer, of which others hear later: what is read next may have to wait until all is settled."""
    return user.ok("PUT", path(kind, txn), {"messages": messages}, **kwargs)


def received(answer):
    return answer.get("to_device", {}).get("events", [])


def rows(server, statement):
    return server.deployment.postgres.sql(statement, server.deployment.database)


def inbox(server, user):
    return rows(server, f"SELECT stream_id FROM device_inbox WHERE user_id = '{user.user_id}' AND device_id = '{user.device_id}'")


def workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def test_delivery_and_acknowledgement(server):
    alice, bob = server.register(), server.register()
    one, two = workers(server)
    since = bob.sync(base=one)["next_batch"]
    assert send(alice, "1", {bob.user_id: {bob.device_id: {"a": 1.5, "b": "\u00e9"}}}, base=two) == {}
    answer = bob.sync(since, timeout=10000, base=one)
    assert received(answer) == [{"type": "x.test", "sender": alice.user_id, "content": {"a": 1.5, "b": "\u00e9"}}]
    assert received(bob.sync(since, timeout=10000, base=two)) == received(answer)  # the same since, the same answer
    assert len(inbox(server, bob)) == 1
    later = bob.sync(answer["next_batch"], base=two)
    assert not received(later) and not inbox(server, bob)
    assert not received(bob.sync(since, base=one))  # it was acknowledged


def test_who_starts_afresh_gets_what_waits(server):
    alice, bob = server.register(), server.register()
    send(alice, "1", {bob.user_id: {bob.device_id: {"n": 1}}})
    settle(bob)
    first = bob.sync()
    assert [e["content"] for e in received(first)] == [{"n": 1}]
    assert received(bob.sync()) == received(first)
    assert not received(bob.sync(first["next_batch"]))
    assert not received(bob.sync())


def test_every_device_and_only_those_that_exist(server):
    alice, bob = server.register(), server.register()
    phone = server.login(bob.user_id)
    send(alice, "1", {bob.user_id: {"*": {"n": 1}}, "@nobody:" + server.name: {"*": {}}, "no user id": {"*": {}}})
    send(alice, "2", {bob.user_id: {phone.device_id: {"n": 2}, "NOSUCH": {"n": 3}}})
    send(alice, "3", {bob.user_id: {"*": {"n": 4}, phone.device_id: {"n": 5}}})  # "*" beside another is a name like any
    settle(bob)
    assert [e["content"]["n"] for e in received(bob.sync())] == [1]
    assert [e["content"]["n"] for e in received(phone.sync())] == [1, 2, 5]
    assert len(rows(server, f"SELECT DISTINCT stream_id FROM device_inbox WHERE user_id = '{bob.user_id}'")) == 3


def test_a_transaction_runs_once(server):
    alice, bob = server.register(), server.register()
    message = {bob.user_id: {bob.device_id: {"n": 1}}}
    together = [threading.Thread(target=send, args=(alice, "same", message), kwargs={"base": base})
                for base in workers(server) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    send(alice, "same", message)
    assert len(inbox(server, bob)) == 1
    send(alice, "same", message, kind="x.other")  # another type is another transaction
    send(server.login(alice.user_id), "same", message)  # and so is another device's
    assert len(inbox(server, bob)) == 3


def test_a_refused_transaction_may_be_tried_again(server):
    alice, bob = server.register(), server.register()
    refused(alice.call("PUT", path("x.test", "t"), {"messages": {bob.user_id: {bob.device_id: 5}}}), 400, "M_BAD_JSON")
    send(alice, "t", {bob.user_id: {bob.device_id: {"n": 1}}})
    assert len(inbox(server, bob)) == 1


def test_many_messages_come_in_batches_of_a_hundred(server):
    alice, bob = server.register(), server.register()
    since = bob.sync()["next_batch"]
    for i in range(205):
        send(alice, f"t{i}", {bob.user_id: {bob.device_id: {"n": i}}})
    settle(bob)
    seen, sizes = [], []
    for base in workers(server) * 2:
        answer = bob.sync(since, base=base)
        sizes.append(len(received(answer)))
        seen += [e["content"]["n"] for e in received(answer)]
        since = answer["next_batch"]
    assert sizes == [100, 100, 5, 0] and seen == list(range(205))
    assert not inbox(server, bob)


def test_a_reader_that_moves_gets_each_message_once_and_in_order(server):
    """Eight send at once by way of any process, while one client reads on, each time at another process."""
    bob, senders, each = server.register(), [server.register() for _ in range(8)], 40
    bases = workers(server)

    def talk(number, user):
        for i in range(each):
            send(user, f"m{i}", {bob.user_id: {bob.device_id: {"by": number, "n": i}}}, base=bases[(number + i) % 2])

    threads = [threading.Thread(target=talk, args=pair) for pair in enumerate(senders)]
    since, seen, turn = bob.sync(base=bases[0])["next_batch"], [], 0
    for thread in threads:
        thread.start()
    while len(seen) < len(senders) * each:
        turn += 1
        answer = bob.sync(since, timeout=5000, base=bases[turn % 2])
        assert received(answer), f"{len(seen)} came, then none for five seconds"
        seen += [(e["content"]["by"], e["content"]["n"]) for e in received(answer)]
        since = answer["next_batch"]
    for thread in threads:
        thread.join()
    assert [[n for by, n in seen if by == number] for number in range(len(senders))] == [list(range(each))] * len(senders)
    assert not received(bob.sync(since, base=bases[0])) and not inbox(server, bob)


def test_refusals(server):
    alice, bob = server.register(), server.register()
    refused(alice.call("PUT", path("x", "1"), {}), 400, "M_MISSING_PARAM")
    for bad in ([], 5, None, {bob.user_id: []}, {bob.user_id: {"D": 5}}, {bob.user_id: {"D": []}}, {bob.user_id: None}):
        refused(alice.call("PUT", path("x", "1"), {"messages": bad}), 400, "M_BAD_JSON")
    header = {"Authorization": f"Bearer {alice.token}"}
    for raw in (b"[]", b"{", b'{"messages":{"\\u0000":{"D":{}}}}'):
        assert request("PUT", server.base_url + path("x", "1"), raw=raw, headers=header).status == 400
    too_large = {bob.user_id: {bob.device_id: {"b": "x" * 65536}}}
    refused(alice.call("PUT", path("x", "1"), {"messages": too_large}), 413, "M_TOO_LARGE")
    assert request("PUT", server.base_url + path("x", "1"), {"messages": {}}).status == 401
    assert not inbox(server, bob)


def test_a_forged_token_deletes_nothing_that_comes_later(server):
    alice, bob = server.register(), server.register()
    parts = bob.sync()["next_batch"].split("_")
    forged = "_".join(parts[:6] + ["9" * 15] + parts[7:])
    assert bob.call("GET", f"{CLIENT}/sync", since=forged).status in (200, 400)
    send(alice, "1", {bob.user_id: {bob.device_id: {"n": 1}}})
    found, _ = bob.sync_until(received, "_".join(parts))
    assert [e["content"] for e in found] == [{"n": 1}]


def test_a_removed_device_leaves_nothing(server):
    alice, bob = server.register(), server.register()
    phone = server.login(bob.user_id)
    send(alice, "1", {bob.user_id: {"*": {"n": 1}}})
    assert inbox(server, phone)
    phone.ok("POST", f"{CLIENT}/logout", {})
    assert not inbox(server, phone) and inbox(server, bob)


def test_floods_of_key_requests_are_lost_without_a_word(server):
    """More than rc_key_requests allows at once (100, and 20 a second): a refusal would only be retried."""
    alice, bob = server.register(), server.register()
    begun = time.monotonic()
    for i in range(200):
        send(alice, f"t{i}", {bob.user_id: {bob.device_id: {"n": i}}}, kind="m.room_key_request")
    took = time.monotonic() - begun
    assert 100 <= len(inbox(server, bob)) <= 101 + 20 * took  # all of them, where sending took five seconds
    send(alice, "other", {bob.user_id: {bob.device_id: {"n": 1}}})
    assert any(e["type"] == "x.test" for base in workers(server) for e in _all(bob, base))


def _all(user, base):
    found, since = [], None
    while True:
        answer = user.sync(since, base=base)
        if not received(answer):
            return found
        found, since = found + received(answer), answer["next_batch"]
