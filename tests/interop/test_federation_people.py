"""A real Synapse as the other server: profiles, aliases, lists, spaces, typing, receipts and presence, both ways."""

import json

import pytest

from deployment.deployment import Deployment
from lib.mixed import Mixed
from lib.remote import Remote
from lib.server import Server, quote
from lib.wait import until
from test_federation import _deploy

CLIENT = "/_matrix/client/v3"
FED = "/_matrix/federation/v1"
OPEN = {"allow_public_rooms_over_federation": True, "room_list_publication_rules": [{"action": "allow"}]}


@pytest.fixture(scope="module")
def synapse(build, folder, postgres, authority):
    deployment = _deploy(Mixed, "interop_people_synapse", build, folder, postgres, authority, extra_config=OPEN, monolith=True, python={"main"})
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


@pytest.fixture(scope="module", params=["monolith", "split"])
def ours(build, folder, postgres, authority, request):
    deployment = _deploy(Deployment, f"interop_people_{request.param}", build, folder, postgres, authority, extra_config=OPEN,
                         monolith=request.param == "monolith")
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


@pytest.fixture
def people(ours, synapse):
    """One of ours and one of Synapse's in a room, which ours made."""
    alice, bob = ours.register(), synapse.register()
    room = alice.create_room(preset="public_chat")
    bob.ok("POST", f"{CLIENT}/join/{quote(room)}?server_name={quote(ours.name)}", {}, timeout=60)
    for user in (alice, bob):
        until(lambda: user.call("GET", f"{CLIENT}/rooms/{quote(room)}/state/m.room.member/{quote(bob.user_id)}").status == 200)
        user.sync_until(lambda answer: room in answer.get("rooms", {}).get("join", {}))
    return alice, bob, room


def ways(people):
    alice, bob, room = people
    return (alice, bob), (bob, alice)


def heard(user, since, room, kind, condition):
    """An ephemeral event of the room that fits has come to the user; the token after it."""
    return user.sync_until(lambda answer: any(
        e["type"] == kind and condition(e["content"])
        for e in answer.get("rooms", {}).get("join", {}).get(room, {}).get("ephemeral", {}).get("events", [])), since)[1]


def test_typing_and_receipts(people):
    room = people[2]
    for who, sees in ways(people):
        _, since = sees.sync_until(lambda answer: room in answer.get("rooms", {}).get("join", {}))
        who.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/typing/{quote(who.user_id)}", {"typing": True, "timeout": 30000})
        since = heard(sees, since, room, "m.typing", lambda c: who.user_id in c["user_ids"])
        event = sees.send(room, "read this")
        until(lambda: who.call("GET", f"{CLIENT}/rooms/{quote(room)}/event/{quote(event)}").status == 200)
        who.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(event)}", {})
        heard(sees, since, room, "m.receipt", lambda c: who.user_id in c.get(event, {}).get("m.read", {}))


def test_presence(people):
    for who, sees in ways(people):
        path = f"{CLIENT}/presence/{quote(who.user_id)}/status"
        who.ok("PUT", path, {"presence": "unavailable", "status_msg": who.user_id})
        # Not asked of Synapse while it comes: a question at that moment makes it forget what it has just been told.
        until(lambda: sees.server.sql(f"SELECT state, status_msg FROM presence_stream WHERE user_id = '{who.user_id}'") ==
              [["unavailable", who.user_id]])
        until(lambda: sees.ok("GET", path).get("status_msg") == who.user_id)


def test_profiles_and_aliases(people):
    for who, sees in ways(people):
        path = f"{CLIENT}/profile/{quote(who.user_id)}"
        who.ok("PUT", path + "/displayname", {"displayname": "Näme"})
        who.ok("PUT", path + "/avatar_url", {"avatar_url": "mxc://a/b"})
        assert sees.ok("GET", path) == {"displayname": "Näme", "avatar_url": "mxc://a/b"}
        room = who.create_room(preset="public_chat", room_alias_name="of-" + who.user_id[1:].split(":")[0])
        alias = who.state(room, "m.room.canonical_alias")["alias"]
        assert sees.ok("GET", f"{CLIENT}/directory/room/{quote(alias)}") == {"room_id": room, "servers": [who.server.name]}
        missing = alias.replace("#", "#no")
        assert sees.call("GET", f"{CLIENT}/directory/room/{quote(missing)}").status == 404


def test_lists_and_spaces(people):
    for who, sees in ways(people):
        name = f"the list of {who.user_id}"
        child = who.create_room(preset="public_chat", name=name, visibility="public")
        closed = who.create_room(name="closed")
        via = {"via": [who.server.name]}
        space = who.create_room(preset="public_chat", creation_content={"type": "m.space"}, initial_state=[
            {"type": "m.space.child", "state_key": room, "content": via} for room in (child, closed)])
        until(lambda: any(r.get("name") == name for r in
                          sees.ok("GET", f"{CLIENT}/publicRooms?server={quote(who.server.name)}")["chunk"]))
        found = sees.ok("POST", f"{CLIENT}/publicRooms?server={quote(who.server.name)}", {"filter": {"generic_search_term": name}})
        assert [r["room_id"] for r in found["chunk"]] == [child]
        top = sees.create_room(creation_content={"type": "m.space"}, initial_state=[
            {"type": "m.space.child", "state_key": space, "content": via}])
        rooms = sees.ok("GET", f"/_matrix/client/v1/rooms/{quote(top)}/hierarchy", timeout=60)["rooms"]
        assert [r["room_id"] for r in rooms] == [top, space, child]
        summary = sees.ok("GET", f"/_matrix/client/v1/room_summary/{quote(child)}?via={quote(who.server.name)}")
        assert summary["name"] == name and summary["membership"] == "leave"


def test_a_third_server_is_told_the_same(ours, synapse, authority):
    """Both answer a third server's questions alike: status, errcode, and what stands in the answers."""
    third = Remote(authority)
    try:
        answers = []
        for server in (ours, synapse):
            user = server.register()
            user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/displayname", {"displayname": "N"})
            child = user.create_room(preset="public_chat", name="child")
            space = user.create_room(preset="public_chat", name="space", creation_content={"type": "m.space"}, initial_state=[
                {"type": "m.space.child", "state_key": child, "content": {"via": [server.name]}}])
            private = user.create_room()
            questions = [f"query/profile?user_id={quote(user.user_id)}", f"query/profile?user_id={quote(user.user_id)}&field=displayname",
                         f"query/profile?user_id={quote(user.user_id)}&field=avatar_url",
                         f"query/profile?user_id={quote('@nobody:' + server.name)}", f"query/profile?user_id={quote(third.user('x'))}",
                         f"query/directory?room_alias={quote('#no:' + server.name)}", f"query/directory?room_alias={quote('#x:' + third.name)}",
                         "query/weather", f"hierarchy/{quote(space)}", f"hierarchy/{quote(private)}"]
            hide = ((server.name, "SERVER"), (user.user_id.split(":")[0], "@USER"), (space.split(":")[0], "SPACE"), (child.split(":")[0], "CHILD"))
            got = []
            for question in questions:
                answer = third.call("GET", server.name, f"{FED}/{question}")
                text = answer.text.decode()
                for what, by in hide:
                    text = text.replace(what, by)
                got.append((question.split("?")[0].split("/")[0:2][0], answer.status, json.loads(text)))
            answers.append(got)
        for mine, theirs in zip(*answers):
            assert mine[:2] == theirs[:2], (mine, theirs)
            if mine[0] == "hierarchy" and mine[1] == 404:
                assert mine[2]["errcode"] == "M_NOT_FOUND"  # as the specification has it; Synapse says M_UNKNOWN
            elif mine[1] != 200:
                assert mine[2]["errcode"] == theirs[2]["errcode"], (mine, theirs)
            elif mine[0] == "hierarchy":
                for a, b in ((mine[2]["room"], theirs[2]["room"]), (mine[2]["children"][0], theirs[2]["children"][0])):
                    assert {k: v for k, v in a.items() if k != "children_state"} == {k: v for k, v in b.items() if k != "children_state"}
            else:
                assert mine[2] == theirs[2]
    finally:
        third.stop()
