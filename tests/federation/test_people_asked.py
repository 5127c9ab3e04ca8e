"""What our users are told of other servers' users, aliases and lists: the other server is asked each time."""

import pytest

from lib.rooms import CLIENT, refused
from lib.server import quote, request

QUERY = "/_matrix/federation/v1/query"
LIST = "/_matrix/federation/v1/publicRooms"


@pytest.fixture
def alice(home):
    return home.register()


def profile(home, user_id, field=""):
    return request("GET", f"{home.base_url}{CLIENT}/profile/{quote(user_id)}{'/' + field if field else ''}")


def test_profiles(home, remote):
    zoe = remote.user("zoe")
    whole = {"displayname": "Zoé", "avatar_url": "mxc://x/y", "org.example.status": {"a": [1, 2.5, None]}}

    def answer(asked):
        assert asked.origin == home.name and asked.query["user_id"] == [zoe]
        field = asked.query.get("field", [None])[0]
        return 200, whole if field is None else {field: whole[field]}

    remote.on("GET", f"{QUERY}/profile", answer)
    assert profile(home, zoe).json == whole
    assert profile(home, zoe, "displayname").json == {"displayname": "Zoé"}
    assert profile(home, zoe, "avatar_url").json == {"avatar_url": "mxc://x/y"}
    assert profile(home, zoe, "org.example.status").json == {"org.example.status": {"a": [1, 2.5, None]}}


@pytest.mark.parametrize("status,body,expected", [
    (404, {"errcode": "M_NOT_FOUND", "error": "who?"}, (404, "M_NOT_FOUND")),
    (403, {"errcode": "M_FORBIDDEN", "error": "no"}, (403, "M_FORBIDDEN")),
    (403, {"errcode": "M_UNKNOWN_TOKEN", "error": "logged out"}, (403, "M_UNKNOWN")),  # no client is logged out by another server
    (400, {"errcode": "M_INVALID_PARAM", "error": "what?"}, (502, "M_UNKNOWN")),
    (200, b"this is no JSON", (502, "M_UNKNOWN")),
    (200, [], (502, "M_UNKNOWN")),
])
def test_profiles_that_cannot_be_had(home, remote, status, body, expected):
    remote.on("GET", f"{QUERY}/profile", (status, body))
    refused(profile(home, remote.user("zoe")), *expected)


def test_profiles_of_nowhere(home):
    refused(profile(home, "@a:localhost:1"), 502, "M_UNKNOWN")


def test_a_profile_of_strange_members(home, remote):
    remote.on("GET", f"{QUERY}/profile", (200, {"displayname": 5, "avatar_url": {"x": 1}}))
    zoe = remote.user("zoe")
    assert profile(home, zoe).json == profile(home, zoe, "displayname").json == {}


def test_a_profile_of_nothing(home, remote):
    """Their server knows the user, who shows nothing: that is no missing one."""
    remote.on("GET", f"{QUERY}/profile", (200, {}))
    answer = profile(home, remote.user("zoe"))
    assert (answer.status, answer.json) == (200, {})


def alias(home, name):
    return request("GET", f"{home.base_url}{CLIENT}/directory/room/{quote(name)}")


def test_aliases(home, remote):
    name = f"#tea:{remote.name}"
    seen = []

    def answer(asked):
        seen.append((asked.origin, asked.query["room_alias"]))
        return 200, {"room_id": f"!tea:{remote.name}", "servers": [remote.name, "elsewhere.test", "not a name", 7]}

    remote.on("GET", f"{QUERY}/directory", answer)
    assert alias(home, name).json == {"room_id": f"!tea:{remote.name}", "servers": [remote.name, "elsewhere.test"]}
    assert seen == [(home.name, [name])]


@pytest.mark.parametrize("status,body,expected", [
    (404, {"errcode": "M_NOT_FOUND", "error": "no such alias"}, (404, "M_NOT_FOUND")),
    (400, {"errcode": "M_UNKNOWN", "error": "?"}, (502, "M_UNKNOWN")),
    (200, {}, (404, "M_NOT_FOUND")),
    (200, {"room_id": "tea", "servers": []}, (404, "M_NOT_FOUND")),
    (200, {"room_id": "!tea:x.test", "servers": "x.test"}, (404, "M_NOT_FOUND")),
])
def test_aliases_that_cannot_be_had(home, remote, status, body, expected):
    remote.on("GET", f"{QUERY}/directory", (status, body))
    refused(alias(home, f"#tea:{remote.name}"), *expected)


def test_public_lists(home, remote, alice):
    page = {"chunk": [{"room_id": "!a:x.test", "num_joined_members": 3, "world_readable": True, "guest_can_join": False}],
            "total_room_count_estimate": 1}
    seen = []

    def answer(asked):
        seen.append((asked.method, asked.query, asked.body))
        return 200, page

    remote.on("GET", LIST, answer)
    remote.on("POST", LIST, answer)
    assert alice.ok("GET", f"{CLIENT}/publicRooms", server=remote.name, limit=5, since="p5") == page
    method, query, _ = seen.pop()
    assert (method, query["limit"], query["since"]) == ("GET", ["5"], ["p5"])
    body = {"limit": 7, "since": "p", "filter": {"generic_search_term": "téa"}, "include_all_networks": True}
    assert alice.ok("POST", f"{CLIENT}/publicRooms?server={remote.name}", body) == page
    method, _, asked = seen.pop()
    assert method == "POST" and asked == body
    assert alice.ok("POST", f"{CLIENT}/publicRooms?server={remote.name}", {"limit": 7}) == page
    method, query, _ = seen.pop()
    assert (method, query["limit"]) == ("GET", ["7"])


@pytest.mark.parametrize("status,body,expected", [(403, {"errcode": "M_FORBIDDEN", "error": "no"}, (403, "M_FORBIDDEN")),
                                                  (200, {"chunk": 5}, (502, "M_UNKNOWN")), (200, [], (502, "M_UNKNOWN"))])
def test_public_lists_that_cannot_be_had(remote, alice, status, body, expected):
    remote.on("GET", LIST, (status, body))
    refused(alice.call("GET", f"{CLIENT}/publicRooms", server=remote.name), *expected)


def test_lists_of_no_server(alice):
    refused(alice.call("GET", f"{CLIENT}/publicRooms", server="not a name"), 400, "M_INVALID_PARAM")
