"""What other servers are sent of our users' devices: changes of their lists, and messages to their devices."""

import json

from lib.keys import KEYS, CrossSigning, Device
from lib.rooms import CLIENT
from lib.wait import until


# ---- lists ----

def updates(remote, user, n):
    found = until(lambda: (lambda e: e if len(e) >= n else None)(
        [e["content"] for e in list(remote.edus) if e["edu_type"] == "m.device_list_update" and e["content"]["user_id"] == user.user_id]))
    return found


def test_changes_of_ours_are_told_in_a_chain(home, remote):
    alice = home.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, room, "bob")
    Device(alice).upload()
    first = updates(remote, alice, 1)[0]
    assert first["device_id"] == alice.device_id and first["keys"]["device_id"] == alice.device_id
    assert "device_display_name" not in first and first["prev_id"] == []
    phone = home.login(alice.user_id)
    second = updates(remote, alice, 2)[1]
    assert second["device_id"] == phone.device_id and second["prev_id"] == [first["stream_id"]] and "keys" not in second
    phone.ok("POST", f"{CLIENT}/logout", {})
    third = updates(remote, alice, 3)[2]
    assert third == {"user_id": alice.user_id, "device_id": phone.device_id, "deleted": True, "prev_id": [second["stream_id"]],
                     "stream_id": third["stream_id"]}
    until(lambda: home.sql(f"SELECT stream_id FROM device_lists_outbound_last_success WHERE user_id = '{alice.user_id}'") == [[str(third["stream_id"])]])
    assert home.sql(f"SELECT count(*) FROM device_lists_outbound_pokes WHERE user_id = '{alice.user_id}'") == [["0"]]


def test_signing_keys_of_ours_are_told_under_both_names(home, remote):
    alice = home.register()
    remote.join(home.name, alice.create_room(preset="public_chat", room_version="10"), "bob")
    Device(alice).upload()
    keys = CrossSigning(alice).keys()
    alice.ok("POST", f"{KEYS}/device_signing/upload", keys)
    for name in ("m.signing_key_update", "org.matrix.signing_key_update"):
        content = remote.wait_edu(name, lambda c: c["user_id"] == alice.user_id)
        assert content["master_key"]["keys"] == keys["master_key"]["keys"]
        assert content["self_signing_key"]["keys"] == keys["self_signing_key"]["keys"] and "user_signing_key" not in content


def test_a_server_that_was_away_hears_the_last_of_each(home, remote):
    alice = home.register()
    remote.join(home.name, alice.create_room(preset="public_chat", room_version="10"), "bob")
    Device(alice).upload()
    first = updates(remote, alice, 1)[0]
    remote.down = True
    for i in range(3):
        alice.ok("PUT", f"{CLIENT}/devices/{alice.device_id}", {"display_name": f"name {i}"})
    waiting = f"SELECT count(*) FROM device_lists_outbound_pokes WHERE user_id = '{alice.user_id}'"
    until(lambda: home.sql(waiting) == [["3"]])
    remote.down = False
    remote.send(home.name)  # it is back
    second = updates(remote, alice, 2)[1]
    assert second["prev_id"] == [first["stream_id"]]
    until(lambda: home.sql(waiting) == [["0"]])


def test_servers_without_our_users_hear_nothing(home, remotes):
    alice = home.register()
    near, far = remotes(), remotes()
    near.join(home.name, alice.create_room(preset="public_chat", room_version="10"), "bob")
    far.join(home.name, home.register().create_room(preset="public_chat", room_version="10"), "carol")
    Device(alice).upload()
    updates(near, alice, 1)
    assert not [e for e in far.edus if e["edu_type"] == "m.device_list_update"]
    assert {row[0] for row in home.sql("SELECT DISTINCT destination FROM device_lists_outbound_last_success "
                                       f"WHERE user_id = '{alice.user_id}'")} <= {near.name}


# ---- messages ----

def send(user, kind, messages, txn, **kwargs):
    return user.call("PUT", f"{CLIENT}/sendToDevice/{kind}/{txn}", {"messages": messages}, **kwargs)


def inbox(user, n, since=None):
    got = []

    def look():
        nonlocal since
        answer = user.sync(since)
        since = answer["next_batch"]
        got.extend(answer.get("to_device", {}).get("events", []))
        return len(got) >= n or None
    until(look)
    return got


def test_ours_go_out(home, remotes):
    alice, bob = home.register(), home.register()
    one, two = remotes(), remotes()
    answer = send(alice, "m.test", {one.user("u"): {"A": {"n": 1}, "B": {"n": 2}}, one.user("v"): {"*": {"n": 3}}, two.user("w"): {"C": {"n": 4}},
                                    bob.user_id: {bob.device_id: {"n": 5}}}, "t1")
    assert answer.status == 200
    assert inbox(bob, 1) == [{"content": {"n": 5}, "type": "m.test", "sender": alice.user_id}]
    first, second = one.wait_edu("m.direct_to_device"), two.wait_edu("m.direct_to_device")
    assert first["messages"] == {one.user("u"): {"A": {"n": 1}, "B": {"n": 2}}, one.user("v"): {"*": {"n": 3}}}
    assert second["messages"] == {two.user("w"): {"C": {"n": 4}}}
    assert (first["sender"], first["type"]) == (alice.user_id, "m.test") and first["message_id"] != second["message_id"]
    until(lambda: home.sql(f"SELECT count(*) FROM device_federation_outbox WHERE destination IN ('{one.name}', '{two.name}')") == [["0"]])


def test_many_large_ones_arrive_whole(home, remote):
    alice = home.register()
    messages = {remote.user("u"): {f"D{i}": {"text": "x" * 20000, "n": i} for i in range(10)}}
    assert send(alice, "m.test", messages, "t2").status == 200
    got = until(lambda: (lambda g: g if len(g) == 10 else None)({
        device: content for edu in list(remote.edus) if edu["edu_type"] == "m.direct_to_device"
        for devices in edu["content"]["messages"].values() for device, content in devices.items()}))
    assert got == messages[remote.user("u")]
    for edu in remote.edus:
        assert len(json.dumps(edu["content"], separators=(",", ":"))) <= 65536
    assert send(alice, "m.test", {remote.user("u"): {"D": {"text": "x" * 65536}}}, "t3").status == 413


def test_they_wait_for_a_server_that_is_away(home, remote):
    alice = home.register()
    remote.down = True
    assert send(alice, "m.test", {remote.user("u"): {"A": {"n": 1}}}, "t4").status == 200
    waiting = f"SELECT count(*) FROM device_federation_outbox WHERE destination = '{remote.name}'"
    assert home.sql(waiting) == [["1"]]
    remote.down = False
    remote.send(home.name)
    assert remote.wait_edu("m.direct_to_device")["messages"] == {remote.user("u"): {"A": {"n": 1}}}
    until(lambda: home.sql(waiting) == [["0"]])
