"""A server that lets guests in and does not check the certificates of what is no homeserver: guests in rooms of others,
invites by address, pushes."""

import os
import ssl

import pytest

from conftest import KINDS
from lib import appservice, pdu as pdus
from lib.gateway import Gateway, pusher
from lib.identity import IdentityServer
from lib.server import User, quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"


class Signed(IdentityServer):
    """An identity server, and an application service that is asked for users: its certificate is signed by itself."""

    def __init__(self, folder):
        self.asked = []
        super().__init__(folder)

    def get(self, path):
        if path.startswith("/_matrix/app/"):
            self.asked.append(path)
            return {}
        return super().get(path)


@pytest.fixture(scope="module")
def identity(folder):
    server = Signed(os.path.join(folder, "identity"))
    yield server
    server.stop()


@pytest.fixture(scope="module", params=KINDS)
def house(request, own, folder, authority, identity):  # pylint: disable=redefined-outer-name
    service = {**appservice.registration("signed", users=[("@_signed_.*", True)]), "url": f"https://{identity.name}"}
    extra = {"allow_guest_access": True, "use_insecure_ssl_client_just_for_testing_do_not_use": True, "ip_range_blacklist": [],
             "app_service_config_files": appservice.write(os.path.join(folder, "signed"), [service])}
    with own.running("house", monolith=request.param == "monolith", authority=authority, extra_config=extra) as server:
        yield server


@pytest.fixture
def gateway(identity, folder):
    """It has the certificate that the identity server signed itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*(os.path.join(folder, "identity", f"identity.{kind}") for kind in ("crt", "key")))
    server = Gateway(context)
    yield server
    server.stop()


def guest_of(server):
    made = request("POST", server.base_url + CLIENT + "/register?kind=guest", {}).json
    return User(server, made["user_id"], made["access_token"], made["device_id"])


def join(user, room, remote):
    return user.call("POST", f"{CLIENT}/join/{quote(room.room_id)}?via={quote(remote.name)}", {})


def membership(user, room, who):
    return user.ok("GET", f"{CLIENT}/rooms/{quote(room.room_id)}/state/m.room.member/{quote(who)}")["membership"]


def test_guests_in_their_room(house, remote):
    """Whether guests may come is not known before somebody is in; when the room closes to them they leave."""
    guest, alice = guest_of(house), house.register()
    room = remote.create_room("10")
    room.send("m.room.guest_access", {"guest_access": "can_join"}, remote.user("creator"), "")
    refused = join(guest, room, remote)
    assert (refused.status, refused.json["errcode"]) == (403, "M_FORBIDDEN"), refused
    assert join(alice, room, remote).status == 200 and join(guest, room, remote).status == 200
    room.say("welcome", remote.user("creator"), to=[house.name])
    assert membership(alice, room, guest.user_id) == "join"
    until(lambda: guest.user_id in [key for kind, key in room.state if kind == "m.room.member"])
    room.send("m.room.guest_access", {"guest_access": "forbidden"}, remote.user("creator"), "", to=[house.name])
    until(lambda: membership(alice, room, guest.user_id) == "leave")
    assert membership(alice, room, alice.user_id) == "join"
    until(lambda: any(e["type"] == "m.room.member" and e["state_key"] == guest.user_id and e["content"]["membership"] == "leave"
                      for e in remote.pdus))


def test_an_invited_guest(house, remote):
    guest, room = guest_of(house), remote.create_room("10", join_rule="invite")
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), guest.user_id)
    body = {"room_version": "10", "event": event, "invite_room_state": []}
    answer = remote.call("PUT", house.name, f"/_matrix/federation/v2/invite/{quote(room.room_id)}/$x", body)
    if answer.status == 200:
        room.add(answer.json["event"])
    assert join(guest, room, remote).status == 403


def test_invite_by_address_in_a_shared_room(house, remote, identity):
    """We are in the room: nobody needs to be asked for the true invite, though the inviter is another server's."""
    alice, bob = house.register(), house.register()
    creator, room = remote.user("creator"), remote.create_room("10")
    assert join(alice, room, remote).status == 200
    keys = [{"public_key": identity.public_key, "key_validity_url": f"https://{identity.name}/_matrix/identity/v2/pubkey/isvalid"}]
    content = {"display_name": "b...", "public_keys": keys, **keys[0]}
    first = room.send("m.room.third_party_invite", content, creator, "token", to=[house.name])
    until(lambda: house.sql(f"SELECT 1 FROM current_state_events WHERE event_id = '{first}'"))

    def bound(**proof):
        invite = {"mxid": bob.user_id, "room_id": room.room_id, "sender": creator, "signed": identity.proof("token", bob.user_id), **proof}
        body = {"medium": "email", "address": "b@b.example", "mxid": bob.user_id, "invites": [invite]}
        return remote.call("POST", house.name, "/_matrix/federation/v1/3pid/onbind", body, signed=False).status

    identity.valid = False
    assert bound() == 403
    identity.valid = True
    assert bound(sender=remote.user("somebody")) == 403 and bound(signed=identity.proof("another", bob.user_id)) == 403
    assert bound(sender=alice.user_id) == 403, "who has not invited by address does not invite"
    until(lambda: bound() == 200)  # each worker hears of the invite by itself
    assert not [a for a in remote.asked if "exchange_third_party_invite" in a.path]
    until(lambda: room.room_id in bob.ok("GET", CLIENT + "/sync").get("rooms", {}).get("invite", {}))
    made = until(lambda: next((e for e in remote.pdus if e.get("state_key") == bob.user_id), None))
    assert made["sender"] == creator and made["content"]["third_party_invite"]["display_name"] == "b..." and house.name in made["signatures"]
    assert join(bob, room, remote).status == 200 and membership(alice, room, bob.user_id) == "join"


def test_a_gateway_without_a_good_certificate(house, gateway):
    alice, bob = house.register(), house.register()
    room = alice.create_room(invite=[bob.user_id], preset="trusted_private_chat")
    bob.join(room)
    bob.ok("POST", CLIENT + "/pushers/set", pusher(gateway))
    assert gateway.wait(alice.send(room, "wake up"))["room_id"] == room


def test_an_invite_tells_of_its_room(house, remote, gateway):
    """We are not in the room: what came with the invite is all that is known of it."""
    bob, room = house.register(), remote.create_room("10", join_rule="invite")
    bob.ok("POST", CLIENT + "/pushers/set", pusher(gateway))
    event = room.event("m.room.member", {"membership": "invite"}, remote.user("creator"), bob.user_id)
    shown = [{"type": kind, "state_key": key, "sender": remote.user("creator"), "content": content} for kind, key, content in
             (("m.room.name", "", {"name": 7}), ("m.room.canonical_alias", "", {"alias": "#tea:" + remote.name}),
              ("m.room.member", remote.user("creator"), {"membership": "join", "displayname": "Carol"}))]
    body = {"room_version": "10", "event": event, "invite_room_state": shown}
    name = pdus.event_id(event, "10")
    answer = remote.call("PUT", house.name, f"/_matrix/federation/v2/invite/{quote(room.room_id)}/{quote(name)}", body)
    assert answer.status == 200, answer
    told = gateway.wait(name)
    assert (told["room_name"], told["sender_display_name"]) == ("#tea:" + remote.name, "Carol"), told


def test_an_application_service_without_a_good_certificate(house, identity):
    alice = house.register()
    room = alice.create_room(preset="private_chat")
    alice.call("POST", f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": f"@_signed_one:{house.name}"})
    until(lambda: any("_signed_one" in path for path in identity.asked))
