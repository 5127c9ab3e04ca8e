"""Device lists across servers: each hears of changes on the other, misses none, and asks again where it did."""

import threading
import time

import pytest

from lib.keys import KEYS
from lib.rooms import CLIENT
from lib.wait import until

ALGORITHMS = ["m.olm.v1.curve25519-aes-sha2"]


def keys_of(user_id, device_id, value="k", **more):
    return {"user_id": user_id, "device_id": device_id, "algorithms": ALGORITHMS, "keys": {f"ed25519:{device_id}": value * 43},
            "signatures": {}, **more}


def cross(user_id, usage, letter):
    return {"user_id": user_id, "usage": [usage], "keys": {f"ed25519:{letter * 43}": letter * 43}}


class Devices:
    """The devices of a played server's user, told when they are asked for."""

    def __init__(self, remote, user_id):
        self.remote, self.user_id, self.stream_id, self.devices, self.more, self.asked = remote, user_id, 5, {}, {}, 0
        remote.on("GET", rf".*/user/devices/{user_id}", self.answer)
        remote.on("POST", r".*/user/keys/query", lambda a: (200, {"device_keys": {user_id: {"direct": {"asked": True}}}}))

    def answer(self, asked):
        self.asked += 1
        return 200, {"user_id": self.user_id, "stream_id": self.stream_id, **self.more,
                     "devices": [{"device_id": name, **device} for name, device in self.devices.items()]}

    def set(self, device_id, value, **more):
        self.devices[device_id] = {"keys": keys_of(self.user_id, device_id, value), **more}

    def tell(self, home, device_id, prev, **more):
        content = {"user_id": self.user_id, "device_id": device_id, "stream_id": self.stream_id, "prev_id": prev, **more}
        self.remote.send(home.name, edus=[("m.device_list_update", content)])


def query(user, who, *devices, **kwargs):
    answer = user.ok("POST", f"{KEYS}/query", {"device_keys": {who: list(devices)}}, **kwargs)
    return answer["device_keys"].get(who), answer


def heard(user, who, since):
    return user.sync_until(lambda a: who in a.get("device_lists", {}).get("changed", []) or None, since)[1]


def value_of(user, who, device_id):
    found = (query(user, who)[0] or {}).get(device_id)
    return found and found["keys"][f"ed25519:{device_id}"][0]


@pytest.fixture
def pair(home, remote):
    """A user of ours, one of theirs, in a room of ours."""
    alice = home.register()
    room = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, room, "bob")
    theirs = Devices(remote, remote.user("bob"))
    theirs.set("D", "a", device_display_name="phone")
    return alice, theirs, room


def test_the_first_question_fetches_the_list_and_the_next_is_answered_here(home, pair):
    alice, theirs, _ = pair
    theirs.set("E", "b")
    theirs.devices["none"] = {}
    theirs.more = {"master_key": cross(theirs.user_id, "master", "M"), "self_signing_key": cross(theirs.user_id, "self_signing", "S")}
    since = alice.sync()["next_batch"]
    devices, answer = query(alice, theirs.user_id)
    assert set(devices) == {"D", "E"} and answer["failures"] == {}
    assert devices["D"] == keys_of(theirs.user_id, "D", "a", unsigned={"device_display_name": "phone"})
    assert answer["master_keys"] == {theirs.user_id: theirs.more["master_key"]}
    assert answer["self_signing_keys"] == {theirs.user_id: theirs.more["self_signing_key"]}
    heard(alice, theirs.user_id, since)
    theirs.remote.down = True
    for worker in [None] + [w for w in home.deployment.workers if w.app.endswith("generic_worker") and w.port][:2]:
        base = worker and f"http://127.0.0.1:{worker.port}"
        again, answer2 = query(alice, theirs.user_id, **({"base": base} if base else {}))
        assert again == devices and answer2["failures"] == {}
        one, _ = query(alice, theirs.user_id, "E", "unheard of", **({"base": base} if base else {}))
        assert set(one) == {"E"}
    assert theirs.asked == 1


def test_updates_that_follow_are_applied(home, pair):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    since = alice.sync()["next_batch"]
    theirs.stream_id = 6
    theirs.tell(home, "D", [5], keys=keys_of(theirs.user_id, "D", "b"), device_display_name="new name")
    since = heard(alice, theirs.user_id, since)
    devices, _ = query(alice, theirs.user_id)
    assert devices["D"] == keys_of(theirs.user_id, "D", "b", unsigned={"device_display_name": "new name"})
    theirs.stream_id = 8
    theirs.tell(home, "N", [6], keys=keys_of(theirs.user_id, "N", "n"))
    since = heard(alice, theirs.user_id, since)
    assert set(query(alice, theirs.user_id)[0]) == {"D", "N"}
    theirs.stream_id = 9
    theirs.tell(home, "D", [8], deleted=True)
    heard(alice, theirs.user_id, since)
    assert set(query(alice, theirs.user_id)[0]) == {"N"}
    assert theirs.asked == 1, "nothing was missing"


def test_a_gap_fetches_the_list(home, pair):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    since = alice.sync()["next_batch"]
    theirs.stream_id = 9
    theirs.set("D", "z")
    theirs.set("L", "l")
    theirs.tell(home, "D", [8], keys=keys_of(theirs.user_id, "D", "y"))
    heard(alice, theirs.user_id, since)
    until(lambda: value_of(alice, theirs.user_id, "L") == "l")
    assert value_of(alice, theirs.user_id, "D") == "z"
    assert theirs.asked == 2
    assert home.sql(f"SELECT stream_id FROM device_lists_remote_extremeties WHERE user_id = '{theirs.user_id}'") == [["9"]]


def test_an_update_of_an_untracked_user_fetches_the_list(home, pair):
    alice, theirs, _ = pair
    since = alice.sync()["next_batch"]
    theirs.tell(home, "D", [4], keys=keys_of(theirs.user_id, "D", "y"))
    heard(alice, theirs.user_id, since)
    assert value_of(alice, theirs.user_id, "D") == "a"
    assert theirs.asked == 1


def test_a_list_that_cannot_be_fetched_is_not_forgotten(home, pair):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    theirs.remote.on("GET", r".*/user/devices/.*", (400, {"errcode": "M_UNKNOWN", "error": "broken"}))
    theirs.stream_id = 9
    theirs.tell(home, "D", [8])
    stale = f"SELECT count(*) FROM device_lists_remote_resync WHERE user_id = '{theirs.user_id}'"
    until(lambda: home.sql(stale) == [["1"]])
    devices, answer = query(alice, theirs.user_id)
    assert devices == {"direct": {"asked": True}}, "what is stale is asked for"
    theirs.remote.on("GET", r".*/user/devices/.*", theirs.answer)
    theirs.set("D", "n")
    until(lambda: home.sql(stale) == [["0"]], 75)
    assert value_of(alice, theirs.user_id, "D") == "n"


def test_who_shares_no_room_is_not_listened_to(home, remote):
    stranger = Devices(remote, remote.user("stranger"))
    stranger.tell(home, "D", [], keys=keys_of(stranger.user_id, "D"))
    remote.send(home.name, edus=[("m.signing_key_update", {"user_id": stranger.user_id, "master_key": cross(stranger.user_id, "master", "M")})])
    for table in ("device_lists_remote_extremeties", "device_lists_remote_resync", "e2e_cross_signing_keys", "device_lists_stream"):
        assert home.sql(f"SELECT count(*) FROM {table} WHERE user_id = '{stranger.user_id}'") == [["0"]], table
    assert stranger.asked == 0


def test_one_server_does_not_speak_for_another(home, pair, remotes):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    liar = remotes()
    liar.send(home.name, edus=[
        ("m.device_list_update", {"user_id": theirs.user_id, "device_id": "D", "stream_id": 6, "prev_id": [5], "deleted": True}),
        ("m.signing_key_update", {"user_id": theirs.user_id, "master_key": cross(theirs.user_id, "master", "L")}),
        ("m.device_list_update", {"user_id": alice.user_id, "device_id": "D", "stream_id": 6, "prev_id": [], "keys": {}})])
    devices, answer = query(alice, theirs.user_id)
    assert set(devices) == {"D"} and answer["master_keys"] == {}
    assert home.sql(f"SELECT count(*) FROM device_lists_remote_resync WHERE user_id IN ('{theirs.user_id}', '{alice.user_id}')") == [["0"]]


def test_updates_that_make_no_sense_do_no_harm(home, pair):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    for wrong in ({}, {"user_id": 5}, {"user_id": theirs.user_id}, {"user_id": theirs.user_id, "device_id": "D"},
                  {"user_id": theirs.user_id, "device_id": 7, "stream_id": 6}, {"user_id": theirs.user_id, "device_id": "D", "stream_id": {}},
                  {"user_id": theirs.user_id, "device_id": "D", "stream_id": 6, "prev_id": "x"},
                  {"user_id": theirs.user_id, "device_id": "D", "stream_id": 6, "prev_id": [[]]},
                  {"user_id": theirs.user_id, "device_id": "D" * 300, "stream_id": 6, "prev_id": [5]},
                  {"user_id": theirs.user_id, "device_id": "D", "stream_id": "6" * 300, "prev_id": [5]}):
        theirs.remote.send(home.name, edus=[("m.device_list_update", wrong)])
    for wrong in ({}, {"user_id": theirs.user_id, "master_key": 5}, {"user_id": theirs.user_id, "master_key": {"keys": {"a": "b", "c": "d"}}},
                  {"user_id": theirs.user_id, "self_signing_key": {"keys": []}}):
        theirs.remote.send(home.name, edus=[("m.signing_key_update", wrong)])
    theirs.stream_id = 6
    theirs.tell(home, "D", [5], keys=keys_of(theirs.user_id, "D", "b"))
    until(lambda: value_of(alice, theirs.user_id, "D") == "b")
    assert theirs.asked == 1


def test_lists_that_make_no_sense(home, pair):
    alice, theirs, _ = pair
    for wrong in ([], {}, {"devices": []}, {"stream_id": 1, "devices": {}}, {"stream_id": [], "devices": []}, "x"):
        theirs.remote.on("GET", r".*/user/devices/.*", (200, wrong))
        devices, answer = query(alice, theirs.user_id)
        assert devices == {"direct": {"asked": True}}, wrong
    theirs.remote.on("GET", r".*/user/devices/.*", (200, {"stream_id": 1, "devices": [{"device_id": f"D{i}", "keys": {"k": 1}} for i in range(1001)]}))
    assert query(alice, theirs.user_id)[0] == {}


@pytest.mark.parametrize("name", ["m.signing_key_update", "org.matrix.signing_key_update"])
def test_signing_keys_are_updated(home, pair, name):
    alice, theirs, _ = pair
    query(alice, theirs.user_id)
    since = alice.sync()["next_batch"]
    master, self_signing = cross(theirs.user_id, "master", "M"), cross(theirs.user_id, "self_signing", "S")
    theirs.remote.send(home.name, edus=[(name, {"user_id": theirs.user_id, "master_key": master, "self_signing_key": self_signing})])
    since = heard(alice, theirs.user_id, since)
    _, answer = query(alice, theirs.user_id)
    assert answer["master_keys"] == {theirs.user_id: master} and answer["self_signing_keys"] == {theirs.user_id: self_signing}
    theirs.remote.send(home.name, edus=[(name, {"user_id": theirs.user_id, "master_key": master})])
    assert home.sql(f"SELECT count(*) FROM e2e_cross_signing_keys WHERE user_id = '{theirs.user_id}'") == [["2"]]


def test_who_left_is_not_tracked_any_more(home, pair):
    alice, theirs, room = pair
    query(alice, theirs.user_id)
    assert theirs.asked == 1
    alice.ok("POST", f"{CLIENT}/rooms/{room}/leave", {})
    until(lambda: home.sql(f"SELECT count(*) FROM device_lists_remote_extremeties WHERE user_id = '{theirs.user_id}'") == [["0"]])
    theirs.set("D", "later")
    assert query(alice, theirs.user_id)[0] == {"direct": {"asked": True}}
    assert theirs.asked == 1


def test_many_questions_at_once_fetch_once(home, pair):
    alice, theirs, _ = pair
    theirs.remote.on("GET", r".*/user/devices/.*", lambda a: (time.sleep(1), theirs.answer(a))[1])
    found = []
    threads = [threading.Thread(target=lambda: found.append(query(alice, theirs.user_id)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(f) for f in found] == [{"D"}] * 8
    assert theirs.asked <= 2


def test_a_message_of_an_unknown_device_fetches_the_list(home, pair):
    """Its server's update was lost, or never sent."""
    alice, theirs, room = pair
    query(alice, theirs.user_id)
    assert theirs.asked == 1
    played = theirs.remote.rooms[room]

    def say(device_id, **more):
        played.send("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s",
                                         "device_id": device_id, **more}, theirs.user_id, to=(home.name,))

    say("D")
    say("D", sender_key="a" * 43)
    theirs.set("NEW", "n")
    say("NEW")
    until(lambda: value_of(alice, theirs.user_id, "NEW") == "n")
    assert theirs.asked == 2, "known devices are not asked for"
    say("made up 1")
    say("made up 2")
    assert value_of(alice, theirs.user_id, "NEW") == "n" and theirs.asked == 2, "ids can be made up without end"


def test_who_asks_meanwhile_gets_what_is_being_fetched(home, pair):
    """At the process that fetches: a client that was told of a change asks at once."""
    alice, theirs, _ = pair
    go, found, plain = threading.Event(), [], theirs.answer

    def slowly(asked):
        told = plain(asked)
        assert go.wait(10)
        return told

    theirs.remote.on("GET", rf".*/user/devices/{theirs.user_id}", slowly)
    theirs.tell(home, "D", [])
    until(lambda: theirs.asked == 1)
    main = f"http://127.0.0.1:{home.deployment.main.port}"
    asking = threading.Thread(target=lambda: found.append(query(alice, theirs.user_id, "D", base=main)[0]))
    asking.start()
    asking.join(0.3)
    assert asking.is_alive(), f"it has not waited: {found}"
    go.set()
    asking.join(10)
    assert found == [{"D": keys_of(theirs.user_id, "D", "a", unsigned={"device_display_name": "phone"})}]
    assert theirs.asked == 1
