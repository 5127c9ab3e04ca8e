"""Accounts that expire: whom it stops, what renews them, the mails before the end. Time passes by aging rows."""

import time

import pytest

from lib.admin import V1, V2, administrator, kill_background, path
from lib.gateway import Gateway, pusher
from lib.rooms import refused
from lib.server import quote, request
from lib.wait import until

CLIENT = "/_matrix/client/v3"
VALIDITY = f"{V1}/account_validity/validity"
DAY = 24 * 3600 * 1000
PERIOD = 42 * DAY


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own, mails):
    """The mail server's own name is nowhere to be found: it is connected to by the other one."""
    extra = {"ip_range_blacklist": [], "account_validity": {"enabled": True, "period": "6w", "renew_at": "1w", "renew_email_subject": "%(app)s: still there?"},
             "email": {"smtp_host": "127.0.0.1", "smtp_port": mails.port, "tlsname": "mail.invalid", "notif_from": "%(app)s <noreply@example.org>", "app_name": "Ganglion"}}
    with own.running("validity", monolith=request.param == "monolith", extra_config=extra) as one:
        one.admin = administrator(one, "registrar")
        yield one


def now():
    return int(time.time() * 1000)


def row(user):
    """When it ends, whether a mail went, the link's token, when that was used."""
    found = user.server.sql(f"SELECT expiration_ts_ms, email_sent, renewal_token, token_used_ts_ms FROM account_validity WHERE user_id = '{user.user_id}'")
    return (int(found[0][0]), found[0][1] == "t", found[0][2], int(found[0][3] or 0)) if found else None


def ends_in(user, ms):
    """By an administrator, whose call tells all processes."""
    return user.server.admin.ok("POST", VALIDITY, {"user_id": user.user_id, "expiration_ts": now() + ms})["expiration_ts"]


def give_address(user):
    address = f"{user.user_id[1:].split(':')[0]}.{user.server.deployment.database}@good.example"
    user.server.admin.ok("PUT", path(V2, "users", user.user_id), {"threepids": [{"medium": "email", "address": address}]})
    return address


def everywhere(server):
    return {server.base_url, server.worker_url("generic_worker1"), server.worker_url("generic_worker2")}


def whoami(user, base=None):
    return user.call("GET", f"{CLIENT}/account/whoami", base=base)


def test_the_end_and_a_new_beginning(server):
    alice = server.register()
    end, mailed, token, used = row(alice)
    assert abs(end - now() - PERIOD) < 60000 and (mailed, token, used) == (False, "", 0)
    for base in everywhere(server):
        assert whoami(alice, base).status == 200
    end = ends_in(alice, -1)
    assert row(alice)[:3] == (end, False, "") and row(alice)[3] > 0
    for base in everywhere(server):
        until(lambda base=base: whoami(alice, base).status == 403)
        assert refused(whoami(alice, base), 403, "ORG_MATRIX_EXPIRED_ACCOUNT")["error"] == "User account has expired"
        refused(alice.call("GET", f"{CLIENT}/sync", base=base), 403, "ORG_MATRIX_EXPIRED_ACCOUNT")
    assert server.login(alice.user_id).call("POST", f"{CLIENT}/logout", {}).status == 200  # in and out, but nothing else
    answer = server.admin.ok("POST", VALIDITY, {"user_id": alice.user_id, "enable_renewal_emails": False})
    assert abs(answer["expiration_ts"] - now() - PERIOD) < 60000
    assert row(alice)[:3] == (answer["expiration_ts"], True, "")
    for base in everywhere(server):
        until(lambda base=base: whoami(alice, base).status == 200)


def test_the_link(server, mails):
    bob = server.register()
    send, renew = "/_matrix/client/unstable/account_validity/send_mail", "/_matrix/client/unstable/account_validity/renew"
    ends_in(bob, -1)
    assert bob.ok("POST", send, {}) == {} and row(bob)[2] == ""  # no address: nothing happens
    address = give_address(bob)
    assert bob.ok("POST", send, {}) == {}  # although it has expired
    mail = mails.wait_for(address)
    assert mail.message["Subject"] == "Ganglion: still there?" and str(mail.message["From"]) == "Ganglion <noreply@example.org>"
    day = time.strftime("%d-%m-%Y", time.localtime(row(bob)[0] / 1000))
    assert day in mail.text and day in mail.html and mail.link() in mail.html
    token = row(bob)[2]
    assert mail.link().endswith(f"{renew}?token={token}")
    assert row(bob)[1] and len(token) == 32
    refused(request("GET", server.base_url + renew), 400, "M_MISSING_PARAM")
    for wrong in ("", "nope", token[:-1], "x" * 5000):
        answer = request("GET", f"{server.base_url}{renew}?token={wrong}")
        assert answer.status == 404 and b"not known" in answer.text, wrong
    for no_text in ("%00", "%ff"):
        refused(request("GET", f"{server.base_url}{renew}?token={no_text}"), 400, "M_INVALID_PARAM")
    base = server.worker_url("generic_worker1")
    assert whoami(bob, base).status == 403
    first = request("GET", f"{base}{renew}?token={token}")
    assert first.status == 200 and first.headers["Content-Type"].startswith("text/html") and b"is renewed" in first.text
    end, mailed, kept, used = row(bob)
    assert abs(end - now() - PERIOD) < 60000 and (mailed, kept) == (False, token) and used > 0
    again = request("GET", f"{server.base_url}{renew}?token={token}")
    assert again.status == 200 and b"was renewed before" in again.text and row(bob) == (end, mailed, kept, used)
    for base in everywhere(server):
        until(lambda base=base: whoami(bob, base).status == 200)
    assert bob.ok("POST", send, {}) == {} and row(bob)[2] != token  # another one, which makes the old one void
    assert request("GET", f"{server.base_url}{renew}?token={token}").status == 404


def test_in_the_background(server, mails):
    """Who has no date gets one; who is about to end is mailed once, whoever else cannot be mailed."""
    soon, gone, far, told, nowhere, broken, new = (server.register() for _ in range(7))
    addresses = {user: give_address(user) for user in (soon, gone, far, told)}
    server.admin.ok("PUT", path(V2, "users", broken.user_id), {"threepids": [{"medium": "email", "address": f"x{server.deployment.database}@refused.example"}]})
    for user, ms in ((soon, 6 * DAY), (gone, -DAY), (far, 8 * DAY), (told, 6 * DAY), (nowhere, DAY), (broken, DAY)):
        ends_in(user, ms)
    server.sql(f"UPDATE account_validity SET email_sent = true WHERE user_id = '{told.user_id}'")
    server.sql(f"DELETE FROM account_validity WHERE user_id = '{new.user_id}'")
    assert whoami(new).status == 200
    kill_background(server)
    for user in (soon, gone):
        mail = mails.wait_for(addresses[user])
        until(lambda user=user: row(user)[1])
        assert row(user)[2] in mail.link()
    end = until(lambda: row(new))[0]
    assert -DAY / 24 < now() + PERIOD - end < PERIOD / 10 + DAY / 24
    assert not mails.to(addresses[far]) and not mails.to(addresses[told]) and row(far)[2] == ""
    assert (row(nowhere)[1], row(broken)[1]) == (False, False)
    assert [len(mails.to(addresses[user])) for user in (soon, gone)] == [1, 1]


def test_no_notifications_after_the_end(server):
    gateway = Gateway()
    try:
        alice, bob = server.register(), server.register()
        room = alice.create_room(preset="private_chat", is_direct=True, invite=[bob.user_id])
        bob.join(room)
        alice.ok("POST", f"{CLIENT}/pushers/set", pusher(gateway))
        gateway.wait(bob.send(room, "in time"))
        ends_in(alice, -1)
        for base in everywhere(server):
            until(lambda base=base: whoami(alice, base).status == 403)
        late = bob.send(room, "too late")
        until(lambda: server.sql(f"SELECT count(*) FROM event_push_actions WHERE event_id = '{late}'") == [["1"]])
        ends_in(alice, DAY)
        for base in everywhere(server):
            until(lambda base=base: whoami(alice, base).status == 200)
        gateway.wait(bob.send(room, "renewed"))
        assert len(gateway.got) == 3 and late in gateway.events()  # what waited comes with what is new
    finally:
        gateway.stop()


def test_administrators(server):
    admin, carol = server.admin, server.register()
    refused(carol.call("POST", VALIDITY, {"user_id": carol.user_id}), 403, "M_FORBIDDEN")
    before = row(carol)
    refused(admin.call("POST", VALIDITY, {}), 400, "M_UNKNOWN")
    for body in ({"user_id": 5}, {"user_id": "a\0b"}, {"user_id": carol.user_id, "expiration_ts": "x"}, {"user_id": carol.user_id, "expiration_ts": 5.5},
                 {"user_id": carol.user_id, "expiration_ts": -1}, {"user_id": carol.user_id, "expiration_ts": 2 ** 70}):
        assert admin.call("POST", VALIDITY, body).status == 400, body
    refused(admin.call("POST", VALIDITY, {"user_id": carol.user_id, "enable_renewal_emails": "x"}), 400, "M_BAD_JSON")
    assert row(carol) == before
    assert "expiration_ts" in admin.ok("POST", VALIDITY, {"user_id": "@nobody:elsewhere"})  # as Synapse answers
    assert server.sql("SELECT count(*) FROM account_validity WHERE user_id = '@nobody:elsewhere'") == [["0"]]
    admin.ok("POST", f"{V1}/deactivate/{quote(carol.user_id)}", {})
    assert row(carol) is None
