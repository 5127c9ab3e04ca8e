"""Who hears that somebody's devices changed: /sync and /keys/changes, on any process."""

import threading

import pytest

from lib.keys import KEYS, Device
from lib.rooms import CLIENT, done, refused
from lib.server import quote
from lib.sliding import settle


def workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")]


def lists(answer):
    found = answer.get("device_lists", {})
    return set(found.get("changed", [])), set(found.get("left", []))


def changes(user, since, **kwargs):
    answer = user.ok("GET", f"{KEYS}/changes", **{"from": since, "to": since, **kwargs})
    return set(answer["changed"]), set(answer["left"])


def until_heard(user, of, since, what=0):
    """The first answer that names `of` among those who changed (or left, with what=1)."""
    found, since = user.sync_until(lambda a: lists(a) if of.user_id in lists(a)[what] else None, since)
    return found, since


@pytest.fixture
def pair(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    return alice, bob, room


def test_new_keys_and_devices_are_told_to_who_shares_a_room(server, pair):
    alice, bob, _ = pair
    stranger = server.register()
    since, far = bob.sync()["next_batch"], stranger.sync()["next_batch"]
    Device(alice).upload(base=workers(server)[0])
    found, later = until_heard(bob, alice, since)
    assert found == ({alice.user_id}, set())
    for base in workers(server):
        assert changes(bob, since, base=base) == ({alice.user_id}, set())
        assert lists(bob.sync(later, base=base)) == (set(), set())
    phone = server.login(alice.user_id)
    found, later = until_heard(bob, alice, later)
    phone.ok("POST", f"{CLIENT}/logout", {})
    found, later = until_heard(bob, alice, later)
    alice.ok("PUT", f"{CLIENT}/devices/{alice.device_id}", {"display_name": "x"})
    until_heard(bob, alice, later)
    assert lists(stranger.sync(far)) == (set(), set()) == changes(stranger, far)


def test_the_same_keys_again_are_no_news(server, pair):
    alice, bob, room = pair
    device = Device(alice)
    since = bob.sync()["next_batch"]
    device.upload()
    _, since = until_heard(bob, alice, since)
    device.upload()
    alice.send(room, "after")
    answer = bob.sync(since, timeout=5000)
    assert lists(answer) == (set(), set())


def test_own_devices_hear_of_each_other(server):
    alice = server.register()
    phone = server.login(alice.user_id)
    since = phone.sync()["next_batch"]
    Device(alice).upload()
    assert until_heard(phone, alice, since)[0][0] == {alice.user_id}


def test_who_comes_and_goes(server, pair):
    alice, bob, room = pair
    carol = server.register()
    since, hers = bob.sync()["next_batch"], carol.sync()["next_batch"]
    carol.join(room)
    found, later = until_heard(bob, carol, since)
    assert found == ({carol.user_id}, set())
    found, hers = until_heard(carol, bob, hers)
    assert {alice.user_id, bob.user_id} <= found[0]  # they are new to her
    carol.leave(room)
    found, later = until_heard(bob, carol, later, 1)
    assert found == (set(), {carol.user_id})
    found, _ = until_heard(carol, bob, hers, 1)
    assert found[1] == {alice.user_id, bob.user_id}
    settle(alice)
    for base in workers(server):
        assert changes(bob, since, base=base) == (set(), {carol.user_id})
        assert changes(carol, hers, base=base)[1] == {alice.user_id, bob.user_id}


def test_who_stays_in_another_room_has_not_left(server, pair):
    alice, bob, room = pair
    other = alice.create_room(preset="public_chat")
    bob.join(other)
    since = bob.sync()["next_batch"]
    alice.leave(room)
    bob.send(other, "still here")
    settle(bob)
    assert lists(bob.sync(since, timeout=5000))[1] == set() == changes(bob, since)[1]
    done(bob, room, "leave")
    settle(bob)
    assert changes(bob, since)[1] == set()


def test_an_invited_user_is_news(server, pair):
    alice, bob, room = pair
    carol = server.register()
    since = bob.sync()["next_batch"]
    alice.invite(room, carol)
    assert until_heard(bob, carol, since)[0] == ({carol.user_id}, set())


def test_a_new_name_is_no_news_of_devices(server, pair):
    alice, bob, room = pair
    since = bob.sync()["next_batch"]
    alice.put_state(room, "m.room.member", {"membership": "join", "displayname": "new"}, alice.user_id)
    bob.sync_until(lambda a: a.get("rooms", {}).get("join", {}).get(room), since)
    for base in workers(server):
        assert changes(bob, since, base=base) == (set(), set())


def test_who_comes_back_is_news(server, pair):
    alice, bob, room = pair
    since, his = alice.sync()["next_batch"], bob.sync()["next_batch"]
    bob.leave(room)
    bob.join(room)
    found, _ = until_heard(alice, bob, since)
    assert found == ({bob.user_id}, set())
    assert changes(alice, since) == ({bob.user_id}, set())
    assert alice.user_id in changes(bob, his)[0] and not changes(bob, his)[1]


def test_a_banned_user_hears_that_the_others_left(server, pair):
    alice, bob, room = pair
    since, his = alice.sync()["next_batch"], bob.sync()["next_batch"]
    done(alice, room, "ban", bob)
    assert until_heard(alice, bob, since, 1)[0] == (set(), {bob.user_id})
    assert until_heard(bob, alice, his, 1)[0] == (set(), {alice.user_id})


def test_a_room_filter_does_not_hide_devices(server, pair):
    alice, bob, room = pair
    since = bob.sync()["next_batch"]
    Device(alice).upload()
    bob.sync_until(lambda a: alice.user_id in lists(a)[0], since)
    answer = bob.sync(since, filter='{"room":{"rooms":[]}}')
    assert lists(answer) == ({alice.user_id}, set())


def test_a_waiting_sync_is_woken(server, pair):
    alice, bob, _ = pair
    since = bob.sync()["next_batch"]
    threading.Timer(0.3, Device(alice).upload).start()
    answer = bob.sync(since, timeout=20000, base=workers(server)[1])
    assert lists(answer) == ({alice.user_id}, set())


def test_refusals(server, pair):
    bob = pair[1]
    refused(bob.call("GET", f"{KEYS}/changes"), 400, "M_MISSING_PARAM")
    for bad in ("x", "", "s1_", "s" + "9" * 30, "-1", "s1_2_3_4_5_6_7_m8~99999.5"):
        assert bob.call("GET", f"{KEYS}/changes?from={quote(bad)}&to=x").status == 400, bad


def test_rows(server, pair):
    """One row for each device at its newest id, and one for each room that the user is in, under the same id."""
    alice, bob, room = pair

    def sql(statement):
        return server.deployment.postgres.sql(statement, server.deployment.database)

    Device(alice).upload()
    alice.ok("PUT", f"{CLIENT}/devices/{alice.device_id}", {"display_name": "x"})
    newest = sql(f"SELECT stream_id FROM device_lists_stream WHERE user_id = '{alice.user_id}' AND device_id = '{alice.device_id}'")
    assert len(newest) == 1
    rows = sql(f"SELECT stream_id, room_id, converted_to_destinations, opentracing_context FROM device_lists_changes_in_room"
               f" WHERE user_id = '{alice.user_id}' AND device_id = '{alice.device_id}' ORDER BY stream_id")
    assert rows[-1] == [newest[0][0], room, "f", "{}"]
