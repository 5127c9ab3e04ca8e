"""Users find each other: by names and beginnings of names, those that they share rooms with, and those in public rooms."""

import pytest

from lib.server import quote
from lib.wait import until

SEARCH = "/_matrix/client/v3/user_directory/search"


def search(user, term, **more):
    return user.ok("POST", SEARCH, {"search_term": term, **more})


def found(user, term, **more):
    return [r["user_id"] for r in search(user, term, **more)["results"]]


def rename(user, name):
    user.ok("PUT", f"/_matrix/client/v3/profile/{quote(user.user_id)}/displayname", {"displayname": name})


@pytest.fixture
def word(server):
    """A word that no other test uses."""
    return "zq" + server.register().user_id[1:].split(":")[0]


def test_public_room(server, word):
    alice, bob = server.register(f"{word}a"), server.register(f"{word}b")
    assert found(alice, word) == []
    room = bob.create_room(preset="public_chat")
    until(lambda: bob.user_id in found(alice, word))
    # No longer public, and shared with nobody: gone. Then public by its history alone.
    bob.put_state(room, "m.room.join_rules", {"join_rule": "invite"})
    until(lambda: bob.user_id not in found(alice, word))
    bob.put_state(room, "m.room.history_visibility", {"history_visibility": "world_readable"})
    until(lambda: bob.user_id in found(alice, word))
    bob.leave(room)
    until(lambda: bob.user_id not in found(alice, word))


def test_private_room(server, word):
    alice, bob, carol = (server.register(f"{word}{c}") for c in "abc")
    room = alice.create_room(preset="private_chat")
    alice.invite(room, bob)
    assert found(alice, word) == []
    bob.join(room)
    until(lambda: found(alice, word) == [bob.user_id])
    assert found(bob, word) == [alice.user_id]
    assert found(carol, word) == []
    second = bob.create_room(preset="private_chat", invite=[alice.user_id])
    alice.join(second)
    bob.leave(room)
    until(lambda: server.sql(f"SELECT 1 FROM users_who_share_private_rooms WHERE room_id = '{room}'") == [])
    assert found(alice, word) == [bob.user_id]  # still in the other one
    alice.leave(second)
    until(lambda: found(alice, word) == [])


def test_names_and_order(server, word):
    alice, plain, named, longer = (server.register(f"{word}{c}") for c in ("a", "b", "c", "d"))
    rename(plain, "Somebody")
    rename(named, f"{word} Émile")
    rename(longer, f"{word}xyz")
    for user in (plain, named, longer):
        user.create_room(preset="public_chat")
    until(lambda: len(found(alice, word)) == 3)
    assert found(alice, word)[0] == named.user_id  # the whole word counts more than a beginning
    assert found(alice, "émi " + word) == [named.user_id]
    assert found(alice, "E\u0301MILE " + word) == [named.user_id]  # the same letters, written otherwise
    assert found(alice, "emile " + word) == []                       # accents are not left out
    assert found(alice, f"@{word}b") == [plain.user_id]
    assert found(alice, f"{word} somebody") == [plain.user_id]
    answer = search(alice, word, limit=2)
    assert answer["limited"] is True and len(answer["results"]) == 2
    assert search(alice, word)["limited"] is False
    assert set(answer["results"][0]) == {"user_id", "display_name", "avatar_url"}


def test_those_who_are_gone(server, word):
    alice, bob = server.register(f"{word}a"), server.register(f"{word}b")
    bob.create_room(preset="public_chat")
    until(lambda: found(alice, word) == [bob.user_id])
    bob.ok("POST", "/_matrix/client/v3/account/deactivate", {"auth": {
        "type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}, "password": "a good password"}})
    until(lambda: found(alice, word) == [])


@pytest.mark.parametrize("body,code", [({}, 400), ({"search_term": 7}, 400), ({"search_term": "x", "limit": "many"}, 400),
                                       ({"search_term": "x", "limit": -3}, 200), ({"search_term": "", "limit": 3}, 200),
                                       ({"search_term": "'''& | ! :* <-> \\ () \"\u0001"}, 200), ({"search_term": "\u0000a"}, 400),
                                       ({"search_term": "w " * 20000}, 200)])
def test_bad_requests(server, body, code):
    assert server.register().call("POST", SEARCH, body).status == code
