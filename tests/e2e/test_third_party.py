"""Inviting by address: those whose address is known, those who take the invite up later, and who must not."""

import os

import pytest

from lib.identity import IdentityServer
from lib.rooms import CLIENT, membership, refused, room_path
from lib.server import quote, request


@pytest.fixture(scope="module")
def identity(folder):
    server = IdentityServer(os.path.join(folder, "identity"))
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own, identity):
    extra = {"use_insecure_ssl_client_just_for_testing_do_not_use": True, "ip_range_whitelist": ["127.0.0.1"],
             "email": {"invite_client_location": "https://app.example"}, "rc_third_party_invite": {"per_second": 1000, "burst_count": 1000}}
    with own.running("identity", monolith=request.param == "monolith", extra_config=extra) as server:
        yield server


def invite(user, room, identity, address, **more):
    return user.call("POST", room_path(room, "invite"), {"medium": "email", "address": address, "id_server": identity.name,
                                                         "id_access_token": "secret", **more})


def kept(user, room):
    return {e["state_key"]: e["content"] for e in user.ok("GET", room_path(room, "state")) if e["type"] == "m.room.third_party_invite"}


def token_of(identity, address):
    return next(t for t, i in identity.invites.items() if i["address"] == address)


def test_whose_address_is_known(server, identity):
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    identity.users["email", f"{bob.user_id}@example.com"] = bob.user_id
    assert invite(alice, room, identity, f"{bob.user_id}@example.com").status == 200
    assert membership(alice, room, bob) == "invite" and kept(alice, room) == {}
    assert identity.tokens[-1] == "Bearer secret"


@pytest.mark.parametrize("version", ["1", "11", "12"])
def test_taken_up_with_a_proof(server, identity, version):
    alice, bob, eve = server.register(), server.register(), server.register()
    room = alice.create_room(room_version=version, name="Round table")
    address = f"{bob.user_id}@later.example"
    assert invite(alice, room, identity, address).status == 200
    token = token_of(identity, address)
    sent = identity.invites[token]
    assert (sent["room_id"], sent["sender"], sent["room_name"], sent["room_join_rules"]) == (room, alice.user_id, "Round table", "invite")
    assert sent["org.matrix.web_client_location"] == "https://app.example"
    assert kept(alice, room)[token] == {
        "display_name": "@...", "public_key": identity.public_key,
        "key_validity_url": f"https://{identity.name}/_matrix/identity/v2/pubkey/isvalid",
        "public_keys": [{"public_key": identity.public_key, "key_validity_url": f"https://{identity.name}/_matrix/identity/v2/pubkey/isvalid"}]}
    join = f"{CLIENT}/join/{quote(room)}"
    proof = identity.proof(token, bob.user_id, sender=alice.user_id)
    refused(eve.call("POST", join, {"third_party_signed": proof}), 403)
    for forged in ({**proof, "mxid": eve.user_id}, {**proof, "token": "other"}, {**proof, "sender": "@x:elsewhere"}, {**proof, "signatures": {}},
                   {**proof, "sender": eve.user_id}):
        refused(eve.call("POST", join, {"third_party_signed": forged}), 403)
    for broken in ("x", 5, {}, {**proof, "mxid": 5}, {**proof, "signatures": "x"}, {**proof, "sender": "nobody"}):
        refused(eve.call("POST", join, {"third_party_signed": broken}), 400)
    assert bob.call("POST", join, {"third_party_signed": proof}).status == 200
    assert membership(alice, room, bob) == "join"


def test_told_by_the_identity_server(server, identity):
    alice, bob, eve = server.register(), server.register(), server.register()
    room = alice.create_room()
    address = f"{bob.user_id}@bound.example"
    assert invite(alice, room, identity, address).status == 200
    token = token_of(identity, address)
    bound = {"medium": "email", "address": address, "mxid": bob.user_id, "invites": [
        {"mxid": eve.user_id, "room_id": room, "sender": alice.user_id, "token": token, "signed": {**identity.proof(token, bob.user_id), "mxid": eve.user_id}},
        {"mxid": bob.user_id, "room_id": room, "sender": alice.user_id, "token": token, "signed": identity.proof(token, bob.user_id)}]}
    url = server.worker_url("generic_worker1") + "/_matrix/federation/v1/3pid/onbind"
    assert request("POST", url, bound).status == 403  # eve's; bob's counts all the same
    assert membership(alice, room, bob) == "invite"
    assert request("POST", url, {**bound, "invites": bound["invites"][1:]}).status == 200
    content = alice.state(room, "m.room.member", bob.user_id)["third_party_invite"]
    assert content["display_name"] == "@..." and content["signed"]["token"] == token
    assert alice.call("GET", room_path(room, "state", "m.room.member", eve.user_id)).status == 404
    bob.join(room)
    for broken in ({"invites": "x"}, {"invites": [5, {}, {"room_id": 5}]}):
        assert request("POST", url, broken).status in (200, 400)


def test_keys_that_hold_no_more(server, identity):
    alice, bob = server.register(), server.register()
    room = alice.create_room()
    address = f"{bob.user_id}@revoked.example"
    assert invite(alice, room, identity, address).status == 200
    proof = identity.proof(token_of(identity, address), bob.user_id, sender=alice.user_id)
    identity.valid = False
    try:
        refused(bob.call("POST", f"{CLIENT}/join/{quote(room)}", {"third_party_signed": proof}), 403)
    finally:
        identity.valid = True
    token = token_of(identity, address)
    assert alice.put_state(room, "m.room.third_party_invite", {}, token)
    refused(bob.call("POST", f"{CLIENT}/join/{quote(room)}", {"third_party_signed": proof}), 403)


def test_who_may_and_what_is_refused(server, identity):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    refused(invite(bob, room, identity, "x@example.com"), 403, "M_FORBIDDEN")
    refused(invite(server.register(), room, identity, "x@example.com"), 403, "M_FORBIDDEN")
    assert invite(alice, room, identity, "x@example.com", id_server="127.0.0.1:1").status == 502
    refused(invite(alice, room, identity, "x@example.com", id_server="10.0.0.1"), 403)
    refused(invite(alice, room, identity, "x@example.com", id_server="http://bad/"), 400)
    refused(invite(alice, room, identity, "x@example.com", id_access_token="a\r\nb: c"), 400)
    refused(invite(alice, room, identity, 5), 400)
    refused(alice.call("POST", room_path(room, "invite"), {"medium": "email", "address": "x@y"}), 400, "M_MISSING_PARAM")


def test_rooms_made_with_such_invites(server, identity):
    alice, bob = server.register(), server.register()
    identity.users["email", "known@example.com"] = bob.user_id
    whom = {"medium": "email", "id_server": identity.name, "id_access_token": "t"}
    room = alice.create_room(invite_3pid=[{**whom, "address": "known@example.com"}, {**whom, "address": "unknown@example.com"}])
    assert membership(alice, room, bob) == "invite" and len(kept(alice, room)) == 1
    for bad in ("x", [5], [{}], [{**whom}], [{**whom, "address": "a"}] * 60):
        assert alice.call("POST", f"{CLIENT}/createRoom", {"invite_3pid": bad}).status == 400
