"""Dehydrated devices (MSC3814): a device that receives while nobody is there, and is brought back later."""

import pytest

from lib.keys import KEYS, Device, claim, query
from lib.rooms import CLIENT, refused
from lib.server import User, quote
from lib.sliding import settle

PATH = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device"


@pytest.fixture(scope="module", params=["monolith", "split"])
def on(request, own):
    with own.running("dehydrated", monolith=request.param == "monolith",
                     extra_config={"experimental_features": {"msc3814_enabled": True}}) as server:
        yield server


def sleeper(user, device_id):
    """The keys of a device that does not log in."""
    return Device(User(user.server, user.user_id, None, device_id))


def leave(user, name, device=None, **more):
    device = device or sleeper(user, name)
    body = {"device_id": name, "device_data": {"algorithm": "m.x", "n": 1.5}, "device_keys": device.keys(),
            "one_time_keys": {"signed_curve25519:A": device.one_time("a")}, "initial_device_display_name": "asleep", **more}
    return user.call("PUT", PATH, body)


def devices(user):
    return {d["device_id"] for d in user.ok("GET", f"{CLIENT}/devices")["devices"]}


def test_it_receives_and_is_read(on):
    alice, bob = on.register(), on.register()
    one, two = on.worker_url("generic_worker1"), on.worker_url("generic_worker2")
    refused(alice.call("GET", PATH), 404, "M_NOT_FOUND")
    refused(alice.call("DELETE", PATH), 404, "M_NOT_FOUND")
    device = sleeper(alice, "SLEEP")
    assert leave(alice, "SLEEP", device).json == {"device_id": "SLEEP"}
    for base in (one, two):
        assert alice.ok("GET", PATH, base=base) == {"device_id": "SLEEP", "device_data": {"algorithm": "m.x", "n": 1.5}}
    assert query(bob, alice)["device_keys"][alice.user_id]["SLEEP"] == {**device.keys(), "unsigned": {"device_display_name": "asleep"}}
    assert list(claim(bob, User(on, alice.user_id, None, "SLEEP"))) == ["signed_curve25519:A"]
    for n in range(103):
        bob.ok("PUT", f"{CLIENT}/sendToDevice/m.x/{n}", {"messages": {alice.user_id: {"SLEEP": {"n": n}}}})
    settle(alice)
    first = alice.ok("POST", f"{PATH}/SLEEP/events", {}, base=one)
    second = alice.ok("POST", f"{PATH}/SLEEP/events", {"next_batch": first["next_batch"]}, base=two)
    assert [e["content"]["n"] for e in first["events"] + second["events"]] == list(range(103))
    assert alice.ok("POST", f"{PATH}/SLEEP/events", {"next_batch": second["next_batch"]})["events"] == []
    assert len(alice.ok("GET", f"{PATH}/SLEEP/events")["events"]) == 100
    assert "to_device" not in alice.sync()
    assert alice.ok("DELETE", PATH) == {"device_id": "SLEEP"}
    assert devices(alice) == {alice.device_id} and query(bob, alice)["device_keys"][alice.user_id] == {}
    refused(alice.call("POST", f"{PATH}/SLEEP/events", {}), 403, "M_FORBIDDEN")


def test_there_is_one_for_each_user(on):
    alice = on.register()
    assert leave(alice, "FIRST").status == 200
    assert leave(alice, "FIRST", device_data={"algorithm": "m.y"}).status == 200
    assert alice.ok("GET", PATH)["device_data"] == {"algorithm": "m.y"}
    assert devices(alice) == {alice.device_id, "FIRST"}
    assert leave(alice, "SECOND").status == 200
    assert devices(alice) == {alice.device_id, "SECOND"}
    alice.ok("POST", f"{KEYS}/upload/SECOND", {"one_time_keys": {"signed_curve25519:B": sleeper(alice, "SECOND").one_time("b")}})


def test_refusals(on):
    alice, bob = on.register(), on.register()
    refused(leave(alice, alice.device_id), 400, "M_INVALID_PARAM")
    for more in ({"device_id": None}, {"device_id": 5}, {"device_data": {}}, {"device_data": 5}, {"device_keys": {}},
                 {"device_keys": sleeper(alice, "OTHER").keys()}, {"device_keys": sleeper(bob, "SLEEP").keys()},
                 {"initial_device_display_name": 5}, {"one_time_keys": 5}):
        assert leave(alice, "SLEEP", **more).status == 400, more
    assert devices(alice) == {alice.device_id}
    assert leave(alice, "SLEEP").status == 200
    refused(bob.call("POST", f"{PATH}/SLEEP/events", {}), 403, "M_FORBIDDEN")
    refused(alice.call("POST", f"{PATH}/{quote(alice.device_id)}/events", {}), 403, "M_FORBIDDEN")
    for bad, errcode in (("zz", "M_INVALID_PARAM"), ("d", "M_INVALID_PARAM"), ("d-1", "M_INVALID_PARAM"), ("d1x", "M_INVALID_PARAM"),
                         ("d" + "9" * 30, "M_INVALID_PARAM"), (5, "M_BAD_JSON")):
        refused(alice.call("POST", f"{PATH}/SLEEP/events", {"next_batch": bad}), 400, errcode)


def test_it_is_off_unless_configured(server):
    alice = server.register()
    refused(leave(alice, "SLEEP"), 404, "M_UNRECOGNIZED")
    refused(alice.call("GET", PATH), 404, "M_UNRECOGNIZED")
