"""The public list of rooms, its pages and searches; who may publish; the statistics that it is made of."""

import itertools
import time

import pytest

from lib.rooms import CLIENT, done, refused
from lib.server import quote, request
from lib.wait import until

LIST = CLIENT + "/publicRooms"
_words = itertools.count(int(time.time()))


def listed(room):
    return f"{CLIENT}/directory/list/room/{quote(room)}"


def search(user, word, **body):
    return user.ok("POST", LIST, {"filter": {"generic_search_term": word, **body.pop("filter", {})}, **body})


def found(user, word, n, **body):
    """The answer once the list has n rooms of that word."""
    def there():
        answer = search(user, word, **body)
        return answer if len(answer["chunk"]) == n else None
    return until(there)


def word():
    return f"word{next(_words)}"


def test_what_is_told_of_a_room(server):
    alice, bob = server.register(), server.register()
    name = word()
    room = alice.create_room(preset="public_chat", visibility="public", name=name.upper(), topic="a topic", room_alias_name=name,
                             creation_content={"type": "m.space"},
                             initial_state=[{"type": "m.room.avatar", "content": {"url": "mxc://a/b"}},
                                            {"type": "m.room.guest_access", "content": {"guest_access": "can_join"}},
                                            {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}])
    bob.join(room)
    entry = until(lambda: next((r for r in search(bob, name)["chunk"] if r["num_joined_members"] == 2), None))
    assert entry == {"room_id": room, "name": name.upper(), "topic": "a topic", "canonical_alias": f"#{name}:{server.name}",
                     "num_joined_members": 2, "avatar_url": "mxc://a/b", "world_readable": True, "guest_can_join": True,
                     "join_rule": "public", "room_type": "m.space"}
    alice.put_state(room, "m.room.name", {"name": "another " + name})
    until(lambda: search(bob, name)["chunk"][0]["name"] == "another " + name)
    alice.put_state(room, "m.room.name", {"name": "nul \0 in it"})
    until(lambda: "name" not in search(bob, name)["chunk"][0])


def test_who_publishes_a_room_finds_it_listed(server):
    """At once: nothing here waits. A room that is made, and one that is published later."""
    alice = server.register()
    for i in range(5):
        name = word()
        room = alice.create_room(preset="public_chat", visibility="public", name=name)
        assert [(r["room_id"], r["num_joined_members"]) for r in search(alice, name)["chunk"]] == [(room, 1)]
    late = word()
    room = alice.create_room(preset="public_chat", name=late)
    alice.put_state(room, "m.room.topic", {"topic": "a late one"})
    alice.ok("PUT", listed(room), {"visibility": "public"})
    assert [(r["room_id"], r["topic"]) for r in search(alice, late)["chunk"]] == [(room, "a late one")]


def test_pages_by_size(server):
    alice, others = server.register(), [server.register() for _ in range(3)]
    name = word()
    rooms = [alice.create_room(preset="public_chat", visibility="public", name=f"{name} {i}") for i in range(4)]
    for i, room in enumerate(rooms):
        for user in others[:i]:
            user.join(room)
    until(lambda: [r["num_joined_members"] for r in search(alice, name)["chunk"]] == [4, 3, 2, 1])
    first = search(alice, name, limit=2)
    assert [r["room_id"] for r in first["chunk"]] == [rooms[3], rooms[2]] and "prev_batch" not in first
    second = search(alice, name, limit=2, since=first["next_batch"])
    assert [r["room_id"] for r in second["chunk"]] == [rooms[1], rooms[0]] and "next_batch" not in second
    back = search(alice, name, limit=2, since=second["prev_batch"])
    assert [r["room_id"] for r in back["chunk"]] == [rooms[3], rooms[2]] and "prev_batch" not in back
    assert back["next_batch"] == first["next_batch"]
    assert len(search(alice, name, limit=0)["chunk"]) == 4
    assert search(alice, name)["total_room_count_estimate"] >= 4
    over = alice.ok("GET", LIST, limit=1)
    assert len(over["chunk"]) == 1 and over["next_batch"]
    assert alice.ok("GET", LIST, limit=1, since=over["next_batch"])["chunk"] != over["chunk"]


def test_only_what_a_stranger_may_enter_is_listed(server):
    alice = server.register()
    name = word()
    private = alice.create_room(preset="private_chat", visibility="public", name=name)
    public = alice.create_room(preset="public_chat", visibility="public", name=name)
    knock = alice.create_room(preset="private_chat", visibility="public", name=name,
                              initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    alice.create_room(preset="public_chat", name=name)
    rooms = {r["room_id"] for r in found(alice, name, 2)["chunk"]}
    assert rooms == {public, knock} and private not in rooms
    space = alice.create_room(preset="public_chat", visibility="public", name=name, creation_content={"type": "m.space"})
    assert found(alice, name, 1, filter={"room_types": ["m.space"]})["chunk"][0]["room_id"] == space
    assert {r["room_id"] for r in search(alice, name, filter={"room_types": [None]})["chunk"]} == rooms
    assert len(found(alice, name, 3, filter={"room_types": [None, "m.space"]})["chunk"]) == 3
    assert search(alice, name, filter={"room_types": []})["chunk"] == []
    alice.leave(public)
    found(alice, name, 2)


def test_publishing_and_taking_off(server):
    alice, bob = server.register(), server.register()
    name = word()
    room = alice.create_room(preset="public_chat", name=name)
    assert request("GET", server.base_url + listed(room)).json == {"visibility": "private"}
    refused(bob.call("PUT", listed(room), {"visibility": "public"}), 403, "M_FORBIDDEN")
    bob.join(room)
    refused(bob.call("PUT", listed(room), {"visibility": "public"}), 403, "M_FORBIDDEN")
    alice.ok("PUT", listed(room), {"visibility": "public"})
    assert request("GET", server.base_url + listed(room)).json == {"visibility": "public"}
    assert found(bob, name, 1)["chunk"][0]["room_id"] == room
    alice.ok("PUT", listed(room), {"visibility": "private"})
    assert search(bob, name)["chunk"] == []
    alice.ok("PUT", listed(room), {})
    assert len(search(bob, name)["chunk"]) == 1
    for bad in ("secret", 5, None):
        refused(alice.call("PUT", listed(room), {"visibility": bad}), 400, "M_BAD_JSON")
    refused(alice.call("PUT", listed(room)), 400, "M_NOT_JSON")
    for bad in ("x", [1], {}):
        refused(alice.call("PUT", f"{CLIENT}/directory/room/{quote(f'#{name}:{server.name}')}", {"room_id": room, "servers": bad}), 400, "M_BAD_JSON")
    refused(alice.call("PUT", listed("!none:" + server.name), {}), 400)
    refused(request("GET", server.base_url + listed("!none:" + server.name)), 404, "M_NOT_FOUND")
    network = f"{CLIENT}/directory/list/appservice/net/{quote(room)}"
    refused(alice.call("PUT", network, {"visibility": "public"}), 403, "M_FORBIDDEN")
    refused(alice.call("DELETE", network), 403, "M_FORBIDDEN")


@pytest.mark.parametrize("body", [
    {"limit": -1}, {"limit": "x"}, {"limit": 1.5}, {"since": "junk"}, {"since": "g6FtAaFyo"}, {"filter": "x"},
    {"filter": {"room_types": "x"}}, {"filter": {"room_types": [5]}}, {"filter": {"generic_search_term": 5}},
    {"third_party_instance_id": "x"}, {"third_party_instance_id": "x|y|z"}, {"third_party_instance_id": "x|y", "include_all_networks": True}])
def test_bad_questions(server, body):
    alice = server.register()
    assert alice.call("POST", LIST, body).status == 400


def test_questions_to_the_list(server):
    alice = server.register()
    refused(request("GET", server.base_url + LIST), 401, "M_MISSING_TOKEN")
    refused(request("POST", server.base_url + LIST, {}), 401, "M_MISSING_TOKEN")
    refused(alice.call("GET", LIST, limit="x"), 400, "M_INVALID_PARAM")
    refused(alice.call("GET", LIST, limit=-2), 400, "M_INVALID_PARAM")
    refused(alice.call("GET", LIST, since="zz"), 400, "M_INVALID_PARAM")
    refused(alice.call("GET", LIST, server="bad server!"), 400, "M_INVALID_PARAM")
    assert alice.call("GET", LIST, server="elsewhere.invalid").status == 502
    assert alice.call("GET", LIST, server=server.name).status == 200
    assert alice.ok("POST", LIST, {"third_party_instance_id": "a|b"})["chunk"] == []
    assert alice.call("POST", LIST, {"include_all_networks": True}).status == 200
    assert alice.ok("POST", LIST, {"filter": {"generic_search_term": "nul\0"}})["chunk"] == []


def test_statistics_follow_the_rooms(server):
    alice, bob, carol, dave = (server.register() for _ in range(4))
    room = alice.create_room(preset="public_chat")
    sql = server.deployment.postgres.sql
    columns = "joined_members, invited_members, left_members, banned_members, knocked_members, local_users_in_room"

    def numbers():
        rows = sql(f"SELECT {columns} FROM room_stats_current WHERE room_id = '{room}'", server.deployment.database)
        return tuple(int(v) for v in rows[0]) if rows else None

    def joined_rooms(user):
        rows = sql(f"SELECT joined_rooms FROM user_stats_current WHERE user_id = '{user.user_id}'", server.deployment.database)
        return int(rows[0][0])

    until(lambda: numbers() == (1, 0, 0, 0, 0, 1))
    bob.join(room)
    carol.join(room)
    alice.invite(room, dave)
    until(lambda: numbers() == (3, 1, 0, 0, 0, 3))
    bob.leave(room)
    done(alice, room, "ban", carol)
    dave.join(room)
    until(lambda: numbers() == (2, 0, 1, 1, 0, 2))
    assert joined_rooms(alice) == 1 and joined_rooms(bob) == 0 and joined_rooms(dave) == 1
    done(alice, room, "unban", carol)
    until(lambda: numbers() == (2, 0, 2, 0, 0, 2))
    alice.leave(room)
    dave.leave(room)
    until(lambda: numbers() == (0, 0, 4, 0, 0, 0))
    assert joined_rooms(alice) == joined_rooms(dave) == 0
