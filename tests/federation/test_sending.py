"""What goes to other servers by itself, told by a server that the test plays."""

import json
import subprocess
import threading

import pytest

from lib.sending import body_is, delivered, forgive, shared_room
from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"


# ---- events ----

def test_message_in_order_and_once(home, remote):
    alice, room = shared_room(home, remote)
    sent = [alice.send(room, f"number {i}") for i in range(60)]
    remote.wait_pdu(body_is("number 59", room))
    got = [pdu["content"]["body"] for pdu in remote.pdus if pdu["room_id"] == room and pdu["type"] == "m.room.message"]
    assert got == [f"number {i}" for i in range(60)]
    assert len(sent) == 60
    for asked in remote.asked:
        if "/send/" in asked.path and asked.method == "PUT":
            assert asked.origin == home.name and asked.body["origin"] == home.name
            assert len(asked.body["pdus"]) <= 50 and len(asked.body.get("edus", [])) <= 100
            assert isinstance(asked.body["origin_server_ts"], int)
    pdu = next(p for p in remote.pdus if p["content"].get("body") == "number 0")
    assert "event_id" not in pdu and "age_ts" not in pdu.get("unsigned", {}) and home.name in pdu["signatures"]
    until(lambda: delivered(home, remote))


def test_state_and_members_go_out(home, remote):
    alice, room = shared_room(home, remote)
    alice.put_state(room, "m.room.topic", {"topic": "of the day"})
    bob = home.register()
    bob.join(room)
    remote.wait_pdu(lambda p: p["type"] == "m.room.topic" and p["content"]["topic"] == "of the day")
    remote.wait_pdu(lambda p: p["type"] == "m.room.member" and p["state_key"] == bob.user_id)


def test_rooms_of_ours_alone_stay_here(home, remote):
    alice, room = shared_room(home, remote)
    private = alice.create_room()
    alice.send(private, "between us")
    alice.send(room, "for all")
    remote.wait_pdu(body_is("for all"))
    assert not [p for p in remote.pdus if p["room_id"] == private]


def test_their_own_events_are_not_sent_back(home, remotes):
    one, two = remotes(), remotes()
    alice, room = shared_room(home, one)
    two.join(home.name, room)
    # the join of two went through us: one hears of it, two does not
    one.wait_pdu(lambda p: p["type"] == "m.room.member" and p["state_key"] == two.user("joiner"))
    alice.send(room, "after the join")
    two.wait_pdu(body_is("after the join"))
    assert not [p for p in two.pdus if p["sender"].endswith(":" + two.name)]


def test_a_ban_of_the_last_user_is_told(home, remote):
    alice, room = shared_room(home, remote)
    user = remote.user("joiner")
    alice.send(room, "before")
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room)}/ban", {"user_id": user})
    alice.send(room, "behind your back")
    remote.wait_pdu(lambda p: p["type"] == "m.room.member" and p.get("state_key") == user and p["content"]["membership"] == "ban")
    alice2, room2 = shared_room(home, remote, "second")
    alice2.send(room2, "later")
    remote.wait_pdu(body_is("later"))
    assert not [p for p in remote.pdus if p["content"].get("body") == "behind your back"]


def test_our_last_user_says_good_bye(home, remote):
    alice, room = shared_room(home, remote)
    alice.leave(room)
    remote.wait_pdu(lambda p: p["type"] == "m.room.member" and p.get("state_key") == alice.user_id and p["content"]["membership"] == "leave")


# ---- servers that are slow, or dead ----

def test_a_dead_server_holds_nobody_up(home, remotes):
    well, dead = remotes(), remotes()
    alice, room = shared_room(home, well)
    dead.join(home.name, room)
    dead.down = True
    for i in range(20):
        alice.send(room, f"quick {i}")
    well.wait_pdu(body_is("quick 19"))


def test_a_slow_server_gets_full_transactions(home, remote):
    alice, room = shared_room(home, remote)
    remote.answering.clear()
    for i in range(60):
        alice.send(room, f"heap {i}")
    remote.answering.set()
    remote.wait_pdu(body_is("heap 59"))
    sizes = [len(body["pdus"]) for body in remote.transactions.values()]
    assert max(sizes) > 10 and max(sizes) <= 50, sizes


# ---- passing news ----

def test_typing(home, remote):
    alice, room = shared_room(home, remote)
    path = f"{CLIENT}/rooms/{quote(room)}/typing/{quote(alice.user_id)}"
    alice.ok("PUT", path, {"typing": True, "timeout": 30000})
    remote.wait_edu("m.typing", lambda c: c == {"room_id": room, "user_id": alice.user_id, "typing": True})
    alice.ok("PUT", path, {"typing": False})
    remote.wait_edu("m.typing", lambda c: c == {"room_id": room, "user_id": alice.user_id, "typing": False})


def test_receipts(home, remote):
    alice, room = shared_room(home, remote)
    event = alice.send(room, "read me")
    root = f"{CLIENT}/rooms/{quote(room)}/receipt"
    alice.ok("POST", f"{root}/m.read.private/{quote(event)}", {})
    alice.ok("POST", f"{root}/m.read/{quote(event)}", {"thread_id": "main"})
    found = remote.wait_edu("m.receipt", lambda c: alice.user_id in c.get(room, {}).get("m.read", {}))
    mine = found[room]["m.read"][alice.user_id]
    assert mine["event_ids"] == [event] and mine["data"]["thread_id"] == "main" and mine["data"]["ts"] > 0
    assert not [e for e in remote.edus if "m.read.private" in json.dumps(e)]


def test_presence(home, remote):
    alice, room = shared_room(home, remote)
    alice.ok("PUT", f"{CLIENT}/presence/{quote(alice.user_id)}/status", {"presence": "online", "status_msg": "building"})
    found = remote.wait_edu("m.presence", lambda c: any(p["user_id"] == alice.user_id and p.get("status_msg") == "building" for p in c["push"]))
    mine = next(p for p in found["push"] if p["user_id"] == alice.user_id)
    assert mine["presence"] == "online" and mine["last_active_ago"] >= 0


def test_many_readers_share_transactions(home, remote):
    """A room's receipts go together: far fewer transactions than receipts."""
    alice, room = shared_room(home, remote)
    readers = [home.register() for _ in range(20)]
    for reader in readers:
        reader.join(room)
    event = alice.send(room, "read by many")
    remote.wait_pdu(body_is("read by many"))
    remote.answering.clear()
    threads = [threading.Thread(target=reader.ok, args=("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {}))
               for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remote.answering.set()

    def read():
        seen = set()
        for edu in list(remote.edus):
            if edu["edu_type"] == "m.receipt":
                seen |= set(edu["content"].get(room, {}).get("m.read", {}))
        return seen >= {reader.user_id for reader in readers}

    until(read)
    carried = [body for body in remote.transactions.values() if any(e["edu_type"] == "m.receipt" for e in body["edus"])]
    assert len(carried) < len(readers)


# ---- messages to devices ----

def outbox(home, destination, user, n):
    """Messages m0, m1, ... that wait for a server."""
    contents = [{"sender": "@sender:" + home.name, "type": "m.test", "message_id": f"m{i}", "messages": {user: {"*": {"n": i}}}} for i in range(n)]
    rows = ",".join(f"('{destination}', nextval('device_inbox_sequence'), 1, '{json.dumps(content)}', 'master')" for content in contents)
    home.sql(f"INSERT INTO device_federation_outbox (destination, stream_id, queued_ts, messages_json, instance_name) VALUES {rows}")


def test_messages_to_devices_leave_the_outbox(home, remote):
    alice, room = shared_room(home, remote)
    outbox(home, remote.name, remote.user("joiner"), 150)
    forgive(home, remote)
    alice.send(room, "go")  # whatever is sent takes along what waits, once it is known
    until(lambda: home.sql(f"SELECT count(*) FROM device_federation_outbox WHERE destination = '{remote.name}'")[0][0] == "0")
    got = [e["content"]["message_id"] for e in remote.edus if e["edu_type"] == "m.direct_to_device"]
    assert got == [f"m{i}" for i in range(150)]


def test_position_is_kept(home, remote):
    alice, room = shared_room(home, remote)
    alice.send(room, "moves it")
    remote.wait_pdu(body_is("moves it"))
    senders = {row[0] for row in home.sql("SELECT instance_name FROM federation_stream_position")}
    assert senders == ({"master"} if home.monolith else {"federation_sender1"})
    until(lambda: home.sql("SELECT 1 FROM federation_stream_position WHERE type = 'events' AND stream_id >= "
                           f"(SELECT max(stream_ordering) FROM events WHERE room_id = '{room}')"))


def test_synapse_finds_the_servers_of_an_event(home, remote):
    """Senders of Synapse beside us look into Redis for the state before an event of ours and the servers in it."""
    if home.monolith:
        pytest.skip("there is no Redis")
    redis = home.deployment.redis

    def kept(key):
        done = subprocess.run(["redis-cli", "-p", str(redis.port), "-a", redis.password, "--no-auth-warning", "GET", f"cache_v1:{key}"],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()

    alice, room = shared_room(home, remote)
    event = alice.send(room, "looked up")
    remote.wait_pdu(body_is("looked up"))
    group = kept(f"event_to_prev_state_group:{event}")
    assert group == home.sql(f"SELECT state_group FROM event_to_state_groups WHERE event_id = '{event}'")[0][0]
    assert sorted(json.loads(kept(f"get_joined_hosts:{group}"))) == sorted([home.name, remote.name])


def test_an_admin_resets_a_connection(home, remote):
    alice, room = shared_room(home, remote)
    alice.send(room, "first")
    remote.wait_pdu(body_is("first"))
    until(lambda: delivered(home, remote))
    remote.on("PUT", "/_matrix/federation/v1/send/(.*)", (400, {"errcode": "M_UNKNOWN", "error": "not today"}))
    alice.send(room, "refused")
    until(lambda: home.sql(f"SELECT 1 FROM destinations WHERE destination = '{remote.name}' AND retry_interval > 0"), 60)
    remote.off()
    admin = home.register()
    home.sql(f"UPDATE users SET admin = 1 WHERE name = '{admin.user_id}'")
    admin = home.login(admin.user_id)
    admin.ok("POST", f"/_synapse/admin/v1/federation/destinations/{quote(remote.name)}/reset_connection", {})
    remote.wait_pdu(body_is("refused"))
