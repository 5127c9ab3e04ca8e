"""Who asks: signed requests, and those that are not what they say."""

import concurrent.futures
import json
import time

import pytest
import signedjson.key
import signedjson.sign

from lib.server import quote
from lib.wait import until

FED = "/_matrix/federation/v1"


@pytest.fixture
def user(home):
    return home.register()


def path_of(user):
    return f"{FED}/user/devices/{quote(user.user_id)}"


def signature(remote, method, uri, destination, content=None, key=None, origin=None):
    said = {"method": method, "uri": uri, "origin": origin or remote.name, "destination": destination}
    if content is not None:
        said["content"] = content
    key = key or remote.key
    return signedjson.sign.sign_json(said, said["origin"], key)["signatures"][said["origin"]][f"ed25519:{key.version}"]


def ask(remote, home, path, header, method="GET", body=None, raw=None):
    return remote.call(method, home.name, path, body, signed=False, headers={"Authorization": header} if header else {}, raw=raw)


def refused(answer, status, errcode="M_UNAUTHORIZED"):
    assert (answer.status, answer.json and answer.json["errcode"]) == (status, errcode), answer


def test_signed(home, remote, user):
    """As this server and others write it."""
    path = path_of(user)
    sig = signature(remote, "GET", path, home.name)
    for header in (f'X-Matrix origin="{remote.name}",destination="{home.name}",key="{remote.key_id}",sig="{sig}"',
                   f'X-Matrix origin={remote.name},key="{remote.key_id}",sig="{sig}"',
                   f'X-Matrix origin={remote.name},key={remote.key_id},sig={sig}',
                   f'x-matrix  sig="{sig}" , KEY="{remote.key_id}",Origin="{remote.name}",more="x"'):
        answer = ask(remote, home, path, header)
        assert answer.status == 200 and answer.json["user_id"] == user.user_id, (header, answer)
    keys = [asked for asked in remote.asked if asked.path.startswith("/_matrix/key")]
    assert len(keys) <= 2 if home.monolith else len(keys) <= 8  # each process asks once, or reads what another kept


def test_body_is_signed(home, remote, user):
    path = f"{FED}/user/keys/query"
    body = {"device_keys": {user.user_id: []}, "é": "\u2028\"\\", "nested": {"b": [1, -5, True, None], "a": ""}}
    answer = remote.call("POST", home.name, path, body)
    assert answer.status == 200, answer
    sig = signature(remote, "POST", path, home.name, body)
    header = f'X-Matrix origin="{remote.name}",key="{remote.key_id}",sig="{sig}"'
    pretty = json.dumps(body, indent=3, ensure_ascii=False).encode()
    assert ask(remote, home, path, header, "POST", raw=pretty).status == 200
    refused(ask(remote, home, path, header, "POST", {**body, "nested": {}}), 401)
    refused(ask(remote, home, path, header, "POST", raw=b"{"), 400, "M_NOT_JSON")
    refused(ask(remote, home, path, header, "POST", raw=b"[]"), 400, "M_BAD_JSON")


def test_forged(home, remote, remotes, user):
    path = path_of(user)
    other, stranger = remotes(), signedjson.key.generate_signing_key(remote.key.version)
    good = signature(remote, "GET", path, home.name)

    def header(sig=good, origin=remote.name, key=remote.key_id, extra=""):
        return f'X-Matrix origin="{origin}",key="{key}",sig="{sig}"{extra}'

    assert ask(remote, home, path, header()).status == 200
    refused(ask(remote, home, path, header(signature(remote, "GET", path, home.name, key=stranger))), 401)
    refused(ask(remote, home, path, header(signature(remote, "PUT", path, home.name))), 401)
    refused(ask(remote, home, path, header(signature(remote, "GET", path + "?", home.name))), 401)
    refused(ask(remote, home, path, header(signature(remote, "GET", path, other.name))), 401)
    refused(ask(remote, home, path, header(signature(remote, "GET", path, home.name, {}))), 401)
    refused(ask(remote, home, path, header(origin=other.name)), 401)
    refused(ask(remote, home, path, header(key="ed25519:unknown")), 401)
    refused(ask(remote, home, path, header(sig="A" * 86)), 401)
    refused(ask(remote, home, path, header(sig="x")), 401)
    refused(ask(remote, home, path, header(extra=f',destination="{other.name}"')), 401)
    assert ask(remote, home, path, header(extra=f',destination="{home.name}"')).status == 200


def test_nobody(home, remote, user):
    path = path_of(user)
    refused(ask(remote, home, path, None), 401)
    refused(ask(remote, home, path, f"Bearer {user.token}"), 401)
    for header in ("X-Matrix x", "X-Matrix origin=a.org", 'X-Matrix origin="not valid",key="ed25519:1",sig="x"',
                   'X-Matrix origin="a.org",key="ed25519:1",sig="x'):
        refused(ask(remote, home, path, header), 400)


def test_ourselves(home, remote, user):
    """Nobody signs as this server but itself, and it does not ask itself."""
    sig = signature(remote, "GET", path_of(user), home.name, origin=home.name)
    refused(ask(remote, home, path_of(user), f'X-Matrix origin="{home.name}",key="{remote.key_id}",sig="{sig}"'), 401)


def test_unreachable_origin(home, remote, user):
    """Its keys cannot be had: refused, soon; and taken once it is there."""
    remote.down = True
    path = path_of(user)
    began = time.monotonic()
    refused(remote.call("GET", home.name, path), 401)
    assert time.monotonic() - began < 25
    remote.down = False
    assert until(lambda: remote.call("GET", home.name, path).status == 200)


def test_new_key(home, remote, user):
    """A key that was not known before is asked for; the old one holds as long as it was said to."""
    path, old = path_of(user), remote.key
    assert remote.call("GET", home.name, path).status == 200
    remote.key = signedjson.key.generate_signing_key("second")
    assert until(lambda: remote.call("GET", home.name, path).status == 200)
    sig = signature(remote, "GET", path, home.name, key=old)
    answer = ask(remote, home, path, f'X-Matrix origin="{remote.name}",key="ed25519:{old.version}",sig="{sig}"')
    assert answer.status == 200, answer


def test_expired_key(home, remote, user):
    """A key that its server does not vouch for any more signs no requests."""
    remote.valid_for = -60
    refused(remote.call("GET", home.name, path_of(user)), 401)
    remote.valid_for = 3600
    assert until(lambda: remote.call("GET", home.name, path_of(user)).status == 200)


def test_many_requests_of_one_origin(home, remote, remotes, user):
    """One server's flood is slowed down and then refused; another's requests go on."""
    path, other = path_of(user), remotes()
    assert remote.call("GET", home.name, path).status == other.call("GET", home.name, path).status == 200
    begun, asked = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(160) as pool:
        flood = [pool.submit(remote.call, "GET", home.name, path) for _ in range(160)]
        while not asked or not all(done.done() for done in flood):
            asked.append(other.call("GET", home.name, path).status)
        answers = [done.result() for done in flood]
    assert set(asked) == {200}
    assert time.monotonic() - begun >= 0.5, "nobody was slowed down"  # by the default sleep_delay
    kinds = {answer.status for answer in answers}
    assert kinds <= {200, 429} and 200 in kinds
    if home.monolith:
        assert 429 in kinds
    for answer in answers:
        if answer.status == 429:
            assert answer.json["errcode"] == "M_LIMIT_EXCEEDED" and answer.json["retry_after_ms"] > 0
    assert until(lambda: remote.call("GET", home.name, path).status == 200)


def test_contact_ends_backoff(home, remote, user):
    """Who asks us is there: it is no longer left alone."""
    now = int(time.time() * 1000)
    home.sql("INSERT INTO destinations (destination, retry_last_ts, retry_interval, failure_ts) VALUES "
             f"('{remote.name}', {now}, 600000, {now})")
    assert remote.call("GET", home.name, path_of(user)).status == 200
    assert until(lambda: home.sql(f"SELECT retry_last_ts, retry_interval FROM destinations WHERE destination = '{remote.name}'") == [["0", "0"]])
