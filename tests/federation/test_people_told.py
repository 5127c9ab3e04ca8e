"""What other servers are told of our users, aliases, lists and spaces."""

import pytest

from lib.rooms import CLIENT, refused
from lib.server import Server, quote

from conftest import deploy

FED = "/_matrix/federation/v1"


def ask(remote, home, what, **query):
    import urllib.parse
    return remote.call("GET", home.name, f"{FED}/{what}" + ("?" + urllib.parse.urlencode(query) if query else ""))


@pytest.fixture
def alice(home):
    user = home.register()
    user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/displayname", {"displayname": "Álice"})
    user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/avatar_url", {"avatar_url": "mxc://a/b"})
    user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/org.example.mood", {"org.example.mood": {"n": 1.5}})
    return user


# ---- profiles ----

def test_profiles(home, remote, alice):
    whole = {"displayname": "Álice", "avatar_url": "mxc://a/b", "org.example.mood": {"n": 1.5}}
    assert ask(remote, home, "query/profile", user_id=alice.user_id).json == whole
    for field, value in whole.items():
        assert ask(remote, home, "query/profile", user_id=alice.user_id, field=field).json == {field: value}
    refused(ask(remote, home, "query/profile", user_id=alice.user_id, field="org.example.other"), 404, "M_NOT_FOUND")
    refused(ask(remote, home, "query/profile", user_id=f"@nobody:{home.name}"), 404, "M_NOT_FOUND")
    refused(ask(remote, home, "query/profile", user_id=remote.user("zoe")), 400)
    refused(ask(remote, home, "query/profile", user_id="alice"), 400)
    refused(ask(remote, home, "query/profile"), 400)


def test_who_does_not_sign_is_told_nothing(home, remote, alice):
    refused(remote.call("GET", home.name, f"{FED}/query/profile?user_id={quote(alice.user_id)}", signed=False), 401)


def test_unknown_questions(home, remote):
    refused(ask(remote, home, "query/weather"), 404)


# ---- aliases ----

def test_aliases(home, remote, alice):
    room = alice.create_room(room_alias_name=f"tea-{remote.key.version}", preset="public_chat")
    alias = f"#tea-{remote.key.version}:{home.name}"
    assert ask(remote, home, "query/directory", room_alias=alias).json == {"room_id": room, "servers": [home.name]}
    refused(ask(remote, home, "query/directory", room_alias=f"#no:{home.name}"), 404, "M_NOT_FOUND")
    refused(ask(remote, home, "query/directory", room_alias=f"#no:{remote.name}"), 400)
    refused(ask(remote, home, "query/directory", room_alias="tea"), 400)
    refused(ask(remote, home, "query/directory"), 400)


# ---- spaces ----

def test_a_space(home, remote, alice):
    public = alice.create_room(preset="public_chat", name="public")
    private = alice.create_room(name="private")
    via = {"via": [home.name]}
    unknown = f"!unknown:{remote.name}"
    space = alice.create_room(preset="public_chat", creation_content={"type": "m.space"}, name="space")
    for child, more in ((public, {"suggested": True}), (private, {}), (unknown, {})):
        alice.put_state(space, "m.space.child", {**via, **more}, child)
    answer = ask(remote, home, f"hierarchy/{quote(space)}").json
    assert answer["room"]["name"] == "space" and answer["room"]["room_type"] == "m.space"
    assert {c["state_key"] for c in answer["room"]["children_state"]} == {public, private, unknown}
    assert [r["name"] for r in answer["children"]] == ["public"]
    assert answer["inaccessible_children"] == [private]
    answer = ask(remote, home, f"hierarchy/{quote(space)}", suggested_only="true").json
    assert [c["state_key"] for c in answer["room"]["children_state"]] == [public]
    refused(ask(remote, home, f"hierarchy/{quote(private)}"), 404)
    refused(ask(remote, home, f"hierarchy/{quote(unknown)}"), 404)


# ---- the public list ----

@pytest.fixture(scope="module")
def listing(kind, build, folder, postgres, authority):
    deployment = deploy("listing", kind, build, folder, postgres, authority, extra_config={
        "allow_public_rooms_over_federation": True, "allow_profile_lookup_over_federation": False,
        "room_list_publication_rules": [{"action": "allow"}]})
    try:
        deployment.start()
        server = Server(deployment)
        user = server.register()
        for name in ("apple", "pear", "plum"):
            user.create_room(preset="public_chat", visibility="public", name=name)
        user.create_room(preset="public_chat", visibility="public", name="ours", creation_content={"m.federate": False})
        from lib.wait import until
        until(lambda: len(user.ok("GET", f"{CLIENT}/publicRooms")["chunk"]) == 4)
        yield server
    finally:
        deployment.stop()


def names(answer):
    assert answer.status == 200, answer
    return sorted(room.get("name") for room in answer.json["chunk"])


def test_the_list_is_closed_by_default(home, remote):
    refused(ask(remote, home, "publicRooms"), 403, "M_FORBIDDEN")
    refused(remote.call("POST", home.name, f"{FED}/publicRooms", {}), 403, "M_FORBIDDEN")


def test_the_list(listing, remote):
    assert names(ask(remote, listing, "publicRooms")) == ["apple", "pear", "plum"]
    seen, since = [], {}
    for _ in range(4):
        page = ask(remote, listing, "publicRooms", limit=1, **since)
        seen += names(page)
        if "next_batch" not in page.json:
            break
        since = {"since": page.json["next_batch"]}
    assert sorted(seen) == ["apple", "pear", "plum"]
    found = remote.call("POST", listing.name, f"{FED}/publicRooms", {"limit": 10, "filter": {"generic_search_term": "P"}})
    assert names(found) == ["apple", "pear", "plum"]
    found = remote.call("POST", listing.name, f"{FED}/publicRooms", {"filter": {"generic_search_term": "plu"}})
    assert names(found) == ["plum"]
    refused(ask(remote, listing, "publicRooms", limit=-1), 400)
    refused(ask(remote, listing, "publicRooms", since="?"), 400)
    refused(remote.call("POST", listing.name, f"{FED}/publicRooms", {"filter": 5}), 400)


def test_profiles_that_are_not_told(listing, remote):
    refused(ask(remote, listing, "query/profile", user_id=f"@someone:{listing.name}"), 403, "M_FORBIDDEN")


# ---- between two of ours ----

def test_two_of_ours(home, other, alice):
    bob = other.register()
    room = alice.create_room(room_alias_name="two", preset="public_chat")
    assert bob.ok("GET", f"{CLIENT}/profile/{quote(alice.user_id)}")["displayname"] == "Álice"
    assert bob.ok("GET", f"{CLIENT}/directory/room/{quote('#two:' + home.name)}") == {"room_id": room, "servers": [home.name]}
    space = bob.create_room(creation_content={"type": "m.space"},
                            initial_state=[{"type": "m.space.child", "state_key": room, "content": {"via": [home.name]}}])
    answer = bob.ok("GET", f"/_matrix/client/v1/rooms/{quote(space)}/hierarchy")
    assert [r["room_id"] for r in answer["rooms"]] == [space, room]
