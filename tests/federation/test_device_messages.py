"""Messages from devices of other servers to ours."""

import pytest

from lib.wait import until


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


def message(sender, messages, message_id, kind="m.test"):
    return "m.direct_to_device", {"sender": sender, "type": kind, "message_id": message_id, "messages": messages}


def test_theirs_come_in_once(home, remote):
    alice = home.register()
    phone = home.login(alice.user_id)
    sender = remote.user("u")
    for _ in range(2):
        remote.send(home.name, edus=[message(sender, {alice.user_id: {alice.device_id: {"n": 1}, "NOPE": {}}, "@x:elsewhere": {"*": {}}}, "id1")])
    remote.send(home.name, edus=[message(sender, {alice.user_id: {"*": {"n": 2}}}, "id2")])
    assert [m["content"] for m in inbox(alice, 2)] == [{"n": 1}, {"n": 2}]
    assert inbox(phone, 1) == [{"content": {"n": 2}, "type": "m.test", "sender": sender}]


def test_a_server_speaks_for_its_own_users_only(home, remote, remotes):
    alice = home.register()
    liar = remotes()
    liar.send(home.name, edus=[message(remote.user("u"), {alice.user_id: {"*": {"forged": 1}}}, "id3"),
                               message(alice.user_id, {alice.user_id: {"*": {"forged": 2}}}, "id4"),
                               message(liar.user("l"), {alice.user_id: {"*": {"true": 1}}}, "id5")])
    assert [m["content"] for m in inbox(alice, 1)] == [{"true": 1}]
    assert home.sql("SELECT message_id FROM device_federation_inbox WHERE message_id IN ('id3', 'id4')") == []


@pytest.mark.parametrize("wrong", [{}, {"sender": 5}, {"type": 5}, {"message_id": None}, {"message_id": "x" * 5000}, {"messages": []},
                                   {"messages": {"@a:b": 5}}, {"messages": {"@a:b": {"D": 5}}}, {"message_id": "a\0b"}])
def test_what_makes_no_sense_harms_nothing(home, remote, wrong):
    alice = home.register()
    content = {"sender": remote.user("u"), "type": "m.t", "message_id": "w", "messages": {alice.user_id: {"*": {"n": 1}}}}
    content = dict(content, **wrong) if wrong else {}
    remote.send(home.name, edus=[("m.direct_to_device", content),
                                 message(remote.user("u"), {alice.user_id: {"*": {"after": 1}}}, "fine")])
    assert {"after": 1} in [m["content"] for m in inbox(alice, 1)]
