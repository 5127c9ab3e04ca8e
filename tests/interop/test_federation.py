"""A real Synapse as the other server: its own database, reached over TLS; rooms shared both ways."""

import os

import pytest

from deployment.deployment import Deployment, Federation
from lib.keys import KEYS, Device
from lib.mixed import Mixed
from lib.server import Server, quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
VERSIONS = [str(n) for n in range(1, 13)]
PLENTY = {"per_second": 1000, "burst_count": 1000}
LIMITS = {"rc_joins": {"local": PLENTY, "remote": PLENTY}, "rc_joins_per_room": PLENTY, "rc_message": PLENTY, "rc_room_creation": PLENTY,
          "rc_invites": {"per_room": PLENTY, "per_user": PLENTY, "per_issuer": PLENTY}}


def _deploy(kind, name, build, folder, postgres, authority, extra_config=None, **options):
    federation = Federation(*authority.certificate(), authority.ca)
    postgres.sql(f"DROP DATABASE IF EXISTS {name}")
    return kind(os.path.join(folder, name), build, postgres, database=name, server_name=federation.server_name, federation=federation,
                bcrypt_rounds=4, extra_config=extra_config or LIMITS, **options)


@pytest.fixture(scope="module")
def synapse(build, folder, postgres, authority):
    deployment = _deploy(Mixed, "interop_fed_synapse", build, folder, postgres, authority, monolith=True, python={"main"})
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


@pytest.fixture(scope="module", params=["monolith", "split"])
def ours(build, folder, postgres, authority, request):
    deployment = _deploy(Deployment, f"interop_fed_{request.param}", build, folder, postgres, authority, monolith=request.param == "monolith")
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


@pytest.fixture(params=["Ganglion's room", "Synapse's room"])
def pair(ours, synapse, request):
    """(the server whose user makes the room, the one whose user comes)."""
    return (ours, synapse) if request.param.startswith("Ganglion") else (synapse, ours)


def join(user, room_id, via):
    return user.ok("POST", f"{CLIENT}/join/{quote(room_id)}?server_name={quote(via.name)}&via={quote(via.name)}", {}, timeout=60)


def said(user, room_id, text, seconds=30):
    """The message has come to the user."""
    user.sync_until(lambda s: any(e["content"].get("body") == text for e in
                                  s.get("rooms", {}).get("join", {}).get(room_id, {}).get("timeline", {}).get("events", [])), seconds=seconds)


def current(server, room_id):
    """The room's state as a server has it: event ids by type and state key."""
    rows = server.sql(f"SELECT type, state_key, event_id FROM current_state_events WHERE room_id = '{room_id}'")
    return {(kind, key): event_id for kind, key, event_id in rows}


def agree(a, b, room_id, seconds=30):
    until(lambda: (left := current(a, room_id)) and left == current(b, room_id), seconds)
    return current(a, room_id)


def membership(server, room_id, user):
    rows = server.sql(f"SELECT membership FROM current_state_events WHERE room_id = '{room_id}' AND type = 'm.room.member' AND state_key = '{user.user_id}'")
    return rows[0][0] if rows else None


def shared(pair, version="10", **options):
    here, there = pair
    alice, bob = here.register(), there.register()
    room_id = alice.create_room(preset="public_chat", room_version=version, **options)
    join(bob, room_id, here)
    agree(here, there, room_id)
    return alice, bob, room_id


@pytest.mark.parametrize("version", VERSIONS)
def test_rooms_of_every_version(pair, version):
    alice, bob, room_id = shared(pair, version, name="both")
    for user, other, text in ((alice, bob, "from here"), (bob, alice, "from there"), (alice, bob, "again")):
        user.send(room_id, text)
        said(other, room_id, text)
    bob.leave(room_id)
    until(lambda: membership(pair[0], room_id, bob) == "leave")
    join(bob, room_id, pair[0])
    agree(*pair, room_id)


def test_many_messages(pair):
    alice, bob, room_id = shared(pair)
    for i in range(100):
        alice.send(room_id, f"a{i}")
        bob.send(room_id, f"b{i}")
    for server in pair:
        until(lambda: server.sql(f"SELECT count(*) FROM events WHERE room_id = '{room_id}' AND type = 'm.room.message' AND NOT outlier")[0][0] == "200", 60)
    agree(*pair, room_id)


def test_history_of_before(pair):
    """Who comes later reads what was said before, asked of the other server."""
    here, there = pair
    alice, bob = here.register(), there.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    sent = [alice.send(room_id, f"old {i}") for i in range(30)]
    join(bob, room_id, here)
    found, token = [], None
    for _ in range(10):
        page = bob.messages(room_id, limit=20, **({"from": token} if token else {}))
        found += [e["event_id"] for e in page["chunk"]]
        token = page.get("end")
        if set(sent) <= set(found) or token is None:
            break
    assert set(sent) <= set(found)


def test_state_of_a_fork(ours, synapse):
    """Both change the room at once, again and again: both end with the same state."""
    alice, bob, room_id = shared((ours, synapse), power_level_content_override={"state_default": 0, "events": {}, "users_default": 0})
    for i in range(10):
        alice.put_state(room_id, "m.room.topic", {"topic": f"alice {i}"})
        bob.put_state(room_id, "m.room.topic", {"topic": f"bob {i}"})
        alice.put_state(room_id, "x.test", {"n": i}, f"a{i % 3}")
        bob.put_state(room_id, "x.test", {"n": -i}, f"a{i % 3}")
    for user, text in ((alice, "end of alice"), (bob, "end of bob")):
        user.send(room_id, text)
    said(bob, room_id, "end of alice")
    said(alice, room_id, "end of bob")
    agree(ours, synapse, room_id, 60)
    last = alice.send(room_id, "after all")
    said(bob, room_id, "after all")
    groups = [dict((tuple(row[:2]), row[2]) for row in server.sql(
        "WITH RECURSIVE g(id, n) AS (SELECT state_group, 0 FROM event_to_state_groups WHERE event_id = '%s' UNION ALL"
        " SELECT e.prev_state_group, g.n + 1 FROM g JOIN state_group_edges e ON e.state_group = g.id)"
        " SELECT DISTINCT ON (type, state_key) type, state_key, s.event_id FROM g JOIN state_groups_state s ON s.state_group = g.id"
        " ORDER BY type, state_key, n" % last)) for server in (ours, synapse)]
    assert groups[0] == groups[1]


def test_bans(pair):
    alice, bob, room_id = shared(pair)
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/ban", {"user_id": bob.user_id})
    until(lambda: membership(pair[1], room_id, bob) == "ban" or not current(pair[1], room_id))
    refused = bob.call("POST", f"{CLIENT}/join/{quote(room_id)}?server_name={quote(pair[0].name)}&via={quote(pair[0].name)}", {}, timeout=60)
    assert refused.status == 403
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/unban", {"user_id": bob.user_id})
    join(bob, room_id, pair[0])


def test_acl(pair):
    """A server that the room shuts out is heard no more."""
    alice, bob, room_id = shared(pair)
    alice.put_state(room_id, "m.room.server_acl", {"allow": ["*"], "deny": ["localhost"]})
    event_id = bob.send(room_id, "nobody hears")
    other = alice.create_room(preset="public_chat", room_version="10")
    join(bob, other, pair[0])
    bob.send(other, "somebody does")
    said(alice, other, "somebody does")
    assert not pair[0].sql(f"SELECT 1 FROM events WHERE event_id = '{event_id}'")


def test_invite_and_reject(pair):
    here, there = pair
    alice, bob = here.register(), there.register()
    room_id = alice.create_room(room_version="10", name="private")
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/invite", {"user_id": bob.user_id}, timeout=60)
    answer, _ = bob.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room_id))
    assert {e["type"] for e in answer["invite_state"]["events"]} >= {"m.room.create", "m.room.name", "m.room.member"}
    bob.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/leave", {}, timeout=60)
    until(lambda: membership(here, room_id, bob) == "leave")
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/invite", {"user_id": bob.user_id}, timeout=60)
    bob.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room_id))
    join(bob, room_id, here)
    alice.send(room_id, "welcome")
    said(bob, room_id, "welcome")


def test_invite_into_a_shared_room(pair):
    """The other server is in the room already: it is told twice, and the room's state is one."""
    here, there = pair
    alice, bob, room_id = shared(pair)
    alice.ok("PUT", f"{CLIENT}/rooms/{quote(room_id)}/state/m.room.join_rules", {"join_rule": "invite"})
    carol = there.register()
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/invite", {"user_id": carol.user_id}, timeout=60)
    carol.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room_id))
    agree(here, there, room_id)
    join(carol, room_id, here)
    carol.send(room_id, "all three")
    said(alice, room_id, "all three")
    said(bob, room_id, "all three")
    agree(here, there, room_id)


@pytest.mark.parametrize("version", ["8", "9", "10", "12"])
def test_restricted(pair, version):
    alice, bob, space = shared(pair, version)
    room_id = alice.create_room(room_version=version, initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {
        "join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}}])
    join(bob, room_id, pair[0])
    bob.send(room_id, "let in")
    said(alice, room_id, "let in")


def test_knock(pair):
    here, there = pair
    alice, bob = here.register(), there.register()
    room_id = alice.create_room(room_version="10", name="closed", initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
    bob.ok("POST", f"{CLIENT}/knock/{quote(room_id)}?server_name={quote(here.name)}&via={quote(here.name)}", {}, timeout=60)
    until(lambda: membership(here, room_id, bob) == "knock")
    shown, _ = bob.sync_until(lambda s: s.get("rooms", {}).get("knock", {}).get(room_id))
    assert "m.room.name" in {e["type"] for e in shown["knock_state"]["events"]}
    alice.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/invite", {"user_id": bob.user_id}, timeout=60)
    bob.sync_until(lambda s: s.get("rooms", {}).get("invite", {}).get(room_id))
    join(bob, room_id, here)
    bob.send(room_id, "thank you")
    said(alice, room_id, "thank you")


def test_while_the_other_is_away(pair):
    """What was said meanwhile comes when it is back and is heard of."""
    here, there = pair
    alice, bob, room_id = shared(pair)
    there.deployment.stop()
    sent = [alice.send(room_id, f"while away {i}") for i in range(100)]
    there.deployment.start()
    bob.send(room_id, "back again")
    said(alice, room_id, "back again")
    alice.send(room_id, "the last")
    said(bob, room_id, "the last", seconds=60)
    held = f"SELECT count(*) FROM events WHERE room_id = '{room_id}' AND NOT outlier AND event_id = ANY('{{{','.join(sent)}}}')"
    until(lambda: there.sql(held)[0][0] == "100", 60)
    agree(here, there, room_id)


def test_encrypted(pair):
    """Devices and one-time keys of the other server's users, and messages to their devices."""
    alice, bob, room_id = shared(pair)
    devices = {user: Device(user) for user in (alice, bob)}
    for user, device in devices.items():
        name = f"signed_curve25519:{user.device_id}k"
        user.ok("POST", f"{KEYS}/upload", {"device_keys": device.keys(), "one_time_keys": {name: device.one_time("k" * 43)}})
    alice.put_state(room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    for user, other in ((alice, bob), (bob, alice)):
        asked = until(lambda: (got := user.ok("POST", f"{KEYS}/query", {"device_keys": {other.user_id: []}}, timeout=60))["device_keys"]
                      .get(other.user_id, {}).get(other.device_id) and got, 30)
        assert asked["device_keys"][other.user_id][other.device_id]["keys"] == devices[other].keys()["keys"] and asked["failures"] == {}
        claimed = user.ok("POST", f"{KEYS}/claim", {"one_time_keys": {other.user_id: {other.device_id: "signed_curve25519"}}}, timeout=60)
        assert claimed["one_time_keys"][other.user_id][other.device_id]
        since = other.sync()["next_batch"]
        user.ok("PUT", f"{CLIENT}/sendToDevice/m.room.encrypted/t{user.device_id}", {"messages": {other.user_id: {other.device_id: {"ciphertext": "x"}}}})
        other.sync_until(lambda s: [e for e in s.get("to_device", {}).get("events", []) if e["sender"] == user.user_id], since)
        event_id = user.ok("PUT", f"{CLIENT}/rooms/{quote(room_id)}/send/m.room.encrypted/e{user.device_id}", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "y"})["event_id"]
        other.sync_until(lambda s: any(e["event_id"] == event_id for e in s.get("rooms", {}).get("join", {}).get(room_id, {}).get("timeline", {}).get("events", [])))


def test_typing_and_receipts(pair):
    alice, bob, room_id = shared(pair)
    event_id = alice.send(room_id, "read me")
    said(bob, room_id, "read me")
    since = alice.sync()["next_batch"]
    bob.ok("PUT", f"{CLIENT}/rooms/{quote(room_id)}/typing/{quote(bob.user_id)}", {"typing": True, "timeout": 20000})
    bob.ok("POST", f"{CLIENT}/rooms/{quote(room_id)}/receipt/m.read/{quote(event_id)}", {})
    seen = {}

    def found(answer):
        for e in answer.get("rooms", {}).get("join", {}).get(room_id, {}).get("ephemeral", {}).get("events", []):
            seen[e["type"]] = e["content"]
        return bob.user_id in seen.get("m.typing", {}).get("user_ids", []) and bob.user_id in seen.get("m.receipt", {}).get(event_id, {}).get("m.read", {})

    alice.sync_until(found, since)


def test_profiles_aliases_and_lists(pair):
    here, there = pair
    alice, bob = here.register(), there.register()
    alice.ok("PUT", f"{CLIENT}/profile/{quote(alice.user_id)}/displayname", {"displayname": "Alice of elsewhere"})
    assert bob.ok("GET", f"{CLIENT}/profile/{quote(alice.user_id)}", timeout=60)["displayname"] == "Alice of elsewhere"
    name = f"room{alice.device_id.lower()}"
    room_id = alice.create_room(preset="public_chat", room_version="10", room_alias_name=name, visibility="public")
    alias = f"#{name}:{here.name}"
    assert bob.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}", timeout=60)["room_id"] == room_id
    assert bob.ok("POST", f"{CLIENT}/join/{quote(alias)}", {}, timeout=60)["room_id"] == room_id
