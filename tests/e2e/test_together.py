"""Requests that are written together: one that is refused fails alone, order is kept, nothing is had twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

from lib.keys import KEYS, Device, claim
from lib.rooms import CLIENT
from lib.server import quote
from lib.wait import until

AT_ONCE = 8


def together(calls):
    """All of them begin at the same moment; their results in order."""
    start = threading.Barrier(len(calls))

    def run(call):
        start.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def upload(user, **body):
    return user.call("POST", f"{KEYS}/upload", body)


def counts(user):
    return user.ok("POST", f"{KEYS}/upload", {})["one_time_key_counts"]["signed_curve25519"]


def test_a_refused_upload_leaves_the_others(server):
    users = [server.register() for _ in range(AT_ONCE)]
    devices = [Device(user) for user in users]
    first = devices[0].one_time("first")
    assert upload(users[0], one_time_keys={"signed_curve25519:A": first}).status == 200
    for turn in range(5):
        keys = {"signed_curve25519:A": devices[0].one_time(f"other {turn}"), f"signed_curve25519:L{turn}": first}
        calls = [lambda: upload(users[0], device_keys=devices[0].keys(), one_time_keys=keys)]
        calls += [lambda user=user, device=device: upload(user, one_time_keys={f"signed_curve25519:{turn}": device.one_time(str(turn))},
                                                          fallback_keys={"signed_curve25519:F": {**device.one_time(str(turn)), "fallback": True}})
                  for user, device in zip(users[1:], devices[1:])]
        answers = together(calls)
        assert [answer.status for answer in answers] == [400] + [200] * (AT_ONCE - 1)
        assert answers[0].json["errcode"] == "M_UNKNOWN"
    until(lambda: [counts(user) for user in users] == [1] + [5] * (AT_ONCE - 1))
    asked = users[1].ok("POST", f"{KEYS}/query", {"device_keys": {users[0].user_id: []}})
    assert asked["device_keys"][users[0].user_id] == {}  # nothing of what was refused
    assert claim(users[1], users[0]) == {"signed_curve25519:A": first}


def test_uploads_of_one_device_add_up(server):
    user = server.register()
    device = Device(user)
    answers = together([lambda i=i: upload(user, one_time_keys={f"signed_curve25519:{i}": device.one_time(str(i))},
                                           fallback_keys={"signed_curve25519:F": {**device.one_time(f"f{i}"), "fallback": True}})
                        for i in range(AT_ONCE)])
    assert [answer.status for answer in answers] == [200] * AT_ONCE
    until(lambda: counts(user) == AT_ONCE)


def test_claims_share_what_there_is(server):
    owner, asking = server.register(), server.register()
    device = Device(owner)
    given = {f"signed_curve25519:{i}": device.one_time(str(i)) for i in range(AT_ONCE // 2)}
    fallback = {**device.one_time("f"), "fallback": True}
    assert upload(owner, one_time_keys=given, fallback_keys={"signed_curve25519:F": fallback}).status == 200
    had = together([lambda: claim(asking, owner) for _ in range(AT_ONCE)])
    names = sorted(name for answer in had for name in answer)
    assert names == sorted(given) + ["signed_curve25519:F"] * (AT_ONCE - len(given))
    assert owner.sync()["device_unused_fallback_key_types"] == []


def test_messages_of_many_senders(server):
    """All come once, those of each sender in its order."""
    bob, senders, each = server.register(), [server.register() for _ in range(AT_ONCE)], 6
    path = f"{CLIENT}/sendToDevice/x.test"
    since = bob.sync()["next_batch"]

    def talk(user):
        for i in range(each):
            devices = {"*": {"n": i}} if i == 3 else {bob.device_id: {"n": i}, "NOSUCH": {"n": -1}}
            user.ok("PUT", f"{path}/{i}", {"messages": {bob.user_id: devices, user.user_id: {user.device_id: {"own": i}}}})

    together([lambda user=user: talk(user) for user in senders])
    events = []

    def all_came():
        nonlocal since
        answer = bob.sync(since, timeout=1000)
        events.extend(answer.get("to_device", {}).get("events", []))
        since = answer["next_batch"]
        return len(events) >= AT_ONCE * each

    until(all_came)
    for user in senders:
        assert [e["content"]["n"] for e in events if e["sender"] == user.user_id] == list(range(each))
        own = user.sync().get("to_device", {}).get("events", [])
        assert [e["content"]["own"] for e in own] == list(range(each))


def test_counts_of_many_are_each_ones_own(server):
    """A message wakes all who wait: how much is new for each of them is asked for in one statement."""
    alice, users = server.register(), [server.register() for _ in range(AT_ONCE)]
    rooms = [alice.create_room(preset="public_chat") for _ in range(2)]
    for user in users:
        for room in rooms:
            user.join(room)
    for i, user in enumerate(users):  # each has read one more than the one before
        event = [alice.send(room, f"{i}") for room in rooms][0]
        user.ok("POST", f"{CLIENT}/rooms/{quote(rooms[0])}/receipt/m.read/{quote(event)}", {})

    def counts_of(user):
        joined = user.sync()["rooms"]["join"]
        return [joined[room]["unread_notifications"]["notification_count"] for room in rooms]

    wanted = [[AT_ONCE - 1 - i, AT_ONCE] for i in range(AT_ONCE)]
    until(lambda: together([lambda user=user: counts_of(user) for user in users]) == wanted)


def test_what_users_keep_and_read(server):
    """Account data, tags, an ignored user and receipts, all set at the same moment, are all there in one sync; of two that one user sets
    for the same thing one stands."""
    users = [server.register() for _ in range(AT_ONCE)]
    room = users[0].create_room(preset="public_chat")
    event = users[0].send(room, "read this")
    for user in users[1:]:
        user.join(room)
    since = [user.sync()["next_batch"] for user in users]

    def account(user, rest, **body):
        return user.call("PUT", f"{CLIENT}/user/{quote(user.user_id)}/{rest}", body)

    calls = [lambda user=user, n=n: account(user, "account_data/x.test", n=n) for user in users for n in (1, 2)]
    calls += [lambda user=user: account(user, f"rooms/{quote(room)}/account_data/x.test", here=user.user_id) for user in users]
    calls += [lambda user=user: account(user, f"rooms/{quote(room)}/tags/u.x", order=0.5) for user in users]
    calls += [lambda user=user: account(user, "account_data/m.ignored_user_list", ignored_users={f"@{user.user_id[1:3]}nobody:x": {}}) for user in users]
    calls += [lambda user=user: user.call("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {}) for user in users]
    assert [answer.status for answer in together(calls)] == [200] * len(calls)

    def told(user, start):
        answer = user.sync(start)
        joined = answer["rooms"]["join"].get(room, {}) if "rooms" in answer else {}
        data = {e["type"]: e["content"] for e in answer.get("account_data", {}).get("events", [])}
        here = {e["type"]: e["content"] for e in joined.get("account_data", {}).get("events", [])}
        read = {who for e in joined.get("ephemeral", {}).get("events", []) if e["type"] == "m.receipt" for who in e["content"][event]["m.read"]}
        return (data.get("x.test", {}).get("n") in (1, 2) and "m.ignored_user_list" in data and here.get("x.test") == {"here": user.user_id} and
                here.get("m.tag") == {"tags": {"u.x": {"order": 0.5}}} and read == {u.user_id for u in users})

    until(lambda: all(told(user, start) for user, start in zip(users, since)))
