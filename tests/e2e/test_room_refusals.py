"""What the room endpoints refuse, with the codes that Synapse answers (measured on 1.163.2): clients act on them."""

import pytest

from lib.server import quote

C = "/_matrix/client/v3"


@pytest.fixture(scope="module")
def people(server):
    """Alice with a private and a public room; Bob is in the public one only."""
    alice, bob = server.register(), server.register()
    private, public = alice.create_room(), alice.create_room(preset="public_chat")
    bob.join(public)
    return {"a": alice, "b": bob, "private": private, "public": public, "event": alice.send(private, "x"),
            "open_event": alice.send(public, "y"), "server": server.name, "alice": alice.user_id, "bob": bob.user_id}


# who, method, path, body, status, errcode
CASES = [
    ("b", "GET", "rooms/{private}/event/{event}", None, 404, "M_NOT_FOUND"),
    ("b", "GET", "rooms/{private}/context/{event}", None, 403, "M_FORBIDDEN"),
    ("a", "GET", "rooms/{private}/context/$nope", None, 404, "M_NOT_FOUND"),
    ("a", "GET", "rooms/{private}/event/$nope", None, 404, "M_NOT_FOUND"),
    ("b", "PUT", "rooms/{private}/redact/{event}/r1", {}, 403, "M_FORBIDDEN"),
    ("b", "PUT", "rooms/{public}/redact/$nope/r2", {}, 404, "M_NOT_FOUND"),
    ("b", "PUT", "rooms/{public}/redact/{event}/r3", {}, 400, "M_UNKNOWN"),
    ("b", "PUT", "rooms/{public}/redact/{open_event}/r4", {}, 403, "M_FORBIDDEN"),
    ("a", "PUT", "rooms/{public}/state/m.room.canonical_alias/", {"alias": "#nope:{server}"}, 400, "M_BAD_ALIAS"),
    ("a", "PUT", "rooms/{public}/state/m.room.canonical_alias/", {"alias": "bad"}, 400, "M_INVALID_PARAM"),
    ("a", "PUT", "rooms/{public}/state/m.room.canonical_alias/", {"alias": 5}, 400, "M_INVALID_PARAM"),
    ("a", "PUT", "rooms/{public}/state/m.room.canonical_alias/", {"alt_aliases": 5}, 400, "M_INVALID_PARAM"),
    ("a", "PUT", "rooms/{public}/state/m.room.canonical_alias/", {"alt_aliases": ["#nope:{server}"]}, 400, "M_BAD_ALIAS"),
    ("b", "POST", "rooms/{private}/join", {}, 403, "M_FORBIDDEN"),
    ("b", "POST", "join/nope", {}, 400, "M_UNKNOWN"),
    ("b", "POST", "join/%23nope:{server}", {}, 404, "M_NOT_FOUND"),
    ("b", "POST", "join/!nope:{server}", {}, 404, "M_UNKNOWN"),
    ("b", "POST", "rooms/!nope:{server}/leave", {}, 404, "M_UNKNOWN"),
    ("b", "POST", "rooms/{private}/leave", {}, 403, "M_FORBIDDEN"),
    ("b", "PUT", "rooms/{private}/send/m.x/1", {}, 403, "M_FORBIDDEN"),
    ("b", "PUT", "rooms/!nope:{server}/send/m.x/1", {}, 403, "M_FORBIDDEN"),
    ("b", "GET", "rooms/{private}/state", None, 403, "M_FORBIDDEN"),
    ("b", "GET", "rooms/{private}/state/m.room.name", None, 403, "M_FORBIDDEN"),
    ("b", "GET", "rooms/{private}/members", None, 403, "M_FORBIDDEN"),
    ("b", "GET", "rooms/{private}/joined_members", None, 403, "M_FORBIDDEN"),
    ("b", "GET", "rooms/{private}/messages?dir=b", None, 403, "M_FORBIDDEN"),
    ("a", "GET", "rooms/{private}/state/m.room.name", None, 404, "M_NOT_FOUND"),
    ("a", "GET", "rooms/{private}/messages?dir=x", None, 400, "M_INVALID_PARAM"),
    ("a", "GET", "rooms/{private}/messages?dir=b&limit=-1", None, 400, "M_INVALID_PARAM"),
    ("a", "GET", "rooms/{private}/messages?dir=b&limit=x", None, 400, "M_INVALID_PARAM"),
    ("a", "GET", "rooms/{private}/messages?dir=b&from=x", None, 400, "M_UNKNOWN"),
    ("a", "GET", "sync?since=x", None, 400, "M_UNKNOWN"),
    ("a", "GET", "sync?filter=999", None, 400, "M_INVALID_PARAM"),
    ("a", "GET", "sync?filter=x", None, 400, "M_INVALID_PARAM"),
    ("a", "GET", "sync?filter=%7B%22a%22:", None, 400, "M_NOT_JSON"),
    ("a", "POST", "rooms/{private}/invite", {}, 400, "M_MISSING_PARAM"),
    ("a", "POST", "rooms/{private}/invite", {"user_id": "nope"}, 400, "M_INVALID_PARAM"),
    ("a", "POST", "rooms/{private}/kick", {"user_id": "{bob}"}, 403, "M_FORBIDDEN"),
    ("a", "POST", "rooms/{private}/forget", {}, 400, "M_UNKNOWN"),
    ("a", "POST", "createRoom", {"preset": "x"}, 400, "M_BAD_JSON"),
    ("a", "POST", "createRoom", {"room_version": "x"}, 400, "M_UNSUPPORTED_ROOM_VERSION"),
    ("a", "POST", "createRoom", {"room_version": 1}, 400, "M_BAD_JSON"),
    ("a", "POST", "createRoom", {"invite": ["x"]}, 400, "M_UNKNOWN"),
    ("a", "POST", "createRoom", {"room_alias_name": "a:b"}, 400, "M_UNKNOWN"),
    ("a", "POST", "createRoom", {"name": 5}, 400, "M_UNKNOWN"),
    ("a", "PUT", "rooms/{private}/typing/{bob}", {"typing": True}, 400, "M_FORBIDDEN"),
    ("b", "PUT", "rooms/{private}/typing/{bob}", {"typing": True}, 403, "M_FORBIDDEN"),
    ("a", "POST", "rooms/{private}/receipt/m.x/{event}", {}, 400, "M_UNKNOWN"),
    ("b", "POST", "rooms/{private}/receipt/m.read/{event}", {}, 403, "M_FORBIDDEN"),
    ("a", "PUT", "user/{alice}/account_data/m.push_rules", {}, 405, "M_BAD_JSON"),
    ("a", "PUT", "user/{bob}/account_data/x", {}, 403, "M_FORBIDDEN"),
    ("a", "GET", "user/{bob}/account_data/x", None, 403, "M_FORBIDDEN"),
    ("a", "GET", "user/{alice}/account_data/x", None, 404, "M_NOT_FOUND"),
    ("a", "PUT", "user/{alice}/rooms/x/account_data/x", {}, 400, "M_INVALID_PARAM"),
    ("b", "GET", "rooms/{private}/aliases", None, 403, "M_FORBIDDEN"),
    ("b", "GET", "directory/room/%23no:{server}", None, 404, "M_NOT_FOUND"),
    ("b", "GET", "directory/room/no", None, 400, "M_INVALID_PARAM"),
    ("b", "PUT", "directory/room/%23no:{server}", {}, 400, "M_MISSING_PARAM"),
    ("b", "PUT", "directory/room/%23no:{server}", {"room_id": "!x:y"}, 400, "M_UNKNOWN"),
    ("b", "PUT", "directory/room/%23no:{server}", {"room_id": "{private}"}, 403, "M_FORBIDDEN"),
    ("a", "PUT", "directory/room/%23no%20:{server}", {"room_id": "{private}"}, 400, "M_UNKNOWN"),
    ("a", "PUT", "directory/room/%23no:other", {"room_id": "{private}"}, 400, "M_UNKNOWN"),
    ("b", "DELETE", "directory/room/%23nope:{server}", None, 404, "M_NOT_FOUND"),
    ("a", "GET", "user/{bob}/rooms/{private}/tags", None, 403, "M_FORBIDDEN"),
    ("a", "PUT", "user/{bob}/rooms/{private}/tags/x", {}, 403, "M_FORBIDDEN"),
    ("a", "PUT", "user/{alice}/rooms/{private}/tags/x", [], 400, "M_BAD_JSON"),
    ("a", "POST", "rooms/{private}/read_markers", {"m.fully_read": "$nope"}, 404, "M_UNKNOWN"),
]


def filled(value, people):
    if isinstance(value, str):
        for key in ("private", "public", "server", "bob"):
            value = value.replace("{%s}" % key, people[key])
    if isinstance(value, list):
        return [filled(v, people) for v in value]
    return {k: filled(v, people) for k, v in value.items()} if isinstance(value, dict) else value


def test_refusals(people):
    wrong = []
    for who, method, path, body, status, code in CASES:
        url = C + "/" + path.format(**{k: quote(v) for k, v in people.items() if isinstance(v, str)})
        answer = people[who].call(method, url, filled(body, people))
        if (answer.status, (answer.json or {}).get("errcode")) != (status, code):
            wrong.append((who, method, path, body, "wanted", status, code, "got", answer))
    assert not wrong, "\n".join(map(str, wrong))
