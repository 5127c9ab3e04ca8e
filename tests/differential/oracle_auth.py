"""Makes tests/data/auth_cases.json: random events in random rooms, judged by an installed Synapse.

Needs Synapse's Python environment (a development tool; the tests read its output only):
    python oracle_auth.py CASES_PER_VERSION > auth_cases.json
"""
import json
import random
import sys

from canonicaljson import encode_canonical_json
from signedjson.key import decode_signing_key_base64
from signedjson.sign import sign_json
from unpaddedbase64 import encode_base64

from synapse import event_auth
from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.events import make_event_from_dict

KEY = decode_signing_key_base64("ed25519", "1", "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1")
OTHER = decode_signing_key_base64("ed25519", "2", "T" * 43)
USERS = ["@c:a", "@x:a", "@y:b", "@z:b"]
MEMBERSHIPS = [None, "join", "join", "join", "invite", "leave", "ban", "knock"]
JOIN_RULES = ["public", "invite", "knock", "restricted", "knock_restricted", "private", None, 5]
counter = 0


def public(key):
    return encode_base64(key.verify_key.encode())


def event(version, room, **members):
    global counter
    counter += 1
    out = {"type": "m.room.message", "sender": "@x:a", "content": {}, "depth": counter, "origin_server_ts": counter,
           "prev_events": [], "auth_events": [], "hashes": {"sha256": "x"}, "signatures": {}}
    if room is not None:
        out["room_id"] = room
    if version.event_format == 1:
        out["event_id"] = "$%d:%s" % (counter, random.choice("ab"))
    out.update(members)
    return out


def load(version, e):
    return make_event_from_dict(e, version, {}, None)


def number(version, r):
    n = r.choice([0, 0, 25, 50, 50, 75, 100, 100, -5])
    if not version.enforce_int_power_levels:
        pick = r.randrange(12)
        if pick == 0:
            return " %+05d " % n
        if pick == 1:
            return str(n)
        if pick == 2 and not version.strict_canonicaljson:
            return n + 0.57
    if r.randrange(60) == 0:
        return r.choice(["a", None, True, [], "", "1.5", {}])
    return n


def power_levels(version, r):
    content = {}
    for key in ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite"):
        if r.randrange(3) == 0:
            content[key] = number(version, r)
    if r.randrange(8):
        content["users"] = {u: number(version, r) for u in USERS if r.randrange(2)}
    if r.randrange(3) == 0:
        content["events"] = {t: number(version, r) for t in ("m.room.message", "m.room.name", "m.room.power_levels",
                                                             "m.room.redaction", "m.room.third_party_invite", "t")
                             if r.randrange(2)}
    if r.randrange(4) == 0:
        content["notifications"] = {t: number(version, r) for t in ("room", "other") if r.randrange(2)}
    if r.randrange(30) == 0:
        content[r.choice(["users", "events", "notifications"])] = r.choice([[], None, "x", {"x": 1}, {"@nobody": 5}])
    return content


def create_event(version, r):
    content = {"room_version": version.identifier}
    if not version.implicit_room_creator:
        content["creator"] = "@c:a"
    if r.randrange(5) == 0:
        content["m.federate"] = r.choice([True, False, None, "x"])
    if version.msc4289_creator_power_enabled and r.randrange(2):
        content["additional_creators"] = r.choice([["@y:b"], ["@x:a", "@z:b"], []])
    return event(version, None if version.msc4291_room_ids_as_hashes else "!r:a", type="m.room.create", state_key="",
                 sender="@c:a", content=content)


def third_party(r, target):
    proof = {"mxid": r.choice([target, target, target, "@c:a"]), "token": r.choice(["tok", "tok", "tok", "other"])}
    if r.randrange(8) == 0:
        del proof[r.choice(list(proof))]
    proof = sign_json(proof, "ids", r.choice([KEY, KEY, KEY, OTHER]))
    out = {"display_name": "d", "signed": proof}
    if r.randrange(10) == 0:
        out = r.choice([{}, {"signed": {}}, {"signed": 5}, {"signed": dict(proof, signatures=5)}])
    return out


def member(version, room, r, create_id):
    target = r.choice(USERS)
    sender = r.choice([target, r.choice(USERS)])
    content = {"membership": r.choice(["join", "join", "invite", "leave", "ban", "knock", "invite", "leave", "odd", None])}
    if content["membership"] is None and r.randrange(2):
        content = {}
    if r.randrange(3) == 0:
        content["join_authorised_via_users_server"] = r.choice(USERS)
    if content.get("membership") == "invite" and r.randrange(3) == 0:
        content["third_party_invite"] = third_party(r, target)
    prev = r.choice([[create_id], [create_id], ["$other:a"], [create_id, "$other:a"]])
    if version.event_format == 1:
        prev = [[p, {}] for p in prev]
    return event(version, room, type="m.room.member", state_key=target, sender=sender, content=content, prev_events=prev)


def candidate(version, room, r, create_id, state):
    kind = r.randrange(10)
    if kind < 5:
        return member(version, room, r, create_id)
    if kind < 7:
        old = next((e for e in state if e["type"] == "m.room.power_levels"), None)
        content = power_levels(version, r)
        if old and r.randrange(2):
            content = json.loads(json.dumps(old["content"]))
            if isinstance(content.get("users", {}), dict):
                content.setdefault("users", {})[r.choice(USERS)] = number(version, r)
            for key in list(content):
                if r.randrange(5) == 0:
                    del content[key]
        return event(version, room, type="m.room.power_levels", state_key="", sender=r.choice(USERS), content=content)
    kind = r.choice(["message", "name", "redaction", "aliases", "tpi", "own", "others"])
    sender = r.choice(USERS)
    if kind == "message":
        return event(version, room, sender=sender)
    if kind == "name":
        return event(version, room, type="m.room.name", state_key="", sender=sender, content={"name": "n"})
    if kind == "redaction":
        target = "$%d:%s" % (r.randrange(100), r.choice("ab"))
        return event(version, room, type="m.room.redaction", sender=sender, redacts=target,
                     content={"redacts": target} if version.updated_redaction_rules else {})
    if kind == "aliases":
        e = event(version, room, type="m.room.aliases", sender=sender, content={"aliases": []},
                  state_key=r.choice(["a", "b", ""]))
        if r.randrange(6) == 0:
            del e["state_key"]
        return e
    if kind == "tpi":
        return event(version, room, type="m.room.third_party_invite", state_key="tok", sender=sender,
                     content={"public_key": public(KEY)})
    return event(version, room, type="t", state_key=sender if kind == "own" else r.choice(USERS + ["@q", "x"]), sender=sender)


def room_pool(version, r):
    """A create event and the state that rooms after it may have."""
    create = create_event(version, r)
    loaded = load(version, create)
    room = loaded.room_id
    pool = [create]
    for rule in JOIN_RULES:
        content = {} if rule is None else {"join_rule": rule, "allow": []}
        pool.append(event(version, room, type="m.room.join_rules", state_key="", sender="@c:a", content=content))
    for _ in range(10):
        pool.append(event(version, room, type="m.room.power_levels", state_key="", sender="@c:a",
                          content=power_levels(version, r)))
    for user in USERS:
        for membership in sorted(set(m for m in MEMBERSHIPS if m)):
            pool.append(event(version, room, type="m.room.member", state_key=user, sender=user,
                              content={"membership": membership}))
    pool.append(event(version, room, type="m.room.third_party_invite", state_key="tok", sender=r.choice(USERS),
                      content={"public_key": public(OTHER), "public_keys": [{"public_key": public(KEY)}]}))
    return pool, loaded.event_id, room


def choose_state(pool, r):
    def of(kind):
        return [i for i, e in enumerate(pool) if e["type"] == kind]

    chosen = [0]
    if r.randrange(6):
        chosen.append(r.choice(of("m.room.join_rules")))
    if r.randrange(5):
        chosen.append(r.choice(of("m.room.power_levels")))
    for user in USERS:
        membership = r.choice(MEMBERSHIPS)
        if membership:
            chosen += [i for i in of("m.room.member")
                       if pool[i]["state_key"] == user and pool[i]["content"]["membership"] == membership]
    if r.randrange(2):
        chosen += of("m.room.third_party_invite")
    return chosen


def judge(version, e, state):
    try:
        event_auth.check_state_dependent_auth_rules(load(version, e), [load(version, s) for s in state])
        return None
    except Exception as why:
        return "%s: %s" % (type(why).__name__, why)


def broken_creates(version, r):
    """m.room.create itself, in and out of order."""
    good = create_event(version, r)
    prev = [["$p:a", {}]] if version.event_format == 1 else ["$p"]
    yield good
    yield dict(good, prev_events=prev)
    yield dict(good, content=dict(good["content"], room_version="unheard-of"))
    yield dict(good, content=dict(good["content"], room_version=12))
    yield dict(good, content={})
    yield dict(good, sender="@c:b")
    for more in (["@a:b"], [], "x", [5], ["nobody"], ["@a"], {"@a:b": 1}, None):
        yield dict(good, content=dict(good["content"], additional_creators=more))
    if "room_id" not in good:
        yield dict(good, room_id="!r:a")


def judge_create(version, e):
    try:
        event_auth._check_create(load(version, e))
        return None
    except Exception as why:
        return "%s: %s" % (type(why).__name__, why)


def main():
    out = []
    for name in map(str, range(1, 13)):
        version = KNOWN_ROOM_VERSIONS[name]
        r = random.Random("auth" + name)
        random.seed(name)
        rooms, cases = [], []
        for _ in range(4):
            pool, create_id, room = room_pool(version, r)
            wanted = len(cases) + int(sys.argv[1]) // 4
            while len(cases) < wanted:
                chosen = choose_state(pool, r)
                e = candidate(version, room, r, create_id, [pool[i] for i in chosen])
                denied = judge(version, e, [pool[i] for i in chosen])
                if denied and (r.randrange(4) or "Error: 4" not in denied):
                    continue  # most are: keep the halves even; and a stumble of Synapse's is no judgement
                cases.append({"room": len(rooms), "state": chosen, "event": e, "denied": denied})
            rooms.append(pool)
        creates = [{"event": e, "denied": judge_create(version, e)} for e in broken_creates(version, r)]
        out.append({"version": name, "rooms": rooms, "cases": cases, "creates": creates})
    sys.stdout.write("[\n")
    for i, v in enumerate(out):
        sys.stdout.write(("," if i else "") + json.dumps(v, separators=(",", ":")) + "\n")
    sys.stdout.write("]\n")


main()
