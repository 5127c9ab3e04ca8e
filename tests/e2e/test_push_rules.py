"""Push rules: read anywhere, written by one process, told in /sync, obeyed at once."""

import pytest

from lib.rooms import refused, room_path
from lib.server import quote
from lib.wait import until

RULES = "/_matrix/client/v3/pushrules"
DEFAULTS = ".m.rule.master .m.rule.suppress_notices .m.rule.invite_for_me .m.rule.member_event .m.rule.is_user_mention" \
           " .m.rule.contains_display_name .m.rule.is_room_mention .m.rule.roomnotif .m.rule.tombstone .m.rule.reaction" \
           " .m.rule.room.server_acl .m.rule.suppress_edits"


def rule(kind, rule_id, *more):
    return "/".join([RULES, "global", kind, quote(rule_id), *more])


def conditions(*list_, actions=("notify",)):
    return {"conditions": list(list_), "actions": list(actions)}


def match(key, pattern):
    return {"kind": "event_match", "key": key, "pattern": pattern}


def rules(user, base=None):
    return user.ok("GET", RULES + "/", base=base)["global"]


def names(list_):
    return [r["rule_id"] for r in list_]


def told(answer):
    return [e["content"]["global"] for e in answer["account_data"]["events"] if e["type"] == "m.push_rules"] \
        if "account_data" in answer else []


def test_defaults(server):
    user = server.register()
    mine = rules(user)
    assert names(mine["override"]) == DEFAULTS.split()
    assert names(mine["underride"]) == [".m.rule.call", ".m.rule.encrypted_room_one_to_one", ".m.rule.room_one_to_one",
                                        ".m.rule.message", ".m.rule.encrypted", ".im.vector.jitsi"]
    assert mine["room"] == mine["sender"] == mine["postcontent"] == []
    name, = mine["content"]
    assert name["pattern"] == user.user_id[1:].split(":")[0] and name["enabled"] and name["default"]
    assert mine["override"][0]["enabled"] is False
    invite = mine["override"][2]
    assert invite["conditions"][2] == {"kind": "event_match", "key": "state_key", "pattern": user.user_id}
    for spelling in ("api/v1", "r0", "unstable"):
        assert user.ok("GET", f"/_matrix/client/{spelling}/pushrules/")["global"] == mine
    assert told(user.sync()) == [mine]


def test_order(server):
    user = server.register()
    for name in ("a", "b", "c"):
        user.ok("PUT", rule("override", name), conditions(match("type", name)))
    own = lambda: [n for n in names(rules(user)["override"]) if not n.startswith(".")]  # noqa: E731
    assert own() == ["c", "b", "a"]
    user.ok("PUT", rule("override", "d") + "?before=b", conditions())
    user.ok("PUT", rule("override", "e") + "?after=b", conditions())
    assert own() == ["c", "d", "b", "e", "a"]
    user.ok("PUT", rule("override", "a"), conditions())
    assert own() == ["a", "c", "d", "b", "e"]
    user.ok("DELETE", rule("override", "c"))
    assert own() == ["a", "d", "b", "e"]
    refused(user.call("PUT", rule("override", "f") + "?before=none", conditions()), 400, "M_UNKNOWN")
    refused(user.call("DELETE", rule("override", "c")), 404, "M_NOT_FOUND")


def test_told_in_sync(server):
    user = server.register()
    since = user.sync()["next_batch"]
    assert told(user.sync(since)) == []
    user.ok("PUT", rule("room", "!r:example.org"), {"actions": []})
    seen, since = user.sync_until(told, since)
    assert names(seen[0]["room"]) == ["!r:example.org"]
    user.ok("PUT", rule("room", "!r:example.org", "enabled"), {"enabled": False})
    seen, since = user.sync_until(told, since)
    assert seen[0]["room"][0]["enabled"] is False
    other = server.register()
    assert told(other.sync())[0]["room"] == []


def test_every_worker_answers(server):
    user = server.register()
    user.ok("PUT", rule("content", "food"), {"pattern": "pizza", "actions": ["notify"]}, base=server.worker_url("main"))
    urls = [server.base_url, server.worker_url("main")] + \
        ([] if server.monolith else [server.worker_url(w.name) for w in server.deployment.workers if w.port and "generic" in w.name])
    for url in urls:
        assert names(rules(user, base=url)["content"]) == ["food", ".m.rule.contains_user_name"]
        user.ok("PUT", rule("content", "food", "actions"), {"actions": []}, base=url)
        assert user.ok("GET", rule("content", "food", "actions"), base=url) == {"actions": []}
        user.ok("DELETE", rule("content", "food"), base=url)
        user.ok("PUT", rule("content", "food"), {"pattern": "pizza", "actions": ["notify"]}, base=url)


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"5", b"{}", b'{"actions":5}', b'{"actions":["x"]}', b'{"actions":[[]]}',
                                  b'{"actions":["notify"],"conditions":5}', b'{"actions":["notify"],"conditions":[5]}',
                                  b'{"actions":["notify"],"conditions":[{}]}', b'{"actions":[{"x":1}],"conditions":[]}',
                                  b'{"conditions":' + b"[" * 5000 + b"]" * 5000 + b',"actions":[]}'])
def test_bad_bodies(server, body):
    from lib.server import request

    user = server.register()
    headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
    for path in (rule("override", "x"), rule("override", ".m.rule.master", "enabled")):
        assert request("PUT", server.base_url + path, None, headers, raw=body).status == 400, path
    actions = request("PUT", server.base_url + rule("override", ".m.rule.master", "actions"), None, headers, raw=body)
    assert actions.status == (200 if b'["notify"]' in body else 400)
    assert names(rules(user)["override"]) == DEFAULTS.split()


def test_limits(server):
    user = server.register()
    assert user.call("PUT", rule("override", "x" * 400), conditions()).status == 413
    assert user.call("PUT", rule("override", "x"), conditions(match("content.body", "x" * 1100))).status == 413
    assert server.register().call("GET", RULES + "/global/override").status == 400


def test_obeyed(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)

    def count():
        return bob.sync()["rooms"]["join"][room]["unread_notifications"]["notification_count"]

    alice.send(room, "one")
    until(lambda: count() == 1)
    bob.ok("PUT", rule("room", room), {"actions": ["dont_notify"]})
    until(lambda: muted(server, alice, bob, room))
    bob.ok("PUT", rule("sender", alice.user_id), {"actions": ["notify"]})
    bob.ok("DELETE", rule("room", room))
    before = count()
    until(lambda: not muted(server, alice, bob, room))
    until(lambda: count() > before)
    bob.ok("PUT", rule("override", ".m.rule.master", "enabled"), {"enabled": True})
    until(lambda: muted(server, alice, bob, room))


def muted(server, alice, bob, room):
    """Has the process that makes alice's events heard of the rule? Then what she sends leaves no row."""
    event = alice.send(room, "psst")
    return server.sql(f"SELECT count(*) FROM event_push_actions WHERE event_id = '{event}'") == [["0"]]


def test_notifications(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    events = [alice.send(room, text) for text in ("one", "@room two", "three")]
    path = "/_matrix/client/v3/notifications"

    def listed(**query):
        answer = bob.ok("GET", path, **query)
        return [(n["event"]["event_id"], n["read"]) for n in answer["notifications"]], answer["next_token"]

    until(lambda: len(listed()[0]) == 3)
    bob.ok("POST", room_path(room, "receipt", "m.read", events[0]), {})
    until(lambda: listed()[0] == [(events[2], False), (events[1], False), (events[0], True)])
    page, token = listed(limit=2)
    assert [p[0] for p in page] == [events[2], events[1]]
    page, token = listed(limit=2, **{"from": token})
    assert [p[0] for p in page] == [events[0]]
    assert listed(**{"from": token}) == ([], None)
    assert [p[0] for p in listed(only="highlight")[0]] == [events[1]]
    one = bob.ok("GET", path, limit=1)["notifications"][0]
    assert one["room_id"] == room and one["ts"] > 0 and one["profile_tag"] is None and "room_id" not in one["event"]
    assert one["actions"][0] == "notify"
    for query in ({"from": "x"}, {"limit": "x"}, {"limit": -1}):
        assert bob.call("GET", path, **query).status == 400


@pytest.mark.parametrize("path", ["/", "/global", "/global/", "/global/room", "/global/room/"])
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_change_must_name_a_rule(server, method, path):
    answer = server.register().call(method, RULES + path, {"actions": ["notify"]} if method == "PUT" else None)
    assert (answer.status, answer.json["errcode"]) == (400, "M_UNRECOGNIZED")
