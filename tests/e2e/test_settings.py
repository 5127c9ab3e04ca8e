"""Settings that no other deployment has: invites that are accepted without asking, the rate of moderators, group calls, / for browsers,
whose address is noted when an administrator acts for a user, logins that another system vouches for, pictures that only administrators
set, names of which nothing is told."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.parse

import pytest

from lib import appservice
from lib.admin import V1, administrator, path
from lib.rooms import CLIENT, membership, refused, room_path
from lib.server import User, quote, request
from lib.wait import until

LIVEKIT = {"type": "livekit", "livekit_service_url": "https://calls.example", "more": [1, True]}


@pytest.fixture(scope="module", params=["monolith", "split"])
def server(request, own, folder):
    bot = appservice.registration("bot", users=[("@bot_.*", True)], rate_limited=False)
    invites = {"enabled": True, "only_for_direct_messages": True, "only_from_local_users": True}
    if request.param == "split":
        invites["worker_to_run_on"] = "generic_worker2"
    extra = {"auto_accept_invites": invites, "rc_admin_redaction": {"per_second": 0.0001, "burst_count": 2},
             "experimental_features": {"msc4143_enabled": True}, "matrix_rtc": {"transports": [LIVEKIT]},
             "enable_set_avatar_url": False, "inhibit_user_in_use_error": True,
             "app_service_config_files": appservice.write(os.path.join(folder, f"settings-{request.param}"), [bot]),
             "redaction_allowed_period": "1d", "dont_notify_new_devices_for": ["@quiet:localhost"], "enable_metrics": True, "metrics_flags": {"known_servers": True},
             "web_client_location": "https://app.example/", "track_puppeted_user_ips": True,
             "jwt_config": {"enabled": True, "secret": "a secret", "algorithm": "HS256", "issuer": "them", "audiences": ["us"], "display_name_claim": "name"}}
    deployment = own.make("settings", monolith=request.param == "monolith", extra_config=extra)
    for process in [deployment.main, *deployment.workers]:
        process.listener_names.append("metrics")
    with own.run(deployment) as one:
        one.admin = administrator(one, "root")
        one.bot = appservice.Service(one, bot)
        yield one


def direct(user):
    answer = user.call("GET", f"{CLIENT}/user/{quote(user.user_id)}/account_data/m.direct")
    return answer.json if answer.status == 200 else None


def test_invites_are_accepted(server):
    alice, bob, carol = server.register(), server.register(), server.register()
    asked = alice.create_room(preset="private_chat", invite=[bob.user_id])
    chat = alice.create_room(preset="trusted_private_chat", is_direct=True, invite=[bob.user_id])
    until(lambda: membership(alice, chat, bob) == "join")
    until(lambda: direct(bob) == {alice.user_id: [chat]})
    bob.ok("PUT", f"{CLIENT}/user/{quote(bob.user_id)}/account_data/m.direct", {alice.user_id: [chat], carol.user_id: "junk"})
    second = alice.create_room(preset="private_chat", is_direct=True, invite=[bob.user_id])
    third = carol.create_room(preset="private_chat", is_direct=True, invite=[bob.user_id])
    until(lambda: direct(bob) == {alice.user_id: [chat, second], carol.user_id: [third]})
    assert membership(alice, asked, bob) == "invite" and direct(alice) is None  # that is no direct chat
    alice.ok("POST", room_path(second, "kick"), {"user_id": bob.user_id})
    alice.invite(second, bob)  # without is_direct
    fourth = alice.create_room(preset="private_chat", is_direct=True, invite=[carol.user_id])
    until(lambda: membership(alice, fourth, carol) == "join")
    assert membership(alice, second, bob) == "invite"


def test_moderators_have_a_rate_of_their_own(server):
    alice, bob = server.register(), server.register()
    room = alice.create_room(preset="public_chat")
    bob.join(room)
    theirs, own = [bob.send(room, f"spam {i}") for i in range(4)], [alice.send(room, f"mine {i}") for i in range(4)]

    def redact(event_id):
        return alice.call("PUT", room_path(room, "redact", event_id, "r" + event_id[1:8]), {}, base=server.worker_url("generic_worker1"))

    assert [redact(event_id).status for event_id in own[:3] + theirs[:2] + own[3:]] == [200] * 6
    assert refused(redact(theirs[2]), 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 60000
    alice.send(room, "talking goes on")


def test_old_messages_stay(server):
    ghost, at = server.bot.ghost("bot_old"), int((time.time() - 90000) * 1000)
    room = ghost.create_room()

    def send(kind, content, **query):
        return ghost.ok("PUT", room_path(room, "send", kind, f"t{len(sent)}"), content, **query)["event_id"]

    sent = []
    text = {"msgtype": "m.text", "body": "x"}
    sent.append(send("m.room.message", text, ts=at))
    sent.append(send("m.room.message", {**text, "m.new_content": text, "m.relates_to": {"rel_type": "m.replace", "event_id": sent[0]}}))
    sent.append(send("org.example.kind", {}, ts=at))
    sent.append(send("m.room.message", text))

    def redact(event_id):
        return ghost.call("PUT", room_path(room, "redact", event_id, "r" + event_id[1:8]), {}, base=server.worker_url("generic_worker1"))

    for event_id in sent[:2]:
        assert refused(redact(event_id), 403, "M_FORBIDDEN")["error"] == "Events older than 86400000ms cannot be redacted."
    assert [redact(event_id).status for event_id in sent[2:]] == [200, 200]


def test_new_devices_that_nobody_is_told_of(server):
    loud, quiet = server.register(), server.register("quiet")
    for user in (loud, quiet):
        server.login(user.user_id)

    def told(user):
        return {row[0] for row in server.sql(f"SELECT device_id FROM device_lists_stream WHERE user_id = '{user.user_id}'")}

    until(lambda: len(told(loud)) == 2)
    assert told(quiet) == set()


def test_servers_are_counted(server):
    where = server.background() or server.deployment.main
    url = f"http://127.0.0.1:{where.port}/_synapse/metrics"
    until(lambda: b"\nsynapse_federation_known_servers 1" in request("GET", url).text)


def test_transports_of_calls(server):
    alice = server.register()
    url = "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"
    for base in (server.base_url, server.worker_url("generic_worker1")):
        assert alice.ok("GET", url, base=base) == {"rtc_transports": [LIVEKIT]}
    refused(request("GET", server.base_url + url), 401, "M_MISSING_TOKEN")


def test_browsers_are_sent_to_the_client(server):
    main = http.client.HTTPConnection("127.0.0.1", server.deployment.main.port, timeout=20)
    main.request("GET", "/")
    answer = main.getresponse()
    assert (answer.status, answer.getheader("Location")) == (302, "https://app.example/")
    main.close()
    if server.deployment.workers:
        where = urllib.parse.urlsplit(server.worker_url("generic_worker1"))
        worker = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
        worker.request("GET", "/")
        assert worker.getresponse().status == 404
        worker.close()


def test_what_users_may_not_set(server):
    user = server.register("pictureless")
    where = f"{CLIENT}/profile/{quote(user.user_id)}"
    told = user.ok("GET", f"{CLIENT}/capabilities")["capabilities"]
    assert told["m.profile_fields"] == {"enabled": True, "disallowed": ["avatar_url"]} and told["m.set_avatar_url"] == {"enabled": False}
    refused(user.call("PUT", f"{where}/avatar_url", {"avatar_url": "mxc://a/b"}), 403, "M_FORBIDDEN")
    user.ok("PUT", f"{where}/displayname", {"displayname": "Nobody"})
    server.admin.ok("PUT", f"{where}/avatar_url", {"avatar_url": "mxc://a/b"})


def test_nothing_is_told_of_names(server):
    for name in ("pictureless", "root", "_under", "free"):
        answer = request("GET", f"{server.base_url}{CLIENT}/register/available?username={name}")
        assert (answer.status, answer.json) == (200, {"available": True}), name


def test_who_acts_for_a_user_is_seen(server):
    bob = server.register()
    token = server.admin.ok("POST", path(V1, "users", bob.user_id, "login"), {})["access_token"]
    acting = User(server, bob.user_id, token, None)
    assert acting.ok("GET", f"{CLIENT}/account/whoami", base=server.worker_url("generic_worker1"))["user_id"] == bob.user_id
    until(lambda: sorted(server.sql(f"SELECT user_id, device_id FROM user_ips WHERE access_token = '{token}'")) ==
          sorted([[bob.user_id, ""], [server.admin.user_id, ""]]), 30)


def token(claims, key=b"a secret", algorithm="HS256"):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + b"." + part(json.dumps({"iss": "them", "aud": "us", **claims}).encode())
    return (text + b"." + part(hmac.new(key, text, hashlib.sha256).digest())).decode()


def vouched(server, value, base=None):
    return request("POST", (base or server.base_url) + f"{CLIENT}/login", {"type": "org.matrix.login.jwt", "token": value})


def test_others_vouch_for_users(server):
    """As Synapse does with such tokens: registers who is new, refuses with 403 what is not right."""
    assert {"type": "org.matrix.login.jwt"} in request("GET", f"{server.base_url}{CLIENT}/login").json["flows"]
    base = server.worker_url("generic_worker1")
    first = vouched(server, token({"sub": "jane", "name": "Jane Doe", "exp": int(time.time()) + 600}), base)
    assert first.status == 200 and first.json["user_id"] == f"@jane:{server.name}", first
    jane = User(server, first.json["user_id"], first.json["access_token"], first.json["device_id"])
    assert jane.ok("GET", f"{CLIENT}/profile/{quote(jane.user_id)}/displayname") == {"displayname": "Jane Doe"}
    until(lambda: vouched(server, token({"sub": "JANE"})).json.get("user_id") == jane.user_id)
    for wrong in (token({"sub": "jane"}, key=b"x"), token({"sub": "jane", "exp": 1}), token({"sub": "jane", "nbf": 2 ** 33}), token({"sub": "jane", "iss": "me"}),
                  token({"sub": "jane", "aud": ["you"]}), token({"sub": "jane"}, algorithm="none"), token({"sub": "jane"}, algorithm="HS512"), token({}),
                  token({"sub": 5}), "x.y.z", "", None, 5):
        refused(vouched(server, wrong), 403, "M_FORBIDDEN")
    refused(vouched(server, token({"sub": "a b"})), 400, "M_INVALID_USERNAME")
    server.admin.ok("POST", f"{V1}/deactivate/{quote(jane.user_id)}", {})
    until(lambda: vouched(server, token({"sub": "jane"})).status == 403)
