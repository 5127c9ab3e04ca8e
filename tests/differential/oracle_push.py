"""Makes tests/data/push_cases.json: random events and push rules, judged by an installed Synapse.

Needs Synapse's Python environment (a development tool; the tests read its output only):
    python oracle_push.py CASES > push_cases.json
"""
import json
import random
import sys

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict
from synapse.push.bulk_push_rule_evaluator import _flatten_dict
from synapse.synapse_rust.push import FilteredPushRules, PushRule, PushRuleEvaluator, PushRules
from synapse.util.json import json_encoder

USERS = ["@alice:h", "@bob.b:h", "@ünï:h", "@a*b:h", "nobody"]
NAMES = [None, "", "Alice", "Bob B", "ALICE", "al?ce", "*", "İstanbul", "Σίσυφος", "straße", "ο", "a\nb", "😀 x", "é"]
WORDS = ["alice", "Alice", "ALICE", "bob", "bob.b", "hello", "world", "@room", "@ROOM", "a", "b", "ab", "aab", "", "é", "É", "ß",
         "ẞ", "İ", "i̇", "σ", "ς", "Σ", "日本", "😀", "_", "1", "²", "٣", "x", "K", "k", "e\u0301", "a\u200db"]
GLUE = [" ", " ", "", "\n", ", ", "_", "-", ".", "!", "\t", "\u00a0", "\r"]
KEYS = ["type", "content.body", "content.body", "content.body", "content.msgtype", "content.x", "content.x.y", "content.x\\.y",
        "content.a\\\\b", "content.a\\b", "content", "sender", "room_id", "state_key", "content.list", "content.n", "content.",
        "", "content..x", "content.m\\.mentions.user_ids", "content.m\\.mentions.room", "unsigned.age_ts", "depth", "none"]
FLAGS = ("msc1767", "msc3381", "msc3664", "msc4028", "msc4075", "msc4210", "msc4306")
BASE = [r.rule_id for r in PushRules([]).rules()]


def text(r):
    return "".join(r.choice(WORDS) + r.choice(GLUE) for _ in range(r.randrange(6)))


def pattern(r):
    kind = r.randrange(5)
    if kind == 0:
        return r.choice(WORDS)
    if kind == 1:
        return text(r)
    parts = []
    for _ in range(r.randrange(1, 5)):
        parts.append(r.choice(["*", "?", "**", "*?", r.choice(WORDS), r.choice(WORDS), r.choice("abé ")]))
    return "".join(parts)


def near(r, value):
    """A pattern that may well match."""
    out = []
    for c in value:
        pick = r.randrange(12)
        out.append("?" if pick == 0 else "*" if pick == 1 else c.upper() if pick == 2 else "" if pick == 3 else c)
    return "".join(out)


def simple(r):
    return r.choice([1, 0, -1, 2**53 - 1, True, False, None, "a", "A", "", "alice", "@alice:h", 3])


def value(r, depth=0):
    pick = r.randrange(8)
    if pick < 4:
        return simple(r)
    if pick == 4:
        return text(r)
    if pick == 5:
        return [simple(r) for _ in range(r.randrange(4))]
    return {} if depth > 1 else {r.choice(["y", "x.y", "a\\b", "x", ""]): value(r, depth + 1) for _ in range(r.randrange(3))}


def event(r):
    content = {}
    if r.randrange(8):
        content["body"] = text(r) if r.randrange(12) else value(r)
    if r.randrange(2):
        content["msgtype"] = r.choice(["m.text", "m.notice"])
    for key in ("x", "x.y", "a\\b", "n", "list", ""):
        if r.randrange(3) == 0:
            content[key] = value(r)
    if r.randrange(4) == 0:
        content["m.mentions"] = r.choice([{}, {"user_ids": r.choices(USERS, k=r.randrange(3))}, {"room": r.choice([True, False, 1])}, 5])
    if r.randrange(5) == 0:
        content["m.relates_to"] = {"rel_type": r.choice(["m.replace", "m.thread"]), "event_id": "$x"}
    kind = r.choice(["m.room.message"] * 4 + ["m.room.encrypted", "m.room.member", "m.room.tombstone", "m.reaction", "m.call.invite",
                     "m.room.server_acl", "org.matrix.msc3381.poll.start", "im.vector.modular.widgets", "m.x"])
    out = {"type": kind, "sender": "@sender:h", "room_id": "!r:h", "content": content, "depth": 5, "origin_server_ts": 7,
           "prev_events": [], "auth_events": [], "hashes": {"sha256": "x"}, "signatures": {}, "unsigned": {"age_ts": 5}}
    if kind.startswith("m.room.") and kind not in ("m.room.message", "m.room.encrypted") or r.randrange(8) == 0:
        out["state_key"] = r.choice(["", "@alice:h", "w"])
    if kind == "m.room.member":
        content["membership"] = r.choice(["invite", "join"])
    if kind == "im.vector.modular.widgets":
        content["type"] = r.choice(["jitsi", "other"])
    return out


def at(flat, key):
    found = flat.get(key)
    return found if isinstance(found, str) and found else None


def condition(r, flat):
    key = r.choice(KEYS)
    pick = r.randrange(12)
    if pick < 5:
        c = {"kind": "event_match", "key": key, "pattern": near(r, at(flat, key)) if at(flat, key) and r.randrange(3) else pattern(r)}
    elif pick == 5:
        known = flat.get(key)
        c = {"kind": "event_property_is", "key": key, "value": known if r.randrange(3) and not isinstance(known, list) else simple(r)}
    elif pick == 6:
        c = {"kind": "event_property_contains", "key": r.choice([key, "content.list", "content.m\\.mentions.user_ids"]), "value": simple(r)}
    elif pick == 7:
        c = {"kind": "contains_display_name"}
    elif pick == 8:
        c = {"kind": "room_member_count", "is": r.choice(["2", "==2", "<2", ">2", "<=2", ">=3", "=2", " 2", "02", "", "x", "2x", ">-1", "<>2"])}
    elif pick == 9:
        c = {"kind": "sender_notification_permission", "key": r.choice(["room", "other", "", "low"])}
    elif pick == 10:
        c = {"kind": "im.nheko.msc3664.related_event_match", "rel_type": r.choice(["m.in_reply_to", "m.thread", "none"])}
        if r.randrange(3):
            c["key"] = r.choice(["sender", "content.body", "none"])
            c["pattern"] = r.choice(["@alice:h", pattern(r), "*"])
        if r.randrange(2):
            c["include_fallbacks"] = r.choice([True, False])
    else:
        c = r.choice([{"kind": "none"}, {"kind": "io.element.msc4306.thread_subscription", "subscribed": r.choice([True, False])},
                      {"kind": "org.matrix.msc3931.room_version_supports", "feature": "x"}, {"kind": 5}, {"x": 1}])
    if r.randrange(12) == 0:
        victim = r.choice(sorted(c))
        if r.randrange(2):
            del c[victim]
        else:
            c[victim] = r.choice([None, 5, [], {}, True, "x"])
    return c


def actions(r):
    return [r.choice(["notify", "dont_notify", "coalesce", {"set_tweak": "highlight"}, {"set_tweak": "highlight", "value": False},
                      {"value": r.choice([1, "é", None, [1]]), "z": 1, "a": "😀", "set_tweak": r.choice(["sound", "highlight"])}])
            for _ in range(r.randrange(4))] or ["notify"]


def own_rules(r, flat):
    rows = []
    for i in range(r.choice([0, 1, 1, 2, 3, 5])):
        name, number = r.choice([("override", 5), ("override", 5), ("content", 4), ("room", 3), ("sender", 2), ("underride", 1)])
        conditions = [condition(r, flat) for _ in range(r.choice([0, 1, 1, 1, 2, 3]))]
        rows.append([f"global/{name}/u{i}", number, json_encoder.encode(conditions), json_encoder.encode(actions(r))])
    for _ in range(r.choice([0, 0, 0, 1, 2])):
        rows.append([r.choice(BASE + ["global/override/.gone"]), -1, "[]", json_encoder.encode(actions(r))])
    rows.sort(key=lambda row: -row[1])
    return rows


def case(r):
    e = event(r)
    flat = _flatten_dict(make_event_from_dict(e, KNOWN_ROOM_VERSIONS["11"], {}, None))
    rows = own_rules(r, flat)
    enabled = {rule: bool(r.randrange(2)) for rule in r.sample(BASE + [row[0] for row in rows], r.choice([0, 0, 1, 3, 8]))}
    if r.randrange(3):
        enabled["global/override/.m.rule.master"] = False
    flags = [r.randrange(4) == 0 for _ in FLAGS]
    related, fallback = {}, r.randrange(2)
    if r.randrange(2):
        related["m.thread"] = event(r)
    if r.randrange(2):
        related["m.in_reply_to"] = event(r)
        related["m.in_reply_to"]["sender"] = r.choice(["@alice:h", "@sender:h"])
    seen = {k: _flatten_dict(make_event_from_dict(v, KNOWN_ROOM_VERSIONS["11"], {}, None)) for k, v in related.items()}
    if fallback and "m.in_reply_to" in seen:
        seen["m.in_reply_to"]["im.vector.is_falling_back"] = ""
    user, name, members, level = r.choice(USERS), r.choice(NAMES), r.choice([1, 2, 3]), r.choice([None, 0, 49, 50, 100])
    levels, subscribed = r.choice([{}, {"room": 0}, {"room": 100, "low": 1}]), r.choice([None, True, False])
    rules = FilteredPushRules(PushRules([PushRule.from_db(*row) for row in rows]), enabled, *flags)
    judge = PushRuleEvaluator(flat, "m.mentions" in e["content"], members, level, levels, seen, flags[2], [], flags[0], flags[5], flags[6])
    out = {"event": e, "rules": rows, "enabled": enabled, "flags": [f for f, on in zip(FLAGS, flags) if on], "user": user,
           "name": name, "members": members, "level": level, "levels": levels, "related": related, "fallback": bool(fallback),
           "subscribed": subscribed,
           "actions": json_encoder.encode(list(judge.run(rules, user, name, subscribed)))}
    if r.randrange(20) == 0:
        out["order"] = [rule.rule_id for rule, on in rules.rules() if on]
    if not flags[2]:
        del out["related"], out["fallback"]
    return out


def main():
    r = random.Random(7)
    cases = []
    while len(cases) < int(sys.argv[1]):
        one = case(r)
        if one["actions"] != "[]" or r.randrange(3) == 0:
            cases.append(one)
    print("[" + ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases) + "]")


main()
