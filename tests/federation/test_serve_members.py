"""Users of other servers come, knock and go through us."""


import pytest

from lib import pdu as pdus
from lib.server import quote
from lib.wait import until

V1, V2 = "/_matrix/federation/v1", "/_matrix/federation/v2"
VERSIONS = [str(n) for n in range(1, 13)]


def make(remote, home, action, room_id, user, versions=("10",)):
    query = "&".join(f"ver={version}" for version in versions)
    return remote.call("GET", home.name, f"{V1}/make_{action}/{quote(room_id)}/{quote(user)}?{query}")


def signed(remote, template, version, **changes):
    event = {**template, **changes}
    for name in ("hashes", "signatures", "unsigned", "event_id"):
        event.pop(name, None)
    return pdus.build(version, remote.name, remote.key, **event)


def send(remote, home, action, room_id, event, version="10", api=V2, query=""):
    return remote.call("PUT", home.name, f"{api}/send_{action}/{quote(room_id)}/{quote(pdus.event_id(event, version))}{query}", event)


def membership(home, room_id, user):
    rows = home.sql(f"SELECT membership FROM current_state_events WHERE room_id = '{room_id}' AND type = 'm.room.member' AND state_key = '{user}'")
    return rows[0][0] if rows else None


@pytest.mark.parametrize("version", VERSIONS)
def test_join_of_every_version(home, remote, version):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version=version, name="a room")
    user = remote.user("joiner")
    made = make(remote, home, "join", room_id, user, VERSIONS).json
    assert made["room_version"] == version
    event = made["event"]
    assert event["type"] == "m.room.member" and event["sender"] == event["state_key"] == user and event["room_id"] == room_id
    assert event["content"] == {"membership": "join"} and event["depth"] > 1 and event["prev_events"] and event["auth_events"]
    assert not {"hashes", "signatures", "unsigned"} & set(event)
    event = signed(remote, event, version)
    answer = send(remote, home, "join", room_id, event, version).json
    name = pdus.event_id(event, version)
    assert pdus.event_id(answer["event"], version) == name and answer["members_omitted"] is False and answer["origin"] == home.name
    state = {(e["type"], e["state_key"]): e for e in answer["state"]}
    assert state["m.room.name", ""]["content"]["name"] == "a room" and ("m.room.member", user) not in state
    assert state["m.room.member", alice.user_id]["content"]["membership"] == "join"
    known = {pdus.event_id(e, version) for e in answer["state"] + answer["auth_chain"]}
    for e in answer["state"] + answer["auth_chain"] + [event]:
        assert set(pdus.referred(e["auth_events"], version)) <= known
        assert pdus.content_hash(e) == e["hashes"]["sha256"]
    assert membership(home, room_id, user) == "join"
    meta = home.sql(f"SELECT internal_metadata FROM event_json WHERE event_id = '{name}'")[0][0]
    assert f'"send_on_behalf_of":"{remote.name}"' in meta.replace(" ", "")
    alice.sync_until(lambda s: any(e.get("state_key") == user for e in s.get("rooms", {}).get("join", {}).get(room_id, {}).get("timeline", {}).get("events", [])))
    again = send(remote, home, "join", room_id, event, version)  # an answer that was lost is asked for again
    assert again.status == 200 and len(again.json["state"]) == len(answer["state"])


def test_old_form(home, remote):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    event = signed(remote, make(remote, home, "join", room_id, user).json["event"], "10")
    answer = send(remote, home, "join", room_id, event, api=V1).json
    assert answer[0] == 200 and answer[1]["state"] and answer[1]["auth_chain"]
    leave = signed(remote, make(remote, home, "leave", room_id, user).json["event"], "10")
    assert send(remote, home, "leave", room_id, leave, api=V1).json == [200, {}]
    assert membership(home, room_id, user) == "leave"


def test_without_members(home, remote):
    alice, bob = home.register(), home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10", name="named")
    bob.join(room_id)
    user = remote.user("joiner")
    event = signed(remote, make(remote, home, "join", room_id, user).json["event"], "10")
    answer = send(remote, home, "join", room_id, event, query="?omit_members=true").json
    assert answer["members_omitted"] is True and answer["servers_in_room"] == [home.name]
    assert not [e for e in answer["state"] if e["type"] == "m.room.member"]
    told = [pdus.event_id(e, "10") for e in answer["state"] + answer["auth_chain"]]
    assert len(told) == len(set(told))  # nothing twice
    assert any(e["type"] == "m.room.member" for e in answer["auth_chain"])
    for e in answer["state"] + answer["auth_chain"]:
        assert set(e["auth_events"]) <= set(told)
    nameless = alice.create_room(preset="public_chat", room_version="10")
    event = signed(remote, make(remote, home, "join", nameless, user).json["event"], "10")
    answer = send(remote, home, "join", nameless, event, query="?omit_members=true").json
    assert [e["state_key"] for e in answer["state"] if e["type"] == "m.room.member"] == [alice.user_id]


def test_what_cannot_be_made(home, remote, remotes):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    wrong = make(remote, home, "join", room_id, user, ("1", "9"))
    assert (wrong.status, wrong.json["errcode"], wrong.json["room_version"]) == (400, "M_INCOMPATIBLE_ROOM_VERSION", "10")
    assert make(remote, home, "join", room_id, user, ()).json["errcode"] == "M_INCOMPATIBLE_ROOM_VERSION"
    other = make(remote, home, "join", room_id, remotes().user("x"))
    assert (other.status, other.json["errcode"]) == (403, "M_FORBIDDEN")
    for nowhere in ("!none:example.org", f"!none:{home.name}"):
        unknown = make(remote, home, "join", nowhere, user)
        assert (unknown.status, unknown.json["errcode"]) == (404, "M_NOT_FOUND")
    private = alice.create_room(room_version="10")
    assert make(remote, home, "join", private, user).status == 403
    assert make(remote, home, "leave", private, user).status == 403
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room_id)}/ban", {"user_id": user})
    banned = make(remote, home, "join", room_id, user)
    assert (banned.status, banned.json["errcode"]) == (403, "M_FORBIDDEN")
    left = alice.create_room(preset="public_chat", room_version="10")
    alice.leave(left)
    assert make(remote, home, "join", left, user).status == 404


def test_what_is_no_join(home, remote, remotes):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    template = make(remote, home, "join", room_id, user).json["event"]
    good = signed(remote, template, "10")

    def refused(event, status, errcode, who=remote, action="join"):
        answer = send(who, home, action, room_id, event)
        assert (answer.status, answer.json["errcode"]) == (status, errcode), answer

    refused(signed(remote, template, "10", type="m.room.topic"), 400, "M_BAD_JSON")
    refused(signed(remote, template, "10", content={"membership": "leave"}), 400, "M_BAD_JSON")
    refused(good, 400, "M_BAD_JSON", action="leave")
    refused(signed(remote, template, "10", room_id="!other:example.org"), 400, "M_BAD_JSON")
    refused(signed(remote, template, "10", state_key=remote.user("somebody")), 400, "M_BAD_JSON")
    refused(signed(remote, template, "10", prev_events=["$unknown"]), 400, "M_BAD_JSON")
    refused({**good, "signatures": {remote.name: {remote.key_id: "AAAA"}}}, 403, "M_FORBIDDEN")
    refused({**good, "signatures": {}}, 403, "M_FORBIDDEN")
    refused(good, 403, "M_FORBIDDEN", who=remotes())
    refused(signed(remote, template, "10", auth_events=[]), 403, "M_FORBIDDEN")
    for body in ({}, {"room_id": room_id}, {"room_id": 1}):
        answer = remote.call("PUT", home.name, f"{V2}/send_join/{quote(room_id)}/%24x", body)
        assert answer.status == 400, answer
    assert membership(home, room_id, user) is None
    assert send(remote, home, "join", room_id, good).status == 200


def test_ban_while_they_sign(home, remote):
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    event = signed(remote, make(remote, home, "join", room_id, user).json["event"], "10")
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room_id)}/ban", {"user_id": user})
    answer = send(remote, home, "join", room_id, event)  # stands before the ban: allowed there, not now
    assert membership(home, room_id, user) == "ban"
    assert answer.status == 200
    assert '"soft_failed":true' in home.sql(f"SELECT internal_metadata FROM event_json WHERE event_id = '{pdus.event_id(event, '10')}'")[0][0].replace(" ", "")


@pytest.mark.parametrize("version", ["8", "9", "10", "12"])
def test_restricted(home, remote, version):
    alice = home.register()
    space = alice.create_room(preset="public_chat", room_version=version)
    room_id = alice.create_room(room_version=version, initial_state=[
        {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": space}]}}])
    user = remote.user("joiner")
    outside = make(remote, home, "join", room_id, user, VERSIONS)
    assert (outside.status, outside.json["errcode"]) == (403, "M_FORBIDDEN")
    remote.join(home.name, space, version=version)
    template = until(lambda: (answer := make(remote, home, "join", room_id, user, VERSIONS)).status == 200 and answer).json["event"]
    assert template["content"] == {"membership": "join", "join_authorised_via_users_server": alice.user_id}
    bare = signed(remote, template, version, content={"membership": "join"}, auth_events=template["auth_events"])
    assert send(remote, home, "join", room_id, bare, version).status == 403
    foreign = signed(remote, template, version, content={"membership": "join", "join_authorised_via_users_server": "@x:example.org"})
    assert send(remote, home, "join", room_id, foreign, version).status in (400, 403)
    answer = send(remote, home, "join", room_id, signed(remote, template, version), version)
    assert answer.status == 200, answer
    assert set(answer.json["event"]["signatures"]) == {remote.name, home.name}
    assert membership(home, room_id, user) == "join"


def test_restricted_where_we_cannot_say(home, remote):
    alice = home.register()

    def rule(allow):
        return {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": allow}]}}

    room_id = alice.create_room(room_version="10", initial_state=[rule("!elsewhere:example.org")])
    answer = make(remote, home, "join", room_id, remote.user("joiner"))
    assert (answer.status, answer.json["errcode"]) == (400, "M_UNABLE_TO_AUTHORISE_JOIN")
    space = alice.create_room(preset="public_chat", room_version="10")
    remote.join(home.name, space)
    nobody = alice.create_room(room_version="10", initial_state=[rule(space)], power_level_content_override={"invite": 101})
    answer = make(remote, home, "join", nobody, remote.user("joiner"))
    assert (answer.status, answer.json["errcode"]) == (400, "M_UNABLE_TO_GRANT_JOIN")


def test_knock(home, remote):
    alice = home.register()
    room_id = alice.create_room(room_version="10", name="closed", initial_state=[{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}])
    user = remote.user("knocker")
    made = make(remote, home, "knock", room_id, user).json
    assert made["event"]["content"] == {"membership": "knock"} and made["room_version"] == "10"
    event = signed(remote, made["event"], "10")
    answer = send(remote, home, "knock", room_id, event, api=V1).json
    shown = {e["type"]: e for e in answer["knock_room_state"]}
    assert shown["m.room.name"]["content"]["name"] == "closed" and "m.room.create" in shown and "m.room.join_rules" in shown
    assert all(pdus.content_hash(e) == e["hashes"]["sha256"] for e in shown.values())
    assert membership(home, room_id, user) == "knock"
    alice.ok("POST", f"/_matrix/client/v3/rooms/{quote(room_id)}/kick", {"user_id": user})
    assert membership(home, room_id, user) == "leave"
    missing = make(remote, home, "knock", room_id, user, ())
    assert (missing.status, missing.json["errcode"]) == (400, "M_MISSING_PARAM")
    public = alice.create_room(preset="public_chat", room_version="10")
    assert make(remote, home, "knock", public, user).status == 403
    old = alice.create_room(room_version="6")
    assert make(remote, home, "knock", old, user, ("6",)).status == 403
    assert make(remote, home, "knock", room_id, user, ("9",)).json["errcode"] == "M_INCOMPATIBLE_ROOM_VERSION"


def test_too_many_joins(own, authority, remote):
    """rc_joins_per_room counts joins through us, and make_join says so at once."""
    with own.running("limited", monolith=True, authority=authority,
                     extra_config={"rc_joins_per_room": {"per_second": 0.001, "burst_count": 3}}) as limited:
        alice = limited.register()
        room_id = alice.create_room(preset="public_chat", room_version="10")
        events = [signed(remote, make(remote, limited, "join", room_id, remote.user(f"u{n}")).json["event"], "10") for n in range(5)]
        statuses = [send(remote, limited, "join", room_id, event).status for event in events]
        assert statuses == [200, 200, 200, 429, 429]
        refused = make(remote, limited, "join", room_id, remote.user("late"))
        assert (refused.status, refused.json["errcode"]) == (429, "M_LIMIT_EXCEEDED") and refused.json["retry_after_ms"] > 0
        assert make(remote, limited, "leave", room_id, remote.user("u0")).status == 200


def test_sent_while_they_sign(home, remote):
    """An event between make_join and send_join: one that stands on both makes the joining server ask for it."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    event = signed(remote, make(remote, home, "join", room_id, remote.user("joiner")).json["event"], "10")
    meanwhile = alice.send(room_id, "meanwhile")
    join_id = pdus.event_id(event, "10")
    assert send(remote, home, "join", room_id, event).status == 200
    ends = home.sql(f"SELECT event_id FROM event_forward_extremities WHERE room_id = '{room_id}'")
    assert len(ends) == 1
    tied = {row[0] for row in home.sql(f"SELECT prev_event_id FROM event_edges WHERE event_id = '{ends[0][0]}'")}
    assert tied == {meanwhile, join_id}
    assert not [e for e in alice.messages(room_id, limit=5)["chunk"] if e["type"] == "org.matrix.dummy_event"]


def test_others_hear_of_it(home, remotes):
    """The joining server may not know who is there: we tell them."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    first, second = remotes(), remotes()
    first.join(home.name, room_id)
    second.join(home.name, room_id)
    assert first.wait_pdu(lambda pdu: pdu.get("state_key") == second.user("joiner"))
    assert second.rooms[room_id].state_event("m.room.member", first.user("joiner"))


def test_bodies_that_are_no_events(home, remote):
    """Each gets its answer; the next one is served as ever."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    good = signed(remote, make(remote, home, "join", room_id, user).json["event"], "10")
    deep = {"a": 1}
    for _ in range(250):
        deep = {"a": deep}
    bodies = [({**good, "content": {"membership": "join", "deep": deep}}, 400), ({**good, "depth": 2 ** 60}, 400), ({**good, "depth": -1}, 400),
              ({**good, "prev_events": [["$a", {}]]}, 400), ({**good, "prev_events": ["$a"] * 1000}, 400), ({**good, "auth_events": "x"}, 400),
              ({**good, "content": []}, 400), ({**good, "hashes": 1}, 400), ({**good, "signatures": []}, 400), ({**good, "sender": "nobody"}, 400),
              ({**good, "content": {"membership": "join", "x": 1.5}}, 400), ({**good, "content": {"membership": "join", "long": "x" * 70000}}, 413),
              ({**good, "long": "x" * 200000}, 413)]
    for body, status in bodies:
        answer = remote.call("PUT", home.name, f"{V2}/send_join/{quote(room_id)}/%24x", body)
        assert answer.status in (status, 400, 403, 413) and answer.json["errcode"] != "M_UNKNOWN", (str(body)[:200], answer)
    assert send(remote, home, "join", room_id, good).status == 200


def test_wrong_hash(home, remote):
    """What was changed after it was hashed is taken without its contents, as servers do with all events."""
    alice = home.register()
    room_id = alice.create_room(preset="public_chat", room_version="10")
    user = remote.user("joiner")
    event = signed(remote, make(remote, home, "join", room_id, user).json["event"], "10", content={"membership": "join", "displayname": "true"})
    event["content"]["displayname"] = "false"
    answer = send(remote, home, "join", room_id, event)
    assert answer.status == 200 and answer.json["event"]["content"] == {"membership": "join"}
