"""Signatures and keys of events: whose are needed, when keys are valid, who is asked for them."""

import time

import pytest
import signedjson.key
import signedjson.sign
from unpaddedbase64 import encode_base64

from conftest import deploy
from lib import pdu as pdus
from lib.entered import entered
from lib.server import Server, quote
from lib.wait import until

PUBLIC = {"preset": "public_chat"}
DAY = 24 * 3600 * 1000


def now():
    return int(time.time() * 1000)


def make(home, remote, version="10", **options):
    alice = home.register()
    room = alice.create_room(room_version=version, **{**PUBLIC, **options})
    return alice, entered(home, remote, room, version)


def message(room, text, **fields):
    return room.event("m.room.message", {"msgtype": "m.text", "body": text}, room.user, **fields)


def taken(home, remote, room, event):
    """Is it taken? Else why not."""
    name = pdus.event_id(event, room.version)
    answer = remote.send(home.name, [event])[name]
    return True if answer == {} else answer["error"]


def stored(home, name):
    import json
    found = home.sql(f"SELECT json FROM event_json WHERE event_id = '{name}'")
    return json.loads(found[0][0]) if found else None


@pytest.mark.parametrize("version, valid", [("4", True), ("5", False), ("10", False), ("12", False)])
def test_keys_are_valid_for_a_time(home, remote, version, valid):
    """From version 5 on an event is signed while its key is valid; before, ever."""
    _, room = make(home, remote, version)
    event = message(room, "of the future", origin_server_ts=now() + 2 * DAY)
    answer = taken(home, remote, room, event)
    assert answer is True if valid else "sender domain" in answer, answer


def test_no_key_is_valid_for_years(home, remote):
    """Whatever a server says of its key: seven days from now are the most."""
    remote.valid_for = 10 * 365 * 86400
    _, room = make(home, remote)
    assert taken(home, remote, room, message(room, "of the near future", origin_server_ts=now() + 6 * DAY)) is True
    assert taken(home, remote, room, message(room, "of the far future", origin_server_ts=now() + 8 * DAY)) is not True


def test_old_keys(home, remote):
    """A retired key is good for what was signed before it expired."""
    _, room = make(home, remote)
    old, expired = signedjson.key.generate_signing_key("retired"), now() - DAY
    remote.old_keys = {"ed25519:retired": {"key": encode_base64(signedjson.key.get_verify_key(old).encode()), "expired_ts": expired}}

    def signed_by_old(text, at):
        event = dict(message(room, text, origin_server_ts=at), signatures={})
        return pdus.sign(event, room.version, remote.name, old)

    before, after = signed_by_old("before", expired - 1000), signed_by_old("after", expired + 1000)
    assert until(lambda: taken(home, remote, room, before) is True)
    assert taken(home, remote, room, after) is not True
    rows = home.sql(f"SELECT ts_valid_until_ms FROM server_signature_keys WHERE server_name = '{remote.name}' AND key_id = 'ed25519:retired'")
    assert rows == [[str(expired)]]


def test_the_server_of_the_event_id_signs_too(home, remote, remotes):
    """In versions 1 and 2, whose ids name a server."""
    _, room = make(home, remote, "2")
    other = remotes()
    event = message(room, "somebody else's id", event_id=f"$other{now()}:{other.name}")
    answer = taken(home, remote, room, event)
    assert answer is not True and "event domain" in answer
    pdus.sign(event, "2", other.name, other.key)
    assert taken(home, remote, room, event) is True


def test_who_authorises_a_join_signs_too(home, remote, remotes):
    """join_authorised_via_users_server names a user whose server has signed (from version 8 on)."""
    alice, room = make(home, remote)
    joiner = remotes()
    event = pdus.build("10", joiner.name, joiner.key, type="m.room.member", state_key=joiner.user("j"), sender=joiner.user("j"),
                       room_id=room.room_id, depth=20, content={"membership": "join", "join_authorised_via_users_server": alice.user_id},
                       prev_events=room.leaves, auth_events=room.auth_events("m.room.member", {"membership": "join"}, joiner.user("j"),
                                                                             joiner.user("j"), room.state))
    answer = taken(home, joiner, room, event)
    assert answer is not True and "authorising server" in answer, answer


def test_what_strangers_say_in_unsigned(home, remote):
    _, room = make(home, remote)
    event = dict(message(room, "of some age"), unsigned={"age": 60_000, "redacted_because": {"type": "m.room.redaction"}, "prev_content": {},
                                                         "replaces_state": "$x", "invite_room_state": [], "age_ts": 5})
    assert taken(home, remote, room, event) is True
    kept = until(lambda: stored(home, pdus.event_id(event, "10")))
    assert set(kept.get("unsigned", {})) == {"age_ts"} and abs(now() - 60_000 - kept["unsigned"]["age_ts"]) < 30_000


def test_many_at_once(home, remote):
    """Fifty, every seventh of them forged: those alone are refused."""
    _, room = make(home, remote)
    events, stranger = [], signedjson.key.generate_signing_key(remote.key.version)
    for i in range(50):
        event = message(room, f"number {i}")
        if i % 7 == 3:
            event = pdus.sign(dict(event, signatures={}), "10", remote.name, stranger)
        else:
            room.add(event)
        events.append(event)
    answer = remote.send(home.name, events)
    wrong = {pdus.event_id(event, "10") for i, event in enumerate(events) if i % 7 == 3}
    assert {name for name, said in answer.items() if said} == wrong
    good = [name for name in answer if name not in wrong]
    names = ",".join(f"'{name}'" for name in answer)
    until(lambda: home.sql(f"SELECT count(*) FROM events WHERE event_id IN ({names})") == [[str(len(good))]])


# ---- trusted key servers ----

NOTARY_QUERY = "/_matrix/key/v2/query"


@pytest.fixture(scope="module")
def trusting(kind, build, folder, postgres, authority):
    """A deployment with a trusted key server, which the tests play; and that."""
    from lib.remote import Remote
    if kind != "monolith":
        pytest.skip("who is asked for keys is no matter of processes")
    notary = Remote(authority)
    public = encode_base64(signedjson.key.get_verify_key(notary.key).encode())
    deployment = deploy("trusting", kind, build, folder, postgres, authority, extra_config={
        "trusted_key_servers": [{"server_name": notary.name, "verify_keys": {notary.key_id: public}}]})
    try:
        deployment.start()
        yield Server(deployment), notary
    finally:
        notary.stop()
        assert deployment.stop(), "a process had to be killed at the end"


def tell(notary, answers, key=None):
    """The notary's answer: what others say of themselves, signed by it."""
    signed = [signedjson.sign.sign_json(answer, notary.name, key or notary.key) for answer in answers]
    notary.on("POST", NOTARY_QUERY, (200, {"server_keys": signed}))


def asked(notary):
    return [entry.body["server_keys"] for entry in notary.asked if entry.path == NOTARY_QUERY]


def of_a_dead_server(home, remote, remotes, room):
    """A member of the room whose server is gone before anybody asked for its keys."""
    dead = remotes()
    dead.down = True
    event = pdus.build("10", dead.name, dead.key, type="m.room.member", state_key=dead.user("d"), sender=dead.user("d"), room_id=room.room_id,
                       depth=20, content={"membership": "join"}, prev_events=room.leaves,
                       auth_events=room.auth_events("m.room.member", {"membership": "join"}, dead.user("d"), dead.user("d"), room.state))
    return dead, event


def test_keys_of_a_dead_server(trusting, remote, remotes):
    home, notary = trusting
    _, room = make(home, remote)
    dead, event = of_a_dead_server(home, remote, remotes, room)
    tell(notary, [dead.server_keys()])
    assert taken(home, remote, room, event) is True
    assert dead.key_id in asked(notary)[-1][dead.name]
    rows = home.sql(f"SELECT from_server FROM server_signature_keys WHERE server_name = '{dead.name}'")
    assert rows == [[notary.name]]


@pytest.mark.parametrize("lie", ["unsigned", "by another key", "not by its server", "of another server", "nothing"])
def test_lies_of_a_key_server(trusting, remote, remotes, lie):
    home, notary = trusting
    _, room = make(home, remote)
    dead, event = of_a_dead_server(home, remote, remotes, room)
    told = dead.server_keys()
    if lie == "unsigned":
        notary.on("POST", NOTARY_QUERY, (200, {"server_keys": [told]}))
    elif lie == "by another key":
        tell(notary, [told], signedjson.key.generate_signing_key(notary.key.version))
    elif lie == "not by its server":
        tell(notary, [{**told, "signatures": {}}])
    elif lie == "of another server":
        tell(notary, [remote.server_keys()])
    else:
        notary.on("POST", NOTARY_QUERY, (200, {}))
    assert taken(home, remote, room, event) is not True
    assert home.sql(f"SELECT count(*) FROM server_keys_json WHERE server_name = '{dead.name}'") == [["0"]]
