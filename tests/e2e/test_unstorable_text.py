"""Text that no row of the database can hold (a NUL, half of a surrogate pair): wherever a client may put it, it is refused or names nothing."""

import base64
import json

import pytest

from lib.rooms import CLIENT, room_path

V3 = CLIENT
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


def requests_with(text, alice, room, event):
    """Every place in a body where a name or a word of the client's is looked up or kept."""
    user, alias, device = f"@{text}:x", f"#{text}:x", f"D{text}"
    content = {"msgtype": "m.text", "body": "x"}
    relation = {"rel_type": "m.thread", "event_id": f"${text}"}
    yield "POST", f"{V3}/keys/query", {"device_keys": {user: []}}
    yield "POST", f"{V3}/keys/query", {"device_keys": {alice.user_id: [device]}}
    yield "POST", f"{V3}/keys/claim", {"one_time_keys": {user: {"D": "signed_curve25519"}}}
    yield "POST", f"{V3}/keys/claim", {"one_time_keys": {alice.user_id: {device: "signed_curve25519"}}}
    yield "POST", f"{V3}/keys/claim", {"one_time_keys": {alice.user_id: {"D": f"alg{text}"}}}
    yield "POST", f"{V3}/keys/upload", {"one_time_keys": {f"signed_curve25519:{text}": {"key": "x"}}}
    yield "POST", f"{V3}/keys/upload", {"fallback_keys": {f"signed_curve25519:{text}": {"key": text}}}
    yield "POST", f"{V3}/keys/signatures/upload", {user: {device: {"user_id": user, "device_id": device, "signatures": {}}}}
    yield "PUT", f"{V3}/sendToDevice/m.x/t{len(text)}1", {"messages": {alice.user_id: {device: {"a": text}}}}
    yield "PUT", f"{V3}/sendToDevice/m.x/t{len(text)}2", {"messages": {user: {"*": {}}}}
    yield "PUT", f"{V3}/user/{alice.user_id}/account_data/m.ignored_user_list", {"ignored_users": {user: {}}}
    yield "PUT", f"{V3}/user/{alice.user_id}/account_data/m.x", {"word": text}
    yield "PUT", f"{V3}/user/{alice.user_id}/rooms/{room}/tags/u.x", {"order": 0.5, "word": text}
    yield "POST", f"{V3}/user/{alice.user_id}/filter", {"room": {"rooms": [f"!{text}:x"]}}
    yield "PUT", f"{V3}/profile/{alice.user_id}/displayname", {"displayname": text}
    yield "PUT", f"{V3}/devices/{alice.device_id}", {"display_name": text}
    yield "POST", f"{V3}/delete_devices", {"devices": [device]}
    yield "PUT", f"{V3}/directory/room/%23fine:{alice.server.name}", {"room_id": f"!{text}:x"}
    yield "POST", f"{V3}/createRoom", {"name": text, "topic": text}
    yield "POST", f"{V3}/createRoom", {"room_alias_name": f"a{text}"}
    yield "POST", f"{V3}/createRoom", {"invite": [user]}
    yield "POST", f"{V3}/createRoom", {"initial_state": [{"type": f"m{text}", "content": {}}]}
    yield "POST", room_path(room, "invite"), {"user_id": user}
    yield "POST", room_path(room, "kick"), {"user_id": user, "reason": text}
    yield "POST", room_path(room, "report", event), {"reason": text}
    yield "POST", room_path(room, "read_markers"), {"m.fully_read": f"${text}", "m.read": f"${text}"}
    yield "POST", room_path(room, "receipt", "m.read", event), {"thread_id": f"${text}"}
    yield "PUT", room_path(room, "send", "m.room.message", f"u{len(text)}1"), {**content, "body": text}
    yield "PUT", room_path(room, "send", "m.room.message", f"u{len(text)}2"), {**content, "m.relates_to": relation}
    yield "PUT", room_path(room, "send", "m.room.message", f"u{len(text)}3"), {**content, "m.relates_to": {**relation, "rel_type": text, "event_id": event}}
    yield "PUT", room_path(room, "send", "m.reaction", f"u{len(text)}4"), {"m.relates_to": {"rel_type": "m.annotation", "event_id": event, "key": text}}
    yield "PUT", room_path(room, "send", "m.room.redaction", f"u{len(text)}5"), {"redacts": f"${text}"}
    yield "PUT", room_path(room, "state", "m.room.name", ""), {"name": text}
    yield "PUT", room_path(room, "state", "m.room.canonical_alias", ""), {"alias": alias}
    yield "PUT", room_path(room, "state", "m.room.join_rules", ""), {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": f"!{text}:x"}]}
    yield "PUT", room_path(room, "state", "m.room.power_levels", ""), {"users": {user: 5, alice.user_id: 100}}
    yield "POST", f"{V3}/search", {"search_categories": {"room_events": {"search_term": text, "filter": {"rooms": [f"!{text}:x"]}}}}
    yield "POST", f"{V3}/publicRooms", {"filter": {"generic_search_term": text}, "since": text}
    yield "POST", f"{V3}/user_directory/search", {"search_term": text}
    yield "PUT", f"{V3}/pushrules/global/content/r{len(text)}", {"pattern": text, "actions": []}
    yield "POST", f"{V3}/pushers/set", {"kind": "http", "app_id": text, "pushkey": text, "app_display_name": text, "device_display_name": text, "lang": text,
                                        "data": {"url": "https://push.example.org/_matrix/push/v1/notify", "word": text}}
    yield "POST", f"{V3}/room_keys/version", {"algorithm": text, "auth_data": {"x": text}}
    yield "POST", f"{V3}/register", {"username": f"u{text}", "password": text, "auth": {"type": "m.login.dummy", "session": text}}
    yield "POST", f"{V3}/login", {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": f"u{text}"}, "password": text, "device_id": device}
    yield "POST", f"{V3}/account/password", {"new_password": text, "auth": {"type": "m.login.password", "session": text, "password": text}}
    yield "PUT", f"{V3}/presence/{alice.user_id}/status", {"presence": "online", "status_msg": text}
    yield "POST", SLIDING, {"conn_id": text, "lists": {"a": {"ranges": [[0, 1]], "timeline_limit": 1, "required_state": [[text, text]]}}}


def paging_tokens(alice):
    """Tokens that are base64 of bytes that no text is."""
    bad = base64.urlsafe_b64encode(b"!\xff\xfe\x00:x").decode()
    for path in ("/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms?user_id=%40a%3Ab&batch_token=" + bad, f"{V3}/publicRooms?since={bad}",
                 f"{V3}/sync?since={bad}", f"{V3}/notifications?from={bad}"):
        yield "GET", path, None
    yield "POST", f"{V3}/search?next_batch={bad}", {"search_categories": {"room_events": {"search_term": "x"}}}
    yield "POST", f"{V3}/publicRooms", {"since": bad}


@pytest.mark.parametrize("text", ["\u0000", "\ud800", "\udfff\ud800"], ids=["nul", "half", "halves"])
def test_text_that_no_row_holds(server, text):
    alice = server.register()
    room = alice.create_room(preset="public_chat")
    event = alice.send(room, "x")
    failed = [(method, path, json.dumps(body), answer) for method, path, body in [*requests_with(text, alice, room, event), *paging_tokens(alice)]
              for answer in [alice.call(method, path, body)] if answer.status >= 500]
    assert not failed, failed
    assert alice.call("GET", room_path(room, "event", event)).status == 200
