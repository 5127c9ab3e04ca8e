"""Push rules and notification counts: Synapse and Ganglion are told the same and must answer and store the same."""

import json
import time

import pytest

from deployment.layout import Worker

from lib.server import Server, quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
RULES = f"{CLIENT}/pushrules"


@pytest.fixture(scope="module")
def both(build, folder, postgres):
    """{"synapse": a server, "ganglion": a server}, each a monolith of its own."""
    import os

    from lib.mixed import Mixed

    made = {}
    try:
        for name, python in (("synapse", {"main"}), ("ganglion", set())):
            postgres.sql(f"DROP DATABASE IF EXISTS push_{name}")
            made[name] = Mixed(os.path.join(folder, f"push-{name}"), build, postgres, database=f"push_{name}", front=False,
                               bcrypt_rounds=4, workers=[], python=python, stream_writers={"events": ["master"]},
                               extra_config={"experimental_features": {"msc3664_enabled": True},
                                             "caches": {"sync_response_cache_duration": 0}})
            made[name].start()
        servers = {name: Server(d) for name, d in made.items()}
        for name, server in servers.items():
            server.base_url = f"http://127.0.0.1:{made[name].main.port}"
        yield servers
    finally:
        for deployment in made.values():
            deployment.stop()


def rule(kind, rule_id, *more):
    return "/".join([RULES, "global", kind, quote(rule_id), *more])


NOTIFY, QUIET = {"actions": ["notify"]}, {"actions": ["dont_notify"]}
LOUD = {"actions": ["notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}]}


def match(key, pattern, **more):
    return dict({"kind": "event_match", "key": key, "pattern": pattern}, **more)


def conditions(*list_, **more):
    return dict(NOTIFY, conditions=list(list_), **more)


# What one user asks for, one after the other; after each change all rules are compared.
REQUESTS = [
    ("GET", RULES + "/", None), ("GET", RULES + "/global/", None), ("GET", RULES + "/global/override/", None),
    ("GET", RULES, None), ("GET", RULES + "/global", None), ("GET", RULES + "/global/override", None),
    ("GET", RULES + "/device/", None), ("GET", RULES + "/global/none/", None), ("GET", RULES + "/global/none/x", None),
    ("GET", rule("override", ".m.rule.master"), None), ("GET", rule("override", ".m.rule.master", "enabled"), None),
    ("GET", rule("override", ".m.rule.master", "actions"), None), ("GET", rule("override", ".m.rule.master", "none"), None),
    ("GET", rule("override", "none"), None), ("GET", rule("content", ".m.rule.contains_user_name", "pattern"), None),
    ("GET", rule("override", ".m.rule.master", ""), None),
    # adding
    ("PUT", rule("room", "!a:example.org"), QUIET), ("PUT", rule("room", "!b:example.org"), NOTIFY),
    ("PUT", rule("sender", "@spam:example.org"), QUIET), ("PUT", rule("content", "food"), dict(LOUD, pattern="p*zza")),
    ("PUT", rule("override", "mine"), conditions(match("content.body", "a?c"), {"kind": "room_member_count", "is": "<3"})),
    ("PUT", rule("override", "odd"), conditions({"kind": "nothing.known", "z": 1, "a": [1, {"b": None}]}, {"kind": "event_match"})),
    ("PUT", rule("underride", "low"), conditions(match("type", "m.sticker"))),
    ("PUT", rule("override", "unicode"), conditions(match("content.body", "größe \U0001f600"))),
    ("PUT", rule("room", "!a:example.org"), LOUD), ("GET", rule("room", "!a:example.org"), None),
    ("GET", rule("content", "food"), None), ("GET", rule("content", "food", "pattern"), None),
    # before and after
    ("PUT", rule("override", "first") + "?before=mine", conditions(match("type", "x"))),
    ("PUT", rule("override", "last") + "?after=odd", conditions(match("type", "y"))),
    ("PUT", rule("override", "nowhere") + "?before=none", conditions(match("type", "y"))),
    ("PUT", rule("override", "nowhere") + "?before=.m.rule.master", conditions(match("type", "y"))),
    ("PUT", rule("override", "nowhere") + "?before=", conditions(match("type", "y"))),
    ("PUT", rule("room", "!c:example.org") + "?after=mine", QUIET),
    # refused
    ("PUT", rule("override", "bad"), NOTIFY), ("PUT", rule("override", "bad"), conditions({"key": "x"})),
    ("PUT", rule("content", "bad"), NOTIFY), ("PUT", rule("room", "!d:example.org"), {}),
    ("PUT", rule("room", "!d:example.org"), {"actions": "notify"}), ("PUT", rule("room", "!d:example.org"), {"actions": ["no"]}),
    ("PUT", rule("room", "!d:example.org"), {"actions": [{"tweak": 1}]}), ("PUT", rule("override", ".mine"), conditions()),
    ("PUT", rule("none", "bad"), NOTIFY), ("PUT", RULES + "/device/override/bad", conditions()),
    ("PUT", rule("postcontent", "bad"), conditions()), ("PUT", rule("override", "a\\b"), conditions()),
    ("PUT", rule("override", "a/b"), conditions()), ("PUT", rule("override", "x" * 300), conditions()),
    ("PUT", rule("override", "big"), conditions(match("content.body", "x" * 1024))),
    # enabling
    ("PUT", rule("override", "mine", "enabled"), {"enabled": False}), ("GET", rule("override", "mine", "enabled"), None),
    ("PUT", rule("override", "mine", "enabled"), True), ("PUT", rule("override", "mine", "enabled"), {"enabled": "yes"}),
    ("PUT", rule("override", "mine", "enabled"), {}), ("PUT", rule("override", "none", "enabled"), {"enabled": True}),
    ("PUT", rule("override", ".m.rule.master", "enabled"), {"enabled": True}),
    ("PUT", rule("override", ".m.rule.master", "enabled"), {"enabled": False}),
    ("PUT", rule("content", ".m.rule.master", "enabled"), {"enabled": True}),
    ("PUT", rule("override", ".m.rule.tombstone", "enabled"), {"enabled": False}),
    ("PUT", rule("override", "mine", "colour"), {"colour": 1}),
    # actions
    ("PUT", rule("override", "mine", "actions"), LOUD), ("PUT", rule("override", "none", "actions"), LOUD),
    ("PUT", rule("underride", ".m.rule.message", "actions"), {"actions": [{"set_tweak": "sound", "value": "x"}, "notify"]}),
    ("PUT", rule("underride", ".m.rule.none", "actions"), LOUD), ("PUT", rule("override", "mine", "actions"), {"actions": {}}),
    ("PUT", rule("override", "mine", "actions"), {"actions": ["coalesce"]}), ("PUT", rule("override", "mine", "actions"), {}),
    ("GET", rule("underride", ".m.rule.message", "actions"), None),
    ("PUT", rule("override", "mine"), conditions(match("content.body", "again"))),
    # deleting
    ("DELETE", rule("override", "odd"), None), ("DELETE", rule("override", "odd"), None),
    ("DELETE", rule("override", ".m.rule.master"), None), ("DELETE", rule("underride", ".m.rule.message"), None),
    ("DELETE", rule("none", "x"), None), ("GET", RULES + "/", None),
]


def told(answer):
    """Errors by their code, since words may differ."""
    if answer.status == 200:
        return 200, answer.json
    return answer.status, answer.json.get("errcode")


def rule_rows(server, user):
    def rows(what, table, key, order):
        return server.sql(f"SELECT {what} FROM {table} WHERE {key} = '{user.user_id}' ORDER BY {order}")

    return (rows("rule_id, priority_class, priority, conditions, actions", "push_rules", "user_name", "1"),
            rows("rule_id, enabled", "push_rules_enable", "user_name", "1"),
            rows("rule_id, op, priority_class, priority, conditions, actions, instance_name", "push_rules_stream", "user_id",
                 "stream_id"))


def test_rules(both):
    users = {name: server.register("ruler") for name, server in both.items()}
    wrong = []
    for method, path, body in REQUESTS:
        answers = {name: told(user.call(method, path, body)) for name, user in users.items()}
        if answers["ganglion"] != answers["synapse"]:
            wrong.append((method, path, body, answers))
        if method != "GET":
            rules = {name: user.ok("GET", RULES + "/") for name, user in users.items()}
            assert rules["ganglion"] == rules["synapse"], (method, path, body)
    assert not wrong
    stored = {name: rule_rows(both[name], user) for name, user in users.items()}
    assert stored["ganglion"] == stored["synapse"]
    data = {name: [e for e in user.sync()["account_data"]["events"] if e["type"] == "m.push_rules"] for name, user in users.items()}
    assert data["ganglion"] == data["synapse"] and len(data["synapse"]) == 1


class Talk:
    """The same talk on either server; events by a name of ours."""

    def __init__(self, server):
        self.server, self.events, self.n = server, {}, 0
        self.alice, self.bob, self.carol = (server.register(f"talk_{name}") for name in ("alice", "bob", "carol"))
        self.room = self.alice.create_room(preset="private_chat", invite=[self.bob.user_id, self.carol.user_id])
        self.bob.join(self.room)
        self.carol.join(self.room)

    def send(self, name, user, content, kind="m.room.message"):
        self.n += 1
        path = f"{CLIENT}/rooms/{quote(self.room)}/send/{quote(kind)}/n{self.n}"
        self.events[name] = user.ok("PUT", path, content)["event_id"]

    def say(self, name, user, body, **more):
        self.send(name, user, dict({"msgtype": "m.text", "body": body}, **more))

    def relate(self, kind, name, **more):
        return {"m.relates_to": dict({"rel_type": kind, "event_id": self.events[name]}, **more)}

    def read(self, user, name, kind="m.read", **body):
        path = f"{CLIENT}/rooms/{quote(self.room)}/receipt/{kind}/{quote(self.events[name])}"
        user.ok("POST", path, body)

    def counts(self, user, threads):
        filter_ = {"room": {"timeline": {"unread_thread_notifications": threads}}}
        room = user.sync(filter=json.dumps(filter_))["rooms"]["join"][self.room]
        names = {event: name for name, event in self.events.items()}
        return room["unread_notifications"], {names[k]: v for k, v in room.get("unread_thread_notifications", {}).items()}

    def notifications(self, user, **query):
        names = {event: name for name, event in self.events.items()}
        answer = user.ok("GET", f"{CLIENT}/notifications", **query)
        return [(names.get(n["event"]["event_id"], n["event"]["type"]), n["actions"], n["read"], n["profile_tag"],
                 n["room_id"] == self.room) for n in answer["notifications"]], answer.get("next_token")

    def rows(self, table, what):
        names = {event: name for name, event in self.events.items()}
        rows = self.server.sql(f"SELECT {what} FROM {table} WHERE room_id = '{self.room}'")
        return sorted([names.get(value, value) for value in row] for row in rows)


def talk(t):
    """Every kind of rule once."""
    t.alice.put_state(t.room, "m.room.member", {"membership": "join", "displayname": "The Host"}, t.alice.user_id)
    t.say("hello", t.alice, "hello")
    t.say("notice", t.alice, "a notice", msgtype="m.notice")
    t.say("mention", t.alice, "look", **{"m.mentions": {"user_ids": [t.bob.user_id]}})
    t.say("name", t.bob, "thank you, THE HOST!")
    t.say("part of a name", t.bob, "thank you, the hosts")
    t.say("local part", t.alice, "talk_bob: there?")
    t.say("room mention", t.alice, "all", **{"m.mentions": {"room": True}})
    t.say("@room", t.alice, "hey @room")
    t.say("@room without power", t.bob, "hey @room")
    t.say("mentions instead of names", t.alice, "talk_bob", **{"m.mentions": {}})
    t.say("root", t.alice, "a thread")
    t.say("reply", t.carol, "in it", **t.relate("m.thread", "root"))
    t.say("reply to bob", t.carol, "and you", **t.relate("m.thread", "root"), **{"m.mentions": {"user_ids": [t.bob.user_id]}})
    t.send("reaction", t.bob, t.relate("m.annotation", "reply", key="+1"), "m.reaction")
    t.say("edit", t.carol, "* in that", **t.relate("m.replace", "reply"), **{"m.new_content": {"msgtype": "m.text", "body": "in that"}})
    t.say("reference", t.carol, "see there", **t.relate("m.reference", "reply"))
    t.say("answer", t.carol, "yes", **{"m.relates_to": {"m.in_reply_to": {"event_id": t.events["name"]}}})
    t.send("encrypted", t.alice, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}, "m.room.encrypted")
    t.send("call", t.alice, {"call_id": "c", "version": 0, "lifetime": 1, "offer": {}}, "m.call.invite")
    t.alice.put_state(t.room, "im.vector.modular.widgets", {"type": "jitsi"}, "w")
    t.alice.put_state(t.room, "m.room.topic", {"topic": "talk_bob"})
    t.alice.put_state(t.room, "m.room.server_acl", {"allow": ["*"]})
    t.alice.put_state(t.room, "m.room.tombstone", {"body": "over", "replacement_room": "!x:y"})
    t.bob.ok("PUT", rule("room", t.room), QUIET)
    t.say("muted", t.alice, "psst")
    t.bob.ok("PUT", rule("content", "food"), dict(LOUD, pattern="p*zza"))
    t.say("content rule", t.alice, "a Pizza?")
    t.bob.ok("DELETE", rule("room", t.room))
    t.bob.ok("PUT", rule("override", "strange"), dict(conditions(match("content.x\\.y", "v*"), {"kind": "event_property_is", "key": "content.n", "value": 3}),
                                                      actions=["notify", "dont_notify", {"set_tweak": "größe", "z": 1, "a": 2}]))
    t.say("strange", t.alice, "strange", **{"x.y": "Value", "n": 3})
    t.carol.ok("PUT", rule("override", ".m.rule.master", "enabled"), {"enabled": True})
    t.say("not for carol", t.alice, "hello bob")
    t.alice.put_state(t.room, "m.room.member", {"membership": "leave"}, t.carol.user_id)
    t.alice.ok("POST", f"{CLIENT}/rooms/{quote(t.room)}/invite", {"user_id": t.carol.user_id})


@pytest.fixture(scope="module")
def talks(both):
    made = {name: Talk(server) for name, server in both.items()}
    for t in made.values():
        talk(t)
    return made


ACTIONS = ("event_push_actions", "event_id, user_id, profile_tag, actions, notif, highlight, unread, thread_id, topological_ordering")
SUMMARY = ("event_push_summary s", "user_id, notif_count, unread_count, thread_id, (SELECT topological_ordering FROM events e WHERE"
           " e.stream_ordering = s.stream_ordering), (SELECT topological_ordering FROM events e WHERE e.stream_ordering ="
           " s.last_receipt_stream_ordering)")


def alike(talks, look):
    seen = {name: look(t) for name, t in talks.items()}
    ours, theirs = seen["ganglion"], seen["synapse"]
    if isinstance(ours, list):
        assert ([x for x in ours if x not in theirs], [x for x in theirs if x not in ours]) == ([], [])
    assert ours == theirs
    return theirs


def same_invite(rows):
    """The invitation's event id is not ours to name."""
    return sorted([value if not str(value).startswith("$") else "an event" for value in row] for row in rows)


def test_actions(talks):
    rows = alike(talks, lambda t: same_invite(t.rows(*ACTIONS)))
    assert len(rows) > 20


def test_counts(talks):
    for user in ("alice", "bob"):
        for threads in (False, True):
            counts = alike(talks, lambda t: t.counts(getattr(t, user), threads))
            assert counts[0]["notification_count"] > 0


def test_notifications(talks):
    everything, _ = alike(talks, lambda t: (t.notifications(t.bob)[0], None))
    assert len(everything) > 10
    alike(talks, lambda t: t.notifications(t.bob, only="highlight")[0])
    alike(talks, lambda t: t.notifications(t.carol)[0])

    def pages(t):
        out, token = [], None
        while True:
            page, token = t.notifications(t.bob, limit=4, **({"from": token} if token else {}))
            out.append(page)
            if not token:
                return out

    assert sum(alike(talks, pages), []) == everything
    for query in ({"from": "x"}, {"limit": "x"}, {"limit": -1}):
        alike(talks, lambda t: told(t.bob.call("GET", f"{CLIENT}/notifications", **query)))


def rotated(t):
    return lambda: t.server.sql("SELECT (SELECT stream_ordering FROM event_push_summary_stream_ordering) >= max(stream_ordering)"
                                " AND (SELECT stream_id FROM event_push_summary_last_receipt_stream_id) >="
                                " (SELECT coalesce(max(stream_id), 0) FROM receipts_linearized) FROM events") == [["t"]]


def look_at_all(talks):
    alike(talks, lambda t: t.rows(*SUMMARY))
    alike(talks, lambda t: same_invite(t.rows(*ACTIONS)))
    for threads in (False, True):
        alike(talks, lambda t: [t.counts(user, threads) for user in (t.alice, t.bob)])


def settle(talks):
    """Both have summed up all that there is; what they keep and tell then must become the same (Synapse goes on with what it
    had summed up, so the round of the other one may have to be waited for once more)."""
    for t in talks.values():
        until(rotated(t), seconds=90)
    deadline = time.monotonic() + 70
    while True:
        try:
            return look_at_all(talks)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def test_rotation_and_receipts(talks):
    for t in talks.values():
        t.say("one more", t.alice, "more")  # or Synapse tells what it has remembered from before the last receipt
    settle(talks)
    steps = [[("bob", "hello", {})], [("bob", "reply", {"thread_id": "root"}), ("alice", "name", {"thread_id": "main"})],
             [("bob", "room mention", {"kind": "m.read.private"})], [("bob", "strange", {})]]
    for i, step in enumerate(steps):
        for t in talks.values():
            for user, event, how in step:
                how = dict(how, thread_id=t.events["root"]) if how.get("thread_id") == "root" else how
                t.read(getattr(t, user), event, **how)
        for t in talks.values():
            t.say(f"after {i}", t.alice, "more")
            t.say(f"in thread {i}", t.alice, "more", **t.relate("m.thread", "root"))
        settle(talks)  # before that they may differ: Synapse goes on with what it had summed up


# Which processes are Synapse's; which process writes what: events and rules cross from one kind to the other.
SIDES = {
    "Synapse writes events": ({"worker1"}, {"events": ["worker1"]}),
    "Ganglion writes events": ({"main"}, {"events": ["worker1"]}),
    "Synapse writes rules": ({"worker1"}, {"push_rules": ["worker1"]}),
    "Ganglion writes rules": ({"main"}, {"push_rules": ["worker1"]}),
}


@pytest.fixture(params=SIDES)
def sides(mixed, request):
    """A server, the URLs of its two processes of different kinds, and the URL of who writes push rules."""
    python, writers = SIDES[request.param]
    worker = Worker("worker1", "synapse.app.generic_worker", ["client", "federation"])
    deployment = mixed(f"push_sides{list(SIDES).index(request.param)}", python=python, workers=[worker],
                       stream_writers=dict({"events": ["master"]}, **writers),
                       extra_config={"caches": {"sync_response_cache_duration": 0}})
    deployment.start()
    server = Server(deployment)
    urls = [f"http://127.0.0.1:{p.port}" for p in (deployment.main, *deployment.workers)]
    server.base_url = urls[0]
    return server, urls, urls["push_rules" in writers]


def test_side_by_side(sides):
    """Who makes an event evaluates it, who writes it stores that, and everybody counts and obeys alike."""
    server, urls, rules = sides
    alice, bob = server.register("alice"), server.register("bob")
    room = alice.create_room(preset="private_chat", invite=[bob.user_id])
    bob.join(room)
    n = 0

    def send(base, body):
        nonlocal n
        n += 1
        path = f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/s{n}"
        return alice.ok("PUT", path, {"msgtype": "m.text", "body": body}, base=base)["event_id"]

    def counts(base):
        nonlocal n
        n += 1
        filter_ = json.dumps({"room": {"timeline": {"not_types": [f"none.{n}"]}}})
        part = bob.sync(base=base, filter=filter_)["rooms"]["join"][room]["unread_notifications"]
        return part["notification_count"], part["highlight_count"]

    for base in urls:
        send(base, "hello")
        send(base, "bob: look")
    for base in urls:
        until(lambda: counts(base) == (4, 2))
    assert server.sql("SELECT count(*) FROM event_push_actions_staging") == [["0"]]
    bob.ok("PUT", rule("room", room), QUIET, base=rules)
    for base in urls:
        def muted():
            event = send(base, "psst")
            return server.sql(f"SELECT count(*) FROM event_push_actions WHERE event_id = '{event}'") == [["0"]]

        until(muted)
        until(lambda: [r["rule_id"] for r in bob.ok("GET", RULES + "/global/room/", base=base)] == [room])
    last = send(urls[0], "the end")
    bob.ok("POST", f"{CLIENT}/rooms/{quote(room)}/receipt/m.read/{quote(last)}", {}, base=urls[0])
    for base in urls:
        until(lambda: counts(base) == (0, 0))
    assert server.deployment.complaints() == []
