"""Spaces and what strangers are told of rooms: hierarchies, summaries, rooms in common."""

import time

import pytest

from lib.rooms import refused, room_path
from lib.server import quote, request
from lib.sliding import settle

SPACE = {"creation_content": {"type": "m.space"}}


def rule(name, **more):
    return {"type": "m.room.join_rules", "content": {"join_rule": name, **more}}


def hierarchy(user, room, **query):
    return user.call("GET", f"/_matrix/client/v1/rooms/{quote(room)}/hierarchy", **query)


class Tree:
    """A space with rooms of every kind, and a space in it."""

    def __init__(self, server):
        self.alice = alice = server.register()
        via = {"via": [server.name]}
        self.root = alice.create_room(preset="public_chat", name="root", topic="roots", **SPACE,
                                      initial_state=[{"type": "m.room.avatar", "content": {"url": "mxc://a/b"}}])
        self.public = alice.create_room(preset="public_chat", name="public", room_version="9")
        self.private = alice.create_room(name="private", initial_state=[{"type": "m.room.encryption", "content": {"algorithm": "x"}}])
        self.sub = alice.create_room(preset="public_chat", name="sub", **SPACE)
        self.knock = alice.create_room(name="knock", initial_state=[rule("knock")])
        self.restricted = alice.create_room(name="restricted", initial_state=[
            rule("restricted", allow=[{"type": "m.room_membership", "room_id": self.root}])])
        self.leaf = alice.create_room(preset="public_chat", name="leaf")
        # By the orders given, then by time: sub, private, public, knock, restricted, then what is elsewhere.
        for child, content in ((self.private, {**via, "order": "b"}), (self.public, via), (self.knock, {**via, "order": "x" * 51}),
                               (self.sub, {**via, "order": "a", "suggested": True}), (self.restricted, {**via, "order": "\u00e9"}),
                               ("!elsewhere:other.invalid", {"via": ["other.invalid"]}), ("!gone:x", {}), ("!bad:x", {"via": "x"}),
                               ("!none:x", {"via": []})):
            alice.put_state(self.root, "m.space.child", content, child)
            time.sleep(0.002)  # the order is one of milliseconds
        alice.put_state(self.sub, "m.space.child", {**via, "suggested": True}, self.leaf)
        alice.put_state(self.sub, "m.space.child", via, self.root)
        settle(alice)
        self.names = {getattr(self, n): n for n in ("root", "public", "private", "sub", "knock", "restricted", "leaf")}

    def walk(self, user, **query):
        answer = hierarchy(user, self.root, **query)
        assert answer.status == 200, answer
        return [self.names[r["room_id"]] for r in answer.json["rooms"]], answer.json.get("next_batch")


@pytest.fixture(scope="module")
def trees():
    return {}


@pytest.fixture
def tree(server, trees):
    return trees.setdefault(server, None) or trees.__setitem__(server, Tree(server)) or trees[server]


def test_everything_in_order(server, tree):
    assert tree.walk(tree.alice) == (["root", "sub", "leaf", "private", "public", "knock", "restricted"], None)
    root, sub, leaf, private, public, knock, restricted = hierarchy(tree.alice, tree.root).json["rooms"]
    children = [c["state_key"] for c in root["children_state"]]
    assert children == [tree.sub, tree.private, tree.public, tree.knock, tree.restricted, "!elsewhere:other.invalid"]
    first = root["children_state"][0]
    assert set(first) == {"type", "state_key", "content", "sender", "origin_server_ts"} and first["content"]["order"] == "a"
    del root["children_state"]
    assert root == {"room_id": tree.root, "room_version": "12", "name": "root", "topic": "roots", "num_joined_members": 1,
                    "avatar_url": "mxc://a/b", "world_readable": False, "guest_can_join": False, "room_type": "m.space",
                    "join_rule": "public"}
    assert public["children_state"] == [] and public["room_version"] == "9"
    assert private["encryption"] == "x" and private["guest_can_join"] is True
    assert restricted["allowed_room_ids"] == [tree.root] and "allowed_room_ids" not in knock
    assert [c["state_key"] for c in sub["children_state"]] == [tree.leaf, tree.root] and leaf["name"] == "leaf"


def test_strangers_see_what_they_may_enter(server, tree):
    bob = server.register()
    assert tree.walk(bob)[0] == ["root", "sub", "leaf", "public", "knock"]
    bob.join(tree.root)
    assert tree.walk(bob)[0] == ["root", "sub", "leaf", "public", "knock", "restricted"]
    tree.alice.invite(tree.private, bob)
    assert tree.walk(bob)[0] == ["root", "sub", "leaf", "private", "public", "knock", "restricted"]
    bob.leave(tree.root)
    eve = server.register()
    refused(hierarchy(eve, tree.private), 403, "M_FORBIDDEN")
    refused(hierarchy(eve, f"!none:{server.name}"), 403, "M_FORBIDDEN")
    refused(request("GET", f"{server.base_url}/_matrix/client/v1/rooms/{quote(tree.root)}/hierarchy"), 401)


def test_depth_and_suggestions(server, tree):
    alice = tree.alice
    assert tree.walk(alice, max_depth=0)[0] == ["root"]
    assert tree.walk(alice, max_depth=1)[0] == ["root", "sub", "private", "public", "knock", "restricted"]
    assert tree.walk(alice, suggested_only="true")[0] == ["root", "sub", "leaf"]
    assert [c["state_key"] for c in hierarchy(alice, tree.root, suggested_only="true").json["rooms"][0]["children_state"]] == [tree.sub]


def test_pages(server, tree):
    """Each from another process where there are several."""
    alice, seen, token = tree.alice, [], None
    bases = [server.worker_url(n) for n in ("generic_worker1", "generic_worker2", "main")] if not server.monolith else [None]
    for i in range(10):
        query = {"limit": 2, **({"from": token} if token else {})}
        answer = alice.ok("GET", f"/_matrix/client/v1/rooms/{quote(tree.root)}/hierarchy", base=bases[i % len(bases)], **query)
        assert len(answer["rooms"]) <= 2
        seen += [tree.names[r["room_id"]] for r in answer["rooms"]]
        token = answer.get("next_batch")
        if token is None:
            break
    assert seen == tree.walk(alice)[0]
    token = tree.walk(alice, limit=1)[1]
    for other in ({"max_depth": 1}, {"suggested_only": "true"}):
        refused(hierarchy(alice, tree.root, **{"from": token, **other}), 400, "M_INVALID_PARAM")
    refused(hierarchy(alice, tree.sub, **{"from": token}), 400, "M_INVALID_PARAM")
    refused(hierarchy(server.register(), tree.root, **{"from": token}), 400, "M_INVALID_PARAM")
    assert tree.walk(alice, limit=0)[0] == []
    assert tree.walk(alice, limit=10 ** 9)[0] == seen


@pytest.mark.parametrize("query", [{"from": "junk"}, {"limit": -1}, {"limit": "x"}, {"max_depth": -1}, {"suggested_only": "perhaps"}])
def test_bad_questions(server, tree, query):
    refused(hierarchy(tree.alice, tree.root, **query), 400, "M_INVALID_PARAM")


def test_summaries(server, tree):
    bob = server.register()
    spellings = ("v1/room_summary/{}", "unstable/im.nheko.summary/summary/{}", "unstable/im.nheko.summary/rooms/{}/summary")
    for spelling in spellings:
        def ask(user, room):
            path = "/_matrix/client/" + spelling.format(quote(room))
            return user.call("GET", path) if user else request("GET", server.base_url + path)
        expected = {"room_id": tree.knock, "room_version": "12", "name": "knock", "num_joined_members": 1, "world_readable": False,
                    "guest_can_join": True, "join_rule": "knock"}
        assert ask(None, tree.knock).json == expected
        assert ask(bob, tree.knock).json == {**expected, "membership": "leave"}
        assert ask(tree.alice, tree.knock).json == {**expected, "membership": "join"}
        for user in (None, bob):
            refused(ask(user, tree.private), 404, "M_NOT_FOUND")
            refused(ask(user, tree.restricted), 404, "M_NOT_FOUND")
        assert ask(tree.alice, tree.restricted).json["allowed_room_ids"] == [tree.root]
        refused(ask(bob, f"!none:{server.name}"), 400, "M_UNKNOWN")
        refused(ask(bob, f"#none:{server.name}"), 404, "M_NOT_FOUND")
        refused(ask(bob, "zz"), 400, "M_UNKNOWN")
    tree.alice.ok("PUT", f"/_matrix/client/v3/directory/room/{quote('#sum-leaf:' + server.name)}", {"room_id": tree.leaf})
    assert bob.ok("GET", f"/_matrix/client/v1/room_summary/{quote('#sum-leaf:' + server.name)}")["room_id"] == tree.leaf


def test_rooms_in_common(server):
    alice, bob = server.register(), server.register()
    rooms = [alice.create_room(preset="public_chat") for _ in range(4)]
    for room in rooms[:3]:
        bob.join(room)
    bob.leave(rooms[2])
    path = "/_matrix/client/v1/mutual_rooms"
    assert bob.ok("GET", path, user_id=alice.user_id) == {"joined": sorted(rooms[:2]), "count": 2}
    assert bob.ok("GET", "/_matrix/client/unstable/mutual_rooms", user_id=alice.user_id)["count"] == 2
    assert bob.ok("GET", path, user_id=f"@nobody:{server.name}") == {"joined": [], "count": 0}
    refused(bob.call("GET", path), 400, "M_MISSING_PARAM")
    for bad in ({"user_id": "zz"}, {"user_id": bob.user_id}, {"user_id": alice.user_id, "from": "!"}):
        refused(bob.call("GET", path, **bad), 400, "M_INVALID_PARAM")
