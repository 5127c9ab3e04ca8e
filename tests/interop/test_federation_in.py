"""What other servers send, taken in by processes of one kind and written by processes of the other."""

import os

import pytest

from deployment.deployment import Federation
from deployment.layout import Worker
from lib.certificates import Authority
from lib.entered import entered
from lib.mixed import Mixed
from lib.remote import Remote
from lib.server import Server
from lib.wait import until

FED = "/_matrix/federation/v1"
STREAMS = ("events", "typing", "receipts", "account_data", "device_lists", "to_device", "presence")
LAYOUTS = {  # which processes are Synapse's; "writer" writes every stream
    "Synapse receives, Ganglion writes": {"main", "receiver"},
    "Ganglion receives, Synapse writes": {"writer"},
}


@pytest.fixture(params=LAYOUTS)
def sides(request, build, folder, postgres):
    number = list(LAYOUTS).index(request.param)
    authority = Authority(os.path.join(folder, f"certificates-in{number}"))
    federation = Federation(*authority.certificate(), authority.ca)
    postgres.sql(f"DROP DATABASE IF EXISTS interop_in{number}")
    workers = [Worker("receiver", "synapse.app.generic_worker", ["client", "federation"]),
               Worker("writer", "synapse.app.generic_worker", ["client"])]  # no server speaks to it
    deployment = Mixed(os.path.join(folder, f"interop-in{number}"), build, postgres, database=f"interop_in{number}", bcrypt_rounds=4,
                       python=LAYOUTS[request.param], workers=workers, stream_writers={stream: ["writer"] for stream in STREAMS},
                       server_name=federation.server_name, federation=federation,
                       extra_config={"caches": {"sync_response_cache_duration": 0}})
    remote = Remote(authority)
    try:
        deployment.start()
        yield Server(deployment), remote
        assert not deployment.complaints(), deployment.complaints()
    finally:
        remote.stop()
        deployment.stop()


def row(home, event_id):
    found = home.sql("SELECT COALESCE(rejection_reason, 'fine'), outlier, COALESCE(j.internal_metadata::json->>'soft_failed', 'false'), "
                     "(SELECT count(*) FROM event_to_state_groups g WHERE g.event_id = e.event_id) "
                     f"FROM events e JOIN event_json j USING (event_id) WHERE e.event_id = '{event_id}'")
    return found[0] if found else None


def test_from_one_kind_to_the_other(sides):
    home, remote = sides
    alice = home.register("alice")
    home.base_url = home.worker_url("main")
    room = entered(home, remote, alice.create_room(room_version="10", preset="public_chat"), "10")
    since = alice.sync()["next_batch"]

    said = room.say("alice, look", room.user, to=[home.name])
    alice.sync_until(lambda answer: said in [event["event_id"] for event in answer.get("rooms", {}).get("join", {}).get(room.room_id, {})
                                             .get("timeline", {}).get("events", [])], since)
    until(lambda: alice.sync()["rooms"]["join"][room.room_id]["unread_notifications"]["highlight_count"] == 1)

    hidden = [room.say(f"hidden {n}", room.user) for n in range(3)]
    shown = room.say("shown", room.user, to=[home.name])
    for name in [said, *hidden, shown]:
        assert until(lambda: row(home, name)) == ["fine", "f", "false", "1"]

    leaves = list(room.leaves)
    stranger = room.event("m.room.message", {"body": "no"}, remote.user("stranger"),
                          auth=[room.state["m.room.create", ""], room.state["m.room.power_levels", ""]])
    name = room.add(stranger)
    assert remote.send(home.name, [stranger]) == {name: {}}
    assert until(lambda: row(home, name)) == ["auth_error", "f", "false", "1"]

    room.leaves = leaves
    alice.ok("POST", f"/_matrix/client/v3/rooms/{room.room_id}/ban", {"user_id": room.user})
    late = room.say("late", room.user, prev=leaves, to=[home.name])
    assert until(lambda: row(home, late)) == ["fine", "f", "true", "1"]

    guest = remote.user("guest")
    room.send("m.room.member", {"membership": "join"}, guest, guest, to=[home.name])
    until(lambda: alice.call("GET", f"/_matrix/client/v3/rooms/{room.room_id}/state/m.room.member/{guest}").status == 200)
    remote.send(home.name, [], [("m.typing", {"room_id": room.room_id, "user_id": guest, "typing": True}),
                                ("m.receipt", {room.room_id: {"m.read": {guest: {"event_ids": [shown], "data": {"ts": 1}}}}})])

    def heard():
        events = alice.sync()["rooms"]["join"][room.room_id]["ephemeral"]["events"]
        typing = [user for event in events if event["type"] == "m.typing" for user in event["content"]["user_ids"]]
        read = [event for event in events if event["type"] == "m.receipt" and guest in event["content"].get(shown, {}).get("m.read", {})]
        return guest in typing and read

    until(heard)
