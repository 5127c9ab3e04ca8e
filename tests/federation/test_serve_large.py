"""Rooms that are out of the ordinary: of 20,000 members, told in one answer of a size that no process should hold; and such that
were joined without their members and are not complete yet."""

import os
import time

import pytest

from deployment.deployment import Deployment, Federation
from lib import pdu as pdus
from lib.server import Server, quote

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
MEMBERS = 20000

# Everything that the join of bob wrote, again for one more user each.
FILL = """
CREATE TEMP TABLE m AS SELECT i, '$' || lpad(i::text, 43, 'm') AS id, '@member' || i || ':{domain}' AS who, nextval('events_stream_seq') AS stream,
    nextval('event_auth_chain_id') AS chain FROM generate_series(1, {members}) i;
INSERT INTO events (topological_ordering, event_id, type, room_id, processed, outlier, depth, origin_server_ts, received_ts, sender,
    contains_url, instance_name, stream_ordering, state_key)
  SELECT e.topological_ordering, m.id, e.type, e.room_id, true, false, e.depth, e.origin_server_ts, e.received_ts, m.who, false, e.instance_name,
    m.stream, m.who FROM m, events e WHERE e.event_id = '{join}';
INSERT INTO event_json (event_id, room_id, internal_metadata, json, format_version)
  SELECT m.id, j.room_id, j.internal_metadata, replace(j.json, '{bob}', m.who), j.format_version FROM m, event_json j WHERE j.event_id = '{join}';
INSERT INTO state_events (event_id, room_id, type, state_key) SELECT id, '{room}', 'm.room.member', who FROM m;
INSERT INTO room_memberships (event_id, user_id, sender, room_id, membership, event_stream_ordering)
  SELECT id, who, who, '{room}', 'join', stream FROM m;
INSERT INTO current_state_events (event_id, room_id, type, state_key, membership, event_stream_ordering)
  SELECT id, '{room}', 'm.room.member', who, 'join', stream FROM m;
INSERT INTO state_groups_state (state_group, room_id, type, state_key, event_id)
  SELECT g.state_group, '{room}', 'm.room.member', m.who, m.id FROM m, event_to_state_groups g WHERE g.event_id = '{join}';
INSERT INTO event_to_state_groups (event_id, state_group) SELECT m.id, g.state_group FROM m, event_to_state_groups g WHERE g.event_id = '{join}';
INSERT INTO event_edges (event_id, prev_event_id, is_state) SELECT m.id, x.prev_event_id, false FROM m, event_edges x WHERE x.event_id = '{join}';
INSERT INTO event_auth (event_id, auth_id, room_id) SELECT m.id, a.auth_id, a.room_id FROM m, event_auth a WHERE a.event_id = '{join}';
INSERT INTO event_auth_chains (event_id, chain_id, sequence_number) SELECT id, chain, 1 FROM m;
INSERT INTO event_auth_chain_links (origin_chain_id, origin_sequence_number, target_chain_id, target_sequence_number)
  SELECT m.chain, 1, l.target_chain_id, l.target_sequence_number FROM m, event_auth_chain_links l
  JOIN event_auth_chains c ON c.chain_id = l.origin_chain_id AND c.event_id = '{join}';
ANALYZE;
"""


@pytest.fixture(scope="module")
def large(build, folder, postgres, authority):
    federation = Federation(*authority.certificate(), authority.ca)
    postgres.sql("DROP DATABASE IF EXISTS federation_large")
    deployment = Deployment(os.path.join(folder, "large"), build, postgres, database="federation_large", monolith=True,
                            server_name=federation.server_name, federation=federation, bcrypt_rounds=4, extra_config={"experimental_features": {"msc4370_enabled": True}})
    try:
        server = Server(deployment.start())
        alice, bob = server.register(), server.register()
        room_id = alice.create_room(preset="public_chat", room_version="10", name="large")
        bob.join(room_id)
        partial = alice.create_room(preset="public_chat", room_version="10")
        deployment.stop()
        server.sql(f"INSERT INTO partial_state_rooms (room_id, device_lists_stream_id, joined_via) VALUES ('{partial}', 1, 'first.example.org')")
        server.sql(f"INSERT INTO partial_state_rooms_servers (room_id, server_name) VALUES ('{partial}', 'first.example.org')")
        join = server.sql(f"SELECT event_id FROM room_memberships WHERE room_id = '{room_id}' AND user_id = '{bob.user_id}'")[0][0]
        server.sql(FILL.format(domain="members.example.org", members=MEMBERS, join=join, bob=bob.user_id, room=room_id))
        deployment.start()
        yield deployment, alice, room_id, partial
    finally:
        deployment.stop()


def memory(deployment):
    """Most that the process has held at once, in MiB."""
    with open(f"/proc/{deployment.processes['main'].pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def cpu(deployment):
    with open(f"/proc/{deployment.processes['main'].pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def join(remote, home, room_id, name, query=""):
    user = remote.user(name)
    made = remote.ok("GET", home.name, f"{V1}/make_join/{quote(room_id)}/{quote(user)}?ver=10", timeout=120)
    event = {key: value for key, value in made["event"].items() if key not in ("event_id", "origin")}
    event = pdus.build("10", remote.name, remote.key, **event)
    return remote.ok("PUT", home.name, f"{V2}/send_join/{quote(room_id)}/{quote(pdus.event_id(event, '10'))}{query}", event, timeout=120)


def test_join(large, remote):
    deployment, alice, room_id, _ = large
    home = Server(deployment)
    spent = []
    for name in ("first", "second", "third"):
        before, start = cpu(deployment), time.monotonic()
        answer = join(remote, home, room_id, name)
        spent.append((round(cpu(deployment) - before, 2), round(time.monotonic() - start, 2)))
        members = [e for e in answer["state"] if e["type"] == "m.room.member"]
        assert len(members) >= MEMBERS + 2 and len(answer["auth_chain"]) < 20
    print("CPU and wall seconds of each join:", spent, "MiB:", memory(deployment))
    assert memory(deployment) < 250
    assert spent[-1][0] < 5


def test_join_without_members(large, remote):
    deployment, alice, room_id, _ = large
    home = Server(deployment)
    before, start = cpu(deployment), time.monotonic()
    answer = join(remote, home, room_id, "few", "?omit_members=true")
    print("CPU and wall seconds:", round(cpu(deployment) - before, 2), round(time.monotonic() - start, 2))
    assert answer["members_omitted"] and len(answer["state"]) < 20
    assert set(answer["servers_in_room"]) >= {home.name, "members.example.org"}


def test_state(large, remote):
    deployment, alice, room_id, _ = large
    home = Server(deployment)
    join(remote, home, room_id, "reader")
    event_id = alice.send(room_id, "hello")
    for _ in range(2):
        start = time.monotonic()
        ids = remote.ok("GET", home.name, f"{V1}/state_ids/{quote(room_id)}?event_id={quote(event_id)}", timeout=120)
        print("state_ids:", round(time.monotonic() - start, 2))
    assert len(ids["pdu_ids"]) > MEMBERS
    state = remote.ok("GET", home.name, f"{V1}/state/{quote(room_id)}?event_id={quote(event_id)}", timeout=120)
    assert len(state["pdus"]) == len(ids["pdu_ids"]) and len(state["auth_chain"]) == len(ids["auth_chain_ids"])
    assert memory(deployment) < 250


def test_room_whose_state_is_not_complete(large, remote):
    """As processes of Synapse leave it that join a large room: what needs all members is not told yet."""
    deployment, alice, _, room_id = large
    home = Server(deployment)
    event_id = alice.send(room_id, "hello")
    state = remote.call("GET", home.name, f"{V1}/state_ids/{quote(room_id)}?event_id={quote(event_id)}")
    assert (state.status, state.json["errcode"]) == (403, "M_UNABLE_DUE_TO_PARTIAL_STATE")
    for action in ("make_join", "make_knock", "make_leave"):
        answer = remote.call("GET", home.name, f"{V1}/{action}/{quote(room_id)}/{quote(remote.user('x'))}?ver=10")
        assert (answer.status, answer.json["errcode"]) == (404, "M_NOT_FOUND")
    history = remote.call("GET", home.name, f"{V1}/backfill/{quote(room_id)}?v={quote(event_id)}&limit=1")
    assert (history.status, history.json["errcode"]) == (403, "M_FORBIDDEN")  # nobody of that server is there


def test_newest_events(large, remote):
    """MSC4370, which the configuration of this deployment turns on."""
    deployment, alice, room_id, partial = large
    home = Server(deployment)
    path = "/_matrix/federation/unstable/org.matrix.msc4370/extremities"
    stranger = remote.call("GET", home.name, f"{path}/{quote(alice.create_room())}")
    assert (stranger.status, stranger.json["errcode"]) == (403, "M_FORBIDDEN")
    join(remote, home, room_id, "asking")
    event_id = alice.send(room_id, "the newest")
    assert remote.ok("GET", home.name, f"{path}/{quote(room_id)}") == {"prev_events": [event_id]}
