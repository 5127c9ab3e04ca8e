"""What clients and administrators ask about accounts, devices, keys, push, account data and media, rightly and wrongly: a real
Synapse and Ganglion with equal settings are asked the same, and say the same but for what stands in OURS."""

import json

import pytest

from deployment.deployment import Deployment
from lib.admin import administrator
from lib.asked import alike, summary
from lib.mixed import Mixed
from lib.own import Own
from lib.server import Server, request

SETTINGS = {"allow_guest_access": True, "refreshable_access_token_lifetime": "5m", "server_notices": {"system_mxid_localpart": "notices"},
            "login_via_existing_session": {"enabled": True}, "url_preview_enabled": False,
            "rc_reports": {"per_second": 10000, "burst_count": 10000}}

# Who asks (- nobody), the method, the path below /_matrix/client/v3 unless it begins with /_, and the body if there is one.
# <name> stands for what the server has made. All of it is asked in this order: what is asked first is there later. Nothing is asked
# whose answer changes with time: who was seen when is written a while later.
ASKED = """
- GET /login
- GET /register/available
- GET /register/available?username=alice
- GET /register/available?username=notices
- GET /register/available?username=%C3%BC
- GET /register/available?username=%FF
- GET /register/available?username=fresh
- POST /register {}
- POST /register {"username": "fresh", "password": "a good password"}
- POST /register {"username": "", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "_under", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "with space", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "12345", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "alice", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "notices", "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": ["fresh"], "password": "a good password", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "fresh", "password": "", "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "fresh", "password": 5, "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "fresh", "password": "a good password", "auth": {}}
- POST /register {"username": "fresh", "password": "a good password", "auth": "x"}
- POST /register {"username": "fresh", "password": "a good password", "auth": {"type": 5}}
- POST /register {"username": "fresh", "password": "a good password", "auth": {"type": "m.login.dummy", "session": 5}}
- POST /register {"username": "fresh", "password": "a good password", "auth": {"type": "m.login.dummy", "session": "nosuch"}}
- POST /register {"username": "fresh", "password": "a good password", "device_id": "A", "refresh_token": true, "auth": {"type": "m.login.dummy"}}
- POST /register {"username": "quiet", "password": "a good password", "inhibit_login": true, "auth": {"type": "m.login.dummy"}}
- POST /register?kind=guest {}
- POST /register?kind=nosuch {}
- POST /register {"type": "m.login.application_service", "username": "x"}
alice POST /register {"type": "m.login.application_service", "username": "x"}
- GET /_matrix/client/v1/register/m.login.registration_token/validity
- GET /_matrix/client/v1/register/m.login.registration_token/validity?token=x
- POST /login {}
- POST /login {"type": 5}
- POST /login {"type": "m.login.nosuch"}
- POST /login {"type": "m.login.password", "password": "a good password"}
- POST /login {"type": "m.login.password", "user": "alice", "password": "wrong"}
- POST /login {"type": "m.login.password", "user": "alice", "password": 5}
- POST /login {"type": "m.login.password", "user": "alice", "password": "a good password", "device_id": 5}
- POST /login {"type": "m.login.password", "user": "alice", "password": "a good password", "device_id": "B"}
- POST /login {"type": "m.login.password", "user": "@alice:elsewhere", "password": "a good password"}
- POST /login {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "nobody"}, "password": "a good password"}
- POST /login {"type": "m.login.password", "identifier": {"type": "m.id.thirdparty", "medium": "email", "address": "a@b.example"}, "password": "x"}
- POST /login {"type": "m.login.token"}
- POST /login {"type": "m.login.token", "token": "x"}
- POST /refresh {}
- POST /refresh {"refresh_token": 5}
- POST /refresh {"refresh_token": "x"}
- POST /tokenrefresh {}
- GET /account/whoami
nonsense GET /account/whoami
alice GET /account/whoami
alice GET /account/whoami?access_token=x
alice GET /capabilities
alice GET /password_policy
alice GET /voip/turnServer
alice GET /thirdparty/protocols
alice GET /thirdparty/protocol/nosuch
- GET /_matrix/client/nosuch
- GET /_synapse/admin/nosuch
- PATCH /login {}
alice POST /account/password {"new_password": 5}
alice POST /account/password {"new_password": "another good one", "logout_devices": "x"}
alice POST /account/password {"new_password": "another good one", "auth": {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "wrong"}}
alice POST /account/password {"new_password": "another good one"}
alice POST /account/deactivate {"erase": "x"}
alice POST /account/deactivate {}
alice POST /account/3pid/add {"sid": 5, "client_secret": "x"}
alice POST /account/3pid/add {}
alice POST /account/3pid/delete {"medium": "pigeon", "address": "x"}
alice POST /account/3pid/delete {"medium": "email", "address": "a@b.example"}
alice POST /account/3pid/unbind {"medium": "email", "address": "a@b.example"}
alice POST /account/3pid/bind {"sid": "x", "client_secret": "y"}
- POST /account/3pid/email/requestToken {"client_secret": "x", "email": "a@b.example", "send_attempt": 1}
- POST /account/3pid/msisdn/requestToken {"client_secret": "x", "country": "GB", "phone_number": "07700900000", "send_attempt": 1}
- POST /register/email/requestToken {"client_secret": "x", "email": "a@b.example", "send_attempt": 1}
- POST /account/password/email/requestToken {"client_secret": "x", "email": "a@b.example", "send_attempt": 1}
bob POST /_matrix/client/v1/login/get_token {}
bob POST /user/@bob:localhost/openid/request_token {}
bob POST /user/@alice:localhost/openid/request_token {}
bob POST /user/nonsense/openid/request_token {}
alice PUT /profile/@alice:localhost/displayname {}
alice PUT /profile/@alice:localhost/displayname {"displayname": 5}
alice PUT /profile/@alice:localhost/displayname {"displayname": "Alice"}
alice PUT /profile/nonsense/displayname {"displayname": "Alice"}
alice PUT /profile/@alice:localhost/m.tz {"m.tz": "Europe/Berlin"}
alice PUT /profile/@alice:localhost/m.tz {"other": 1}
alice PUT /profile/@alice:localhost/No {"No": 1}
- GET /profile/@alice:localhost
- GET /profile/@alice:localhost/m.tz
- GET /profile/@alice:localhost/nosuch
- GET /profile/@alice:localhost/No
- GET /profile/nonsense
alice DELETE /profile/@alice:localhost/m.tz
alice PUT /presence/@alice:localhost/status {"presence": "nosuch"}
alice PUT /presence/@alice:localhost/status {"presence": "online", "status_msg": 5}
alice PUT /presence/@alice:localhost/status {"presence": "online", "status_msg": "here"}
alice GET /presence/@nobody:localhost/status
alice GET /devices
alice GET /devices/NOSUCH
alice PUT /devices/NOSUCH {"display_name": "x"}
alice PUT /devices/B {"display_name": 5}
alice PUT /devices/B {"display_name": "the second one"}
alice DELETE /devices/B {}
alice DELETE /devices/B {"auth": {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "wrong"}}
alice DELETE /devices/B {"auth": {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": "alice"}, "password": "a good password"}}
alice POST /delete_devices {}
alice POST /delete_devices {"devices": "x"}
alice POST /keys/upload {"device_keys": 5}
alice POST /keys/upload {"one_time_keys": {"x": "y"}}
alice POST /keys/upload {"one_time_keys": {"signed_curve25519:A": {"key": "k", "signatures": {"@alice:localhost": {"ed25519:A": "s"}}}}}
alice POST /keys/upload {"one_time_keys": {"signed_curve25519:A": {"key": "other", "signatures": {"@alice:localhost": {"ed25519:A": "s"}}}}}
alice POST /keys/upload {}
bob POST /keys/query {}
bob POST /keys/query {"device_keys": {"@alice:localhost": "x"}}
bob POST /keys/query {"device_keys": {"@alice:localhost": [], "@nobody:localhost": []}}
bob POST /keys/query?timeout=-1 {"device_keys": {}}
bob POST /keys/claim {"one_time_keys": {"@alice:localhost": {"NOSUCH": "signed_curve25519"}}}
bob POST /keys/claim {"one_time_keys": 5}
bob GET /keys/changes
bob GET /keys/changes?from=x&to=y
bob POST /keys/device_signing/upload {}
bob POST /keys/device_signing/upload {"master_key": 5}
bob POST /keys/signatures/upload {"@bob:localhost": {"X": {}}}
alice GET /room_keys/version
alice POST /room_keys/version {}
alice POST /room_keys/version {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "abc"}}
alice GET /room_keys/version
alice GET /room_keys/version/x
alice PUT /room_keys/version/1 {"algorithm": "other", "auth_data": {}}
alice PUT /room_keys/keys/!r:localhost/s?version=1 {"first_message_index": 1, "forwarded_count": 0, "is_verified": false, "session_data": {"a": "b"}}
alice PUT /room_keys/keys/!r:localhost/s?version=1 {"first_message_index": 1}
alice PUT /room_keys/keys/!r:localhost/s {"first_message_index": 1, "forwarded_count": 0, "is_verified": false, "session_data": {"a": "b"}}
alice GET /room_keys/keys/!r:localhost/s?version=1
alice GET /room_keys/keys/!r:localhost/nosuch?version=1
alice GET /room_keys/keys?version=1
alice GET /room_keys/keys
alice DELETE /room_keys/keys?version=1
alice DELETE /room_keys/version/1
alice DELETE /room_keys/version/1
alice PUT /sendToDevice/m.x/t1 {}
alice PUT /sendToDevice/m.x/t2 {"messages": 5}
alice PUT /sendToDevice/m.x/t3 {"messages": {"@bob:localhost": {"*": {"a": 1}}}}
alice GET /pushrules/
alice GET /pushrules
alice GET /pushrules/device/
alice GET /pushrules/global/nosuch/
alice GET /pushrules/global/override/.m.rule.master
alice GET /pushrules/global/override/nosuch
alice GET /pushrules/global/override/.m.rule.master/nosuch
alice PUT /pushrules/global/override/mine {"actions": ["nosuch"], "conditions": []}
alice PUT /pushrules/global/override/mine {"actions": ["notify"], "conditions": [{"kind": "event_match", "key": "type", "pattern": "m.x"}]}
alice PUT /pushrules/global/override/.mine {"actions": ["notify"], "conditions": []}
alice PUT /pushrules/global/override/other?before=nosuch {"actions": ["notify"], "conditions": []}
alice PUT /pushrules/global/content/mine {"actions": ["notify"]}
alice PUT /pushrules/global/override/mine/enabled {"enabled": 5}
alice PUT /pushrules/global/override/mine/enabled {"enabled": false}
alice PUT /pushrules/global/override/mine/actions {"actions": [5]}
alice GET /pushrules/global/override/mine
alice DELETE /pushrules/global/override/mine
alice DELETE /pushrules/global/override/mine
alice POST /pushers/set {}
alice POST /pushers/set {"app_id": "a", "pushkey": "k", "kind": "http", "app_display_name": "n", "device_display_name": "d", "lang": "en", "data": {"url": "https://push.example/other"}}
alice POST /pushers/set {"app_id": "a", "pushkey": "k", "kind": "http", "app_display_name": "n", "device_display_name": "d", "lang": "en", "data": {"url": "https://push.example/_matrix/push/v1/notify"}}
alice GET /pushers
alice POST /pushers/set {"app_id": "a", "pushkey": "k", "kind": null}
alice GET /notifications?limit=x
alice GET /notifications
alice PUT /user/@alice:localhost/account_data/m.push_rules {}
alice PUT /user/@alice:localhost/account_data/m.ignored_user_list {"ignored_users": {"@alice:localhost": {}}}
alice PUT /user/@alice:localhost/account_data/m.ignored_user_list {"ignored_users": {"@bob:localhost": {}}}
alice PUT /user/@bob:localhost/account_data/m.x {}
alice PUT /user/@alice:localhost/account_data/m.x []
alice PUT /user/@alice:localhost/account_data/m.x {"a": 1}
alice GET /user/@alice:localhost/account_data/m.x
alice GET /user/@alice:localhost/account_data/m.nosuch
alice GET /user/@alice:localhost/account_data/m.push_rules
alice GET /user/@alice:localhost/rooms/nonsense/account_data/m.x
alice PUT /user/@alice:localhost/rooms/<room>/account_data/m.fully_read {}
alice PUT /user/@alice:localhost/rooms/<room>/tags/u.x {"order": 0.5}
alice GET /user/@alice:localhost/rooms/<room>/tags
alice PUT /user/@alice:localhost/rooms/!nosuch:localhost/tags/u.x {"order": 0.5}
alice POST /user/@alice:localhost/filter {"room": {"timeline": {"limit": 5, "related_by_senders": ["@bob:localhost"]}}}
alice POST /user/@bob:localhost/filter {}
alice GET /user/@alice:localhost/filter/99
alice POST /user_directory/search {}
alice POST /user_directory/search {"search_term": "nosuchatall"}
alice GET /_matrix/client/v1/mutual_rooms
alice GET /_matrix/client/v1/mutual_rooms?user_id=@alice:localhost
alice POST /rooms/<room>/report/<event> {"score": "x"}
alice POST /rooms/<room>/report/<event> {"reason": "bad", "score": -100}
alice POST /rooms/!nosuch:localhost/report {"reason": "bad"}
alice POST /users/@bob:localhost/report {}
alice POST /users/@bob:localhost/report {"reason": "bad"}
- GET /_matrix/media/v3/config
alice GET /_matrix/media/v3/config
alice POST /_matrix/media/v1/create
alice POST /_matrix/media/v3/upload?filename=%FF x
alice GET /_matrix/client/v1/media/download/localhost/nosuch
alice GET /_matrix/client/v1/media/download/localhost/nosuch?timeout_ms=x
alice GET /_matrix/client/v1/media/thumbnail/localhost/nosuch?width=32
- GET /_matrix/client/v1/media/download/localhost/nosuch
- GET /_matrix/media/v3/download/localhost/nosuch
alice GET /_synapse/admin/v2/users
- GET /_synapse/admin/v2/users
boss GET /_synapse/admin/v2/users
boss GET /_synapse/admin/v2/users?limit=-1
boss GET /_synapse/admin/v2/users?limit=x
boss GET /_synapse/admin/v2/users?order_by=nosuch
boss GET /_synapse/admin/v2/users?dir=x
boss GET /_synapse/admin/v2/users?name=%FF
boss GET /_synapse/admin/v3/users?deactivated=x
boss GET /_synapse/admin/v3/users?name=alice&guests=false&admins=false&locked=true
boss GET /_synapse/admin/v2/users/@quiet:localhost
boss GET /_synapse/admin/v2/users/@nobody:localhost
boss GET /_synapse/admin/v2/users/@alice:elsewhere
boss PUT /_synapse/admin/v2/users/@made:localhost {"admin": "x"}
boss PUT /_synapse/admin/v2/users/@made:localhost {"deactivated": true, "locked": true}
boss PUT /_synapse/admin/v2/users/@halfmade:localhost {"password": "a good password", "threepids": [{"medium": "", "address": "x"}]}
boss PUT /_synapse/admin/v2/users/@made:localhost {"password": "a good password", "threepids": [{"medium": "email", "address": "Made@Example.org"}]}
boss PUT /_synapse/admin/v2/users/@made:localhost {"displayname": "Made"}
boss PUT /_synapse/admin/v1/users/@boss:localhost/admin {"admin": false}
boss POST /_synapse/admin/v1/users/@nobody:localhost/login {}
boss POST /_synapse/admin/v1/users/@boss:localhost/login {}
boss POST /_synapse/admin/v1/users/@alice:localhost/login {"valid_until_ms": "x"}
boss POST /_synapse/admin/v1/users/@alice:localhost/login {}
boss POST /_synapse/admin/v1/users/@nobody:localhost/shadow_ban {}
boss POST /_synapse/admin/v1/reset_password/@made:localhost {}
boss POST /_synapse/admin/v1/reset_password/@nobody:localhost {"new_password": "a good password"}
boss POST /_synapse/admin/v1/users/@alice:localhost/override_ratelimit {"messages_per_second": -1}
boss POST /_synapse/admin/v1/users/@alice:localhost/override_ratelimit {"messages_per_second": 0, "burst_count": 0}
boss PUT /_synapse/admin/v1/suspend/@made:localhost {"suspend": "x"}
boss PUT /_synapse/admin/v1/suspend/@made:localhost {"suspend": true}
boss PUT /_synapse/admin/v1/experimental_features/@made:localhost {"features": {"nosuch": true}}
boss GET /_synapse/admin/v2/users/@made:localhost/devices
boss POST /_synapse/admin/v2/users/@made:localhost/devices {"device_id": "C"}
boss GET /_synapse/admin/v2/users/@made:localhost/devices/C
boss GET /_synapse/admin/v2/users/@made:localhost/devices/NOSUCH
boss GET /_synapse/admin/v1/rooms
boss GET /_synapse/admin/v1/rooms?search_term=
boss GET /_synapse/admin/v1/rooms?search_term=%FF
boss GET /_synapse/admin/v1/rooms?order_by=nosuch
boss GET /_synapse/admin/v1/rooms/<room>
boss GET /_synapse/admin/v1/rooms/!nosuch:localhost
boss GET /_synapse/admin/v1/rooms/<room>/members
boss GET /_synapse/admin/v1/rooms/<room>/state?type=m.room.name
boss GET /_synapse/admin/v1/rooms/<room>/block
boss PUT /_synapse/admin/v1/rooms/<room>/block {"block": "x"}
boss GET /_synapse/admin/v1/rooms/<room>/forward_extremities
boss GET /_synapse/admin/v1/rooms/<room>/context/<event>
boss GET /_synapse/admin/v1/rooms/<room>/messages?dir=b&limit=1
boss GET /_synapse/admin/v1/fetch_event/<event>
boss GET /_synapse/admin/v1/fetch_event/$nosuch
boss POST /_synapse/admin/v1/join/<room> {}
boss POST /_synapse/admin/v1/rooms/<room>/make_room_admin {"user_id": "@alice:elsewhere"}
boss POST /_synapse/admin/v1/purge_history/<room> {}
boss GET /_synapse/admin/v1/purge_history_status/nosuch
boss GET /_synapse/admin/v2/rooms/delete_status/nosuch
boss DELETE /_synapse/admin/v1/rooms/nonsense {}
boss DELETE /_synapse/admin/v2/rooms/<room> {"block": "x"}
boss GET /_synapse/admin/v1/event_reports
boss GET /_synapse/admin/v1/event_reports/1
boss GET /_synapse/admin/v1/event_reports/x
boss DELETE /_synapse/admin/v1/event_reports/99
boss GET /_synapse/admin/v1/user_reports
boss POST /_synapse/admin/v1/registration_tokens/new {"token": "not good"}
boss POST /_synapse/admin/v1/registration_tokens/new {"token": "good", "uses_allowed": 1}
boss POST /_synapse/admin/v1/registration_tokens/new {"token": "good"}
boss PUT /_synapse/admin/v1/registration_tokens/good {"uses_allowed": -1}
boss GET /_synapse/admin/v1/registration_tokens/good
boss GET /_synapse/admin/v1/registration_tokens
boss DELETE /_synapse/admin/v1/registration_tokens/good
boss DELETE /_synapse/admin/v1/registration_tokens/good
boss GET /_synapse/admin/v1/federation/destinations
boss GET /_synapse/admin/v1/federation/destinations/nosuch.example
boss GET /_synapse/admin/v1/background_updates/status
boss POST /_synapse/admin/v1/background_updates/start_job {"job_name": "nosuch"}
boss POST /_synapse/admin/v1/send_server_notice {"user_id": "@nobody:localhost", "content": {"msgtype": "m.text", "body": "x"}}
boss POST /_synapse/admin/v1/send_server_notice {"user_id": "@bob:localhost", "content": {"msgtype": "m.text", "body": "x"}}
boss GET /_synapse/admin/v1/statistics/users/media?order_by=nosuch
boss GET /_synapse/admin/v1/statistics/users/media
boss GET /_synapse/admin/v1/users/@alice:localhost/sent_invite_count?from_ts=-1
boss GET /_synapse/admin/v1/whois/@alice:localhost
boss GET /_synapse/admin/v1/username_available?username=alice
boss GET /_synapse/admin/v1/media/localhost/nosuch
boss POST /_synapse/admin/v1/media/quarantine/localhost/nosuch {}
boss POST /_synapse/admin/v1/media/delete
boss POST /_synapse/admin/v1/user/@alice:localhost/redact {"rooms": "x"}
boss POST /_synapse/admin/v1/deactivate/@made:localhost {"erase": "x"}
boss POST /_synapse/admin/v1/deactivate/@made:localhost {"erase": true}
- POST /_synapse/admin/v1/register {"nonce": "nosuch", "username": "x", "password": "y", "mac": "z"}
alice POST /logout []
alice GET /account/whoami
"""

# Where the specification has another word for it, or Synapse's is beside the point.
OURS = {
    '- POST /login {"type": "m.login.nosuch"}': (400, "M_UNKNOWN"),
    "alice POST /account/3pid/add {}": (400, "M_MISSING_PARAM"),
    'alice POST /account/3pid/bind {"sid": "x", "client_secret": "y"}': (400, "M_MISSING_PARAM"),
    'alice POST /pushers/set {"app_id": "a", "pushkey": "k", "kind": "http", "app_display_name": "n", "device_display_name": "d", "lang": "en", '
    '"data": {"url": "https://push.example/other"}}': (400, "M_INVALID_PARAM"),
}


class Asker:
    """One server, the users that ask it, and what it has made."""

    def __init__(self, deployment):
        server = Server(deployment)
        alice, bob, boss = server.register("alice", device_id="A"), server.register("bob", device_id="A"), administrator(server, "boss")
        room = alice.create_room(preset="public_chat", name="tea")
        self.server, self.made = server, {"<room>": room, "<event>": alice.send(room, "x")}
        self.tokens = {"alice": alice.token, "bob": bob.token, "boss": boss.token}

    def ask(self, line):
        who, method, path, *body = line.split(" ", 3)
        for name, value in self.made.items():
            path = path.replace(name, value)
        headers = {} if who == "-" else {"Authorization": f"Bearer {self.tokens.get(who, who)}"}
        url = self.server.base_url + (path if path.startswith("/_") else "/_matrix/client/v3" + path)
        return request(method, url, headers=headers, raw=body[0].encode() if body else None)


@pytest.fixture(scope="module")
def sides(build, folder, postgres):
    own = Own(build, folder, postgres)
    synapse, ganglion = (own.make(name, kind, monolith=True, extra_config=SETTINGS)
                         for name, kind in (("asked_synapse", Mixed), ("asked_ganglion", Deployment)))
    synapse.python = {"main"}
    try:
        yield Asker(synapse.start()), Asker(ganglion.start())
    finally:
        ended = synapse.stop(), ganglion.stop()
    assert all(ended)


def same(synapse, ganglion, ours):
    """Also where Synapse has no word for what is wrong, and we have."""
    status, errcode = ganglion
    return synapse == ganglion or (synapse == (status, "M_UNKNOWN") and status >= 400 and errcode is not None) or alike(synapse, ganglion, ours)


def test_the_same_answers(sides):
    different = []
    for line in ASKED.strip().splitlines():
        said = [summary(side.ask(line)) for side in sides]
        if not same(*said, OURS.get(line)):
            different.append(f"{line}\n    Synapse {said[0]}, Ganglion {said[1]}")
    assert not different, "\n" + "\n".join(different)


def test_every_line_is_one():
    lines = ASKED.strip().splitlines()
    assert set(OURS) <= set(lines)
    for line in lines:
        body = line.split(" ", 3)[3:]
        assert not body or body == ["x"] or json.loads(body[0]) is not None
