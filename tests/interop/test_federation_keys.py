"""What a server that asks is told about its signature, and about keys: by us as by a real Synapse."""

import json

import pytest
import signedjson.key
import signedjson.sign

from lib.remote import Remote
from lib.server import quote
from test_federation import _deploy, synapse  # noqa: F401  (fixtures)
from deployment.deployment import Deployment
from lib.server import Server

KEY = "/_matrix/key/v2"


@pytest.fixture(scope="module")
def ours(build, folder, postgres, authority):
    deployment = _deploy(Deployment, "interop_fed_keys", build, folder, postgres, authority, monolith=True)
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


@pytest.fixture
def remote(authority):
    asking = Remote(authority)
    yield asking
    asking.stop()


def signature(remote, method, path, server, content=None, key=None, origin=None):
    said = {"method": method, "uri": path, "origin": origin or remote.name, "destination": server}
    if content is not None:
        said["content"] = content
    key = key or remote.key
    return signedjson.sign.sign_json(said, said["origin"], key)["signatures"][said["origin"]][f"ed25519:{key.version}"]


def headers(remote, server, path):
    """Authorization headers, good and bad."""
    good, key, stranger = signature(remote, "GET", path, server), remote.key_id, signedjson.key.generate_signing_key(remote.key.version)
    plain = f'origin="{remote.name}",key="{key}",sig="{good}"'
    return {
        "good": f"X-Matrix {plain}", "with destination": f'X-Matrix {plain},destination="{server}"',
        "bare": f"X-Matrix origin={remote.name},key={key},sig={good}", "blanks": f"X-Matrix   {plain.replace(',', ' , ')}",
        "upper case": f"X-Matrix {plain.replace('origin', 'Origin').replace('key=', 'KEY=')}", "more": f'X-Matrix {plain},x="y"',
        "none": None, "bearer": "Bearer x", "nothing in it": "X-Matrix ", "no origin": f'X-Matrix key="{key}",sig="{good}"',
        "no key": f'X-Matrix origin="{remote.name}",sig="{good}"', "no signature": f'X-Matrix origin="{remote.name}",key="{key}"',
        "no server name": f'X-Matrix origin="not a server",key="{key}",sig="{good}"',
        "another destination": f'X-Matrix {plain},destination="elsewhere.example.org"',
        "another's key": f'X-Matrix origin="{remote.name}",key="{key}",sig="{signature(remote, "GET", path, server, key=stranger)}"',
        "another path": f'X-Matrix origin="{remote.name}",key="{key}",sig="{signature(remote, "GET", path + "x", server)}"',
        "with a body": f'X-Matrix origin="{remote.name}",key="{key}",sig="{signature(remote, "GET", path, server, {})}"',
        "unknown key": f'X-Matrix origin="{remote.name}",key="ed25519:nobodys",sig="{good}"',
        "another algorithm": f'X-Matrix origin="{remote.name}",key="rsa:1",sig="{good}"',
        "short signature": f'X-Matrix origin="{remote.name}",key="{key}",sig="AAAA"',
    }


def told(answer):
    return answer.status, (answer.json or {}).get("errcode")


def test_signatures(ours, synapse, remote):  # noqa: F811
    found = {}
    for server in (ours, synapse):
        user = server.register()
        path = f"/_matrix/federation/v1/query/profile?user_id={quote(user.user_id)}"
        for name, header in headers(remote, server.name, path).items():
            answer = remote.call("GET", server.name, path, signed=False, headers={"Authorization": header} if header else {})
            found.setdefault(name, []).append(told(answer))
    assert {name: both for name, both in found.items() if both[0] != both[1]} == {}
    assert found["good"][0] == (200, None)


def test_bodies(ours, synapse, remote):  # noqa: F811
    found = {}
    for server in (ours, synapse):
        path = "/_matrix/federation/v1/user/keys/query"
        user = server.register()
        body = {"device_keys": {user.user_id: []}, "\u00e9\u2028": [1, -7, True, None, "\"\\\n\u007f"], "b": {"z": 1, "a": 2}}
        sig = signature(remote, "POST", path, server.name, body)
        header = {"Authorization": f'X-Matrix origin="{remote.name}",key="{remote.key_id}",sig="{sig}"'}
        for name, raw in {"compact": json.dumps(body).encode(), "pretty": json.dumps(body, indent=4, ensure_ascii=False).encode(),
                          "changed": json.dumps({**body, "b": {}}).encode(), "cut": b'{"device_keys"', "list": b"[]", "text": b'"x"',
                          "empty object": b"{}"}.items():
            found.setdefault(name, []).append(told(remote.call("POST", server.name, path, signed=False, headers=header, raw=raw)))
    assert {name: both for name, both in found.items() if both[0] != both[1]} == {}
    assert found["pretty"][0] == (200, None)


def shape(answer):
    """What is said of keys, without what is different by nature: names, times, signatures."""
    return [(entry["server_name"], sorted(entry["verify_keys"]), sorted(entry["old_verify_keys"]), len(entry["signatures"])) for entry in answer]


def test_notaries(ours, synapse, remote):  # noqa: F811
    found = []
    for server in (ours, synapse):
        remote.valid_for = 3600
        own = remote.ok("GET", server.name, f"{KEY}/server", signed=False)
        by_post = remote.ok("POST", server.name, f"{KEY}/query", {"server_keys": {remote.name: {remote.key_id: {"minimum_valid_until_ts": 0}}}}, signed=False)
        by_get = remote.ok("GET", server.name, f"{KEY}/query/{remote.name}/{quote(remote.key_id)}", signed=False)
        all_of_it = remote.ok("GET", server.name, f"{KEY}/query/{remote.name}", signed=False)
        found.append((sorted(own), sorted(own["verify_keys"][next(iter(own["verify_keys"]))]), shape(by_post["server_keys"]),
                      shape(by_get["server_keys"]), shape(all_of_it["server_keys"])))
        rows = server.sql("SELECT s.key_id, s.from_server, s.ts_valid_until_ms = j.ts_valid_until_ms, s.ts_added_ms = j.ts_added_ms, length(s.verify_key), "
                          "convert_from(j.key_json, 'UTF8') FROM server_signature_keys s JOIN server_keys_json j USING (server_name, key_id) "
                          f"WHERE server_name = '{remote.name}'")
        found[-1] += (rows[0][:5], list(json.loads(rows[0][5])), len(rows))
    assert found[0] == found[1]
    rows = [server.sql("SELECT cache_func FROM cache_invalidation_stream_by_instance WHERE cache_func IN "
                       "('_get_server_keys_json', 'get_server_key_json_for_remote') GROUP BY 1 ORDER BY 1") for server in (ours, synapse)]
    assert rows[0] == rows[1]
    keys = [server.sql("SELECT keys FROM cache_invalidation_stream_by_instance WHERE cache_func = '_get_server_keys_json' ORDER BY stream_id DESC LIMIT 1")
            for server in (ours, synapse)]
    assert keys[0] == keys[1]


def test_questions_that_are_none(ours, synapse, remote):  # noqa: F811
    bodies = [b"{", b"[]", b"{}", b'{"server_keys": []}', b'{"server_keys": {"a.example": []}}', b'{"server_keys": {"a.example": {"ed25519:1": 7}}}',
              b'{"server_keys": {"a.example": {"ed25519:1": {"minimum_valid_until_ts": "x"}}}}', b'{"server_keys": {}}']
    found = {body: [told(remote.call("POST", server.name, f"{KEY}/query", signed=False, raw=body)) for server in (ours, synapse)] for body in bodies}
    assert {body: both for body, both in found.items() if both[0] != both[1]} == {}
