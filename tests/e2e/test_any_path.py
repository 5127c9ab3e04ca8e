"""Any process takes any path: what it cannot serve itself is answered by the one that can."""

import threading

from lib.server import quote, request


def test_what_only_main_serves_is_answered_at_a_worker(server):
    alice = server.register()
    worker = server.worker_url("generic_worker2")
    assert alice.call("POST", "/_matrix/client/v3/logout", {}, base=worker).status == 200
    assert alice.call("GET", "/_matrix/client/v3/account/whoami").json["errcode"] == "M_UNKNOWN_TOKEN"
    nonce = request("GET", worker + "/_synapse/admin/v1/register")
    assert nonce.status in (200, 404)  # the admin API is forwarded only where the listener serves it


def test_typing_at_a_process_that_does_not_write_it(server):
    """generic_worker1 writes typing; it is said at the other one and heard at both."""
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    two = server.worker_url("generic_worker2")
    since = bob.sync(base=two)["next_batch"]
    path = f"/_matrix/client/v3/rooms/{quote(room)}/typing/{quote(alice.user_id)}"
    alice.ok("PUT", path, {"typing": True, "timeout": 30000}, base=two)

    def typists(answer):
        events = answer.get("rooms", {}).get("join", {}).get(room, {}).get("ephemeral", {}).get("events", [])
        return next((e["content"]["user_ids"] for e in events if e["type"] == "m.typing"), None)

    found, since = bob.sync_until(typists, since)
    assert found == [alice.user_id]
    alice.ok("PUT", path, {"typing": False}, base=server.worker_url("generic_worker1"))
    found, _ = bob.sync_until(lambda a: typists(a) == [] and "nobody", since)
    assert found == "nobody"


def test_a_receipt_at_a_process_that_does_not_write_it(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    event = alice.send(room, "read me")
    since = alice.sync()["next_batch"]
    bob.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {}, base=server.worker_url("generic_worker2"))

    def receipt(answer):
        events = answer.get("rooms", {}).get("join", {}).get(room, {}).get("ephemeral", {}).get("events", [])
        return next((e["content"][event]["m.read"] for e in events if e["type"] == "m.receipt" and event in e["content"]), None)

    found, _ = alice.sync_until(receipt, since)
    assert list(found) == [bob.user_id] and found[bob.user_id]["ts"] > 0


def test_account_data_at_any_process(server):
    alice = server.register()
    path = f"/_matrix/client/v3/user/{quote(alice.user_id)}/account_data/org.example.colour"
    since = alice.sync(base=server.worker_url("generic_worker1"))["next_batch"]
    alice.ok("PUT", path, {"colour": "blue"}, base=server.worker_url("generic_worker2"))
    assert alice.ok("GET", path, base=server.worker_url("generic_worker1")) == {"colour": "blue"}
    found, _ = alice.sync_until(lambda a: [e for e in a.get("account_data", {}).get("events", []) if e["type"] == "org.example.colour"], since)
    assert found[0]["content"] == {"colour": "blue"}


def test_unknown_paths_and_methods(server):
    for base in (server.base_url, server.worker_url("generic_worker1")):
        answer = request("GET", base + "/_matrix/client/v3/no/such/path")
        assert answer.status == 404 and answer.json["errcode"] == "M_UNRECOGNIZED"
        answer = request("DELETE", base + "/_matrix/client/v3/createRoom")
        assert answer.status == 405 and answer.json["errcode"] == "M_UNRECOGNIZED"


def test_replication_is_not_to_be_had_through_the_front(server):
    for path in ("/_synapse/replication/get_repl_stream_updates/typing?from_token=0&upto_token=1", "/_ganglion/forward/_matrix/client/versions"):
        assert request("GET", server.base_url + path).status in (403, 404)


def test_concurrent_senders_in_one_room_at_two_processes(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    sent, failures = [], []

    def talk(user, base, name):
        for i in range(15):
            try:
                sent.append(user.send(room, f"{name} {i}", base=base))
            except AssertionError as error:
                failures.append(error)

    threads = [threading.Thread(target=talk, args=(alice, server.worker_url("generic_worker1"), "alice")),
               threading.Thread(target=talk, args=(bob, server.worker_url("generic_worker2"), "bob"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    stored = [e["event_id"] for e in alice.messages(room, limit=100)["chunk"] if e["type"] == "m.room.message"]
    assert sorted(stored) == sorted(sent) and len(set(sent)) == 30
