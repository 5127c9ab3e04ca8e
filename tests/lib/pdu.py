"""Events as servers exchange them: hashed, signed and named by the rules of each room version (spec "Signing Events")."""

import copy
import hashlib
import itertools
import time

import signedjson.sign
from canonicaljson import encode_canonical_json
from unpaddedbase64 import encode_base64

_counter = itertools.count(1)

_TOP = {"event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events", "auth_events",
        "origin_server_ts"}
_OLD_TOP = _TOP | {"prev_state", "origin", "membership"}
_LEVELS = {"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"}


def number(version):
    return int(version)


def _kept_content(kind, content, v):
    kept = {"m.room.member": {"membership"} | ({"join_authorised_via_users_server"} if v >= 9 else set()),
            "m.room.create": set(content) if v >= 11 else {"creator"},
            "m.room.join_rules": {"join_rule"} | ({"allow"} if v >= 8 else set()),
            "m.room.power_levels": _LEVELS | ({"invite"} if v >= 11 else set()),
            "m.room.history_visibility": {"history_visibility"},
            "m.room.aliases": {"aliases"} if v <= 5 else set(),
            "m.room.redaction": {"redacts"} if v >= 11 else set()}.get(kind, set())
    found = {key: value for key, value in content.items() if key in kept}
    if kind == "m.room.member" and v >= 11 and isinstance(content.get("third_party_invite"), dict):
        found["third_party_invite"] = {key: content["third_party_invite"][key] for key in ("signed",) if key in content["third_party_invite"]}
    return found


def redacted(event, version):
    v = number(version)
    found = {key: copy.deepcopy(value) for key, value in event.items() if key in (_TOP if v >= 11 else _OLD_TOP)}
    found["content"] = _kept_content(event["type"], found["content"], v)
    return found


def content_hash(event):
    bare = {key: value for key, value in event.items() if key not in ("unsigned", "signatures", "hashes")}
    return encode_base64(hashlib.sha256(encode_canonical_json(bare)).digest())


def event_id(event, version):
    """Of versions 1 and 2 it stands in the event."""
    if number(version) <= 2:
        return event["event_id"]
    bare = {key: value for key, value in redacted(event, version).items() if key not in ("signatures", "unsigned", "age_ts")}
    return "$" + encode_base64(hashlib.sha256(encode_canonical_json(bare)).digest(), urlsafe=number(version) >= 4)


def reference(pdu, version):
    """An entry of prev_events and auth_events."""
    name = event_id(pdu, version)
    if number(version) <= 2:
        bare = {key: value for key, value in redacted(pdu, version).items() if key not in ("signatures", "unsigned", "age_ts")}
        return [name, {"sha256": encode_base64(hashlib.sha256(encode_canonical_json(bare)).digest())}]
    return name


def referred(entries, version):
    """Event ids of a list of references."""
    return [entry[0] for entry in entries] if number(version) <= 2 else list(entries)


def sign(event, version, server, key):
    """Adds the signature of a server over what redaction leaves."""
    signed = redacted(event, version)
    signedjson.sign.sign_json(signed, server, key)
    event.setdefault("signatures", {}).setdefault(server, {}).update(signed["signatures"][server])
    return event


def build(version, server, key, **fields):
    """A whole PDU of ours; prev_events and auth_events as references."""
    event = {"origin_server_ts": int(time.time() * 1000), "depth": 1, "prev_events": [], "auth_events": [], "content": {}, **fields}
    if number(version) <= 2:
        event.setdefault("event_id", f"${next(_counter)}{int(time.time() * 1000)}:{server}")
        event.setdefault("origin", server)
    event = {name: value for name, value in event.items() if value is not None}
    event["hashes"] = {"sha256": content_hash(event)}
    return sign(event, version, server, key)
