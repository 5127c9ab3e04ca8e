"""Spaces whose rooms other servers know, asked and told."""

import pytest

from lib.rooms import refused
from lib.server import quote

SPACE = {"creation_content": {"type": "m.space"}}
ASK = r"/_matrix/federation/v1/hierarchy/(.+)"


def hierarchy(user, room, **query):
    return user.call("GET", f"/_matrix/client/v1/rooms/{quote(room)}/hierarchy", **query)


def summary(user, room, **query):
    return user.call("GET", f"/_matrix/client/v1/room_summary/{quote(room)}", **query)


def child(room_id, *via, **content):
    return {"type": "m.space.child", "state_key": room_id, "sender": "@a:b.test", "origin_server_ts": 1,
            "content": {"via": list(via), **content}}


def entry(room_id, **more):
    return {"room_id": room_id, "num_joined_members": 2, "world_readable": False, "guest_can_join": False, "join_rule": "public", **more}


class Elsewhere:
    """A space of another server: a tree of rooms, of which some are closed."""

    def __init__(self, remote):
        self.remote, self.asked = remote, []
        self.top, self.sub, self.open, self.shut, self.members, self.deep = (
            f"!{name}:{remote.name}" for name in ("top", "sub", "open", "shut", "members", "deep"))
        via = remote.name
        self.answers = {
            self.top: {"room": {**entry(self.top, name="top", room_type="m.space"), "children_state": [
                child(self.sub, via), child(self.open, via, suggested=True), child(self.shut, via), child(self.members, via)]},
                       "children": [entry(self.sub, room_type="m.space"), entry(self.open, name="open"),
                                    entry(self.members, join_rule="restricted", allowed_room_ids=["!nobody:x.test"])],
                       "inaccessible_children": [self.shut]},
            self.sub: {"room": {**entry(self.sub, room_type="m.space"), "children_state": [child(self.deep, via), child(self.top, via)]},
                       "children": [entry(self.deep, name="deep")], "inaccessible_children": []}}
        remote.on("GET", ASK, self.answer)

    def answer(self, asked, room_id):
        self.asked.append((room_id, asked.query["suggested_only"]))
        if room_id in self.answers:
            return 200, self.answers[room_id]
        return 404, {"errcode": "M_NOT_FOUND", "error": "unknown"}


@pytest.fixture
def elsewhere(remote):
    return Elsewhere(remote)


@pytest.fixture
def alice(home):
    return home.register()


def rooms(answer):
    assert answer.status == 200, answer
    return [room["room_id"] for room in answer.json["rooms"]]


def space_over(alice, *children):
    return alice.create_room(**SPACE, initial_state=[{"type": "m.space.child", "state_key": room, "content": {"via": via}}
                                                     for room, via in children])


def test_into_another_server(alice, elsewhere):
    root = space_over(alice, (elsewhere.top, ["localhost:1", elsewhere.remote.name]))
    answer = hierarchy(alice, root)
    assert rooms(answer) == [root, elsewhere.top, elsewhere.sub, elsewhere.deep, elsewhere.open]
    assert {room for room, _ in elsewhere.asked} == {elsewhere.top, elsewhere.sub}
    top = answer.json["rooms"][1]
    assert top["name"] == "top" and [c["state_key"] for c in top["children_state"]][:2] == [elsewhere.sub, elsewhere.open]
    assert rooms(hierarchy(alice, root, max_depth=1)) == [root, elsewhere.top]


def test_pages(alice, elsewhere):
    root = space_over(alice, (elsewhere.top, [elsewhere.remote.name]))
    seen, token = [], {}
    for _ in range(8):
        answer = hierarchy(alice, root, limit=2, **token)
        seen += rooms(answer)
        if "next_batch" not in answer.json:
            break
        token = {"from": answer.json["next_batch"]}
    assert seen == [root, elsewhere.top, elsewhere.sub, elsewhere.deep, elsewhere.open]


def test_who_is_let_in_by_a_room(alice, elsewhere):
    door = alice.create_room()
    elsewhere.answers[elsewhere.top]["children"][2]["allowed_room_ids"] = [door]
    root = space_over(alice, (elsewhere.top, [elsewhere.remote.name]))
    assert elsewhere.members in rooms(hierarchy(alice, root))


def test_nobody_answers(alice, elsewhere):
    root = space_over(alice, ("!x:localhost", ["localhost:1"]), (elsewhere.deep, [elsewhere.remote.name]))
    assert rooms(hierarchy(alice, root)) == [root]


def test_a_first_room_that_is_not_known_here(alice, elsewhere):
    refused(hierarchy(alice, elsewhere.sub), 403, "M_FORBIDDEN")
    assert rooms(hierarchy(alice, elsewhere.sub, via=elsewhere.remote.name))[:2] == [elsewhere.sub, elsewhere.deep]


@pytest.mark.parametrize("body", [b"no", [], {}, {"room": 5}, {"room": {"room_id": "!other:x.test"}},
                                  {"room": {"room_id": 7, "children_state": {}}}])
def test_lies(alice, elsewhere, body):
    elsewhere.remote.on("GET", ASK, (200, body))
    root = space_over(alice, (elsewhere.top, [elsewhere.remote.name]))
    assert rooms(hierarchy(alice, root)) == [root]


def test_summaries(alice, elsewhere):
    refused(summary(alice, elsewhere.top), 400, "M_UNKNOWN")
    answer = summary(alice, elsewhere.top, via=elsewhere.remote.name)
    assert answer.status == 200, answer
    assert answer.json == {**entry(elsewhere.top, name="top", room_type="m.space"), "membership": "leave"}
    assert elsewhere.asked[-1] == (elsewhere.top, ["true"])
    refused(summary(alice, elsewhere.shut, via=elsewhere.remote.name), 404, "M_NOT_FOUND")
    elsewhere.answers[elsewhere.top]["room"]["join_rule"] = "invite"
    refused(summary(alice, elsewhere.top, via=elsewhere.remote.name), 404, "M_NOT_FOUND")


def test_summary_by_alias(alice, elsewhere):
    elsewhere.remote.on("GET", "/_matrix/federation/v1/query/directory",
                        (200, {"room_id": elsewhere.top, "servers": [elsewhere.remote.name]}))
    assert summary(alice, f"#top:{elsewhere.remote.name}").json["name"] == "top"
