"""Makes tests/data/event_cases.json: events with the id, content hash, redaction and client form that an installed
Synapse gives them.

Needs Synapse's Python environment (a development tool; the tests read its output only):
    python oracle_events.py EVENTS_PER_VERSION > event_cases.json
"""
import hashlib
import json
import random
import sys

from canonicaljson import encode_canonical_json
from unpaddedbase64 import encode_base64

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import compute_content_hash
from synapse.events import make_event_from_dict
from synapse.events.utils import prune_event
from synapse.synapse_rust.events import EventFormat, SerializeEventConfig, serialize_events
from synapse.types import create_requester

TYPES = ["m.room.message", "m.room.member", "m.room.create", "m.room.join_rules", "m.room.power_levels", "m.room.aliases",
         "m.room.history_visibility", "m.room.redaction", "m.room.third_party_invite", "m.room.name", "x\u00e9\"\\\n"]
KEYS = ["membership", "creator", "join_rule", "allow", "ban", "events", "events_default", "invite", "kick", "redact",
        "state_default", "users", "users_default", "aliases", "history_visibility", "redacts", "third_party_invite",
        "join_authorised_via_users_server", "body", "\u00e9", "\U0001f600", "", "notifications", "a.b", "\n\"\\/"]
HASH = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"


def value(r, version, depth=0):
    pick = r.randrange(9 if depth < 3 else 6)
    if pick == 0:
        return r.choice([0, -1, 5, 2 ** 53 - 1, -(2 ** 53) + 1])
    if pick == 1:
        return r.choice([True, False, None])
    if pick == 2 and not version.strict_canonicaljson:
        return r.choice([1.0, 1e5, -0.0, 1e22, 0.1, 5e-324, 2 ** 70, 1.7976931348623157e308, r.random() * 10 ** r.randrange(-20, 20)])
    if pick < 6:
        return "".join(r.choice("ab\"\\/\b\f\n\r\t\0\x1f\x7f\u00e9\u2028\U0001f600 ") for _ in range(r.randrange(6)))
    if pick == 6:
        return [value(r, version, depth + 1) for _ in range(r.randrange(3))]
    return {r.choice(KEYS): value(r, version, depth + 1) for _ in range(r.randrange(4))}


def make(r, version):
    e = {"type": r.choice(TYPES), "sender": "@u:domain", "room_id": "!r:domain", "depth": r.randrange(100), "prev_events": [],
         "auth_events": [], "origin_server_ts": r.randrange(10 ** 13), "hashes": {"sha256": "x"}, "signatures": {"a": {"b": "c"}},
         "content": {r.choice(KEYS): value(r, version) for _ in range(r.randrange(8))}}
    if e["type"] == "m.room.member" and r.randrange(2):
        e["content"]["membership"] = "join"
        e["content"]["third_party_invite"] = r.choice([{"signed": {"mxid": "@a:b"}, "display_name": "d"}, {"x": 1}, {}, 5])
    if version.event_format == 1:
        e["event_id"] = "$e%d:domain" % r.randrange(10 ** 9)
        e["prev_events"] = [["$p:domain", {"sha256": "x"}]]
    else:
        e["prev_events"] = ["$" + HASH]
    if version.msc4291_room_ids_as_hashes:
        e["room_id"] = "!" + HASH
    if e["type"] == "m.room.redaction":
        e["redacts"] = "$old:domain"
        if r.randrange(2):
            e["content"]["redacts"] = "$new:domain"
        else:
            e["content"].pop("redacts", None)
    if e["type"] == "m.room.create":
        e["state_key"] = ""
        if version.msc4291_room_ids_as_hashes:
            del e["room_id"]
    elif r.randrange(2):
        e["state_key"] = r.choice(["", "@u:domain", "k\u00e9\n"])
    for key in ("origin", "prev_state", "extra"):
        if r.randrange(4) == 0:
            e[key] = r.choice(["domain", "x\u00e9"]) if key != "prev_state" else []
    e["unsigned"] = {}
    for key, v in (("age_ts", 1000), ("prev_content", {"a": 1}), ("replaces_state", "$" + HASH), ("prev_sender", "@x:y"),
                   ("invite_room_state", []), ("m.relations", {})):
        if r.randrange(3) == 0:
            e["unsigned"][key] = v
    return e


def canonical(v):
    return encode_canonical_json(v).decode()


def main():
    out = []
    config = SerializeEventConfig(as_client_event=True, event_format=EventFormat.ClientV2,
                                  requester=create_requester("@u:domain", device_id="DEV"), event_field_allowlist=None,
                                  include_stripped_room_state=False, include_admin_metadata=False, msc4354_enabled=False)
    for name in map(str, range(1, 13)):
        version = KNOWN_ROOM_VERSIONS[name]
        r = random.Random("events" + name)
        for _ in range(int(sys.argv[1])):
            e = make(r, version)
            event = make_event_from_dict(e, version, {"txn_id": "t", "device_id": "DEV"}, None)
            redacted = prune_event(event).get_dict()
            redacted.pop("unsigned", None)
            out.append({
                "version": name,
                "text": json.dumps(e, ensure_ascii=bool(r.randrange(2)), indent=r.choice([None, 1])),
                "id": event.event_id,
                "hash": encode_base64(compute_content_hash(e, hashlib.sha256)[1]),
                "redacted": canonical(redacted),
                "client": canonical(serialize_events([(event, None)], 5000, config)[0]),
            })
    sys.stdout.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in out) + "\n]\n")


main()
