"""Who is who: signing keys, ours and others', and requests that are signed with them."""

import time

import signedjson.key
import signedjson.sign

from lib.server import quote, request

KEY = "/_matrix/key/v2"


def verify_key(name, key):
    return signedjson.key.decode_verify_key_base64(*name.split(":"), key)


def own_keys(remote, server):
    return remote.ok("GET", server, f"{KEY}/server", signed=False)


def query(remote, home, server, wanted):
    return remote.ok("POST", home.name, f"{KEY}/query", {"server_keys": {server: wanted}}, signed=False)["server_keys"]


def asked_for_keys(remote):
    return [asked for asked in remote.asked if asked.path.startswith(f"{KEY}/server")]


def check_own(answer, home):
    assert answer["server_name"] == home.name and answer["old_verify_keys"] == {}
    assert time.time() * 1000 < answer["valid_until_ts"] < (time.time() + 2 * 86400) * 1000
    assert len(answer["verify_keys"]) == 1
    for name, key in answer["verify_keys"].items():
        signedjson.sign.verify_signed_json(answer, home.name, verify_key(name, key["key"]))


def test_own_keys(home, remote):
    for path in ("/server", "/server/", "/server/ed25519:any", "/server/x"):
        check_own(remote.ok("GET", home.name, KEY + path, signed=False), home)


def test_version(home, remote):
    answer = remote.ok("GET", home.name, "/_matrix/federation/v1/version", signed=False)
    assert answer["server"]["name"] == "Ganglion" and answer["server"]["version"]


def test_notary(home, remote):
    """Both forms; the answer is the remote's, signed by it and by home, and is kept."""
    known = own_keys(remote, home.name)["verify_keys"]
    for found in (query(remote, home, remote.name, {remote.key_id: {"minimum_valid_until_ts": 0}}),
                  remote.ok("GET", home.name, f"{KEY}/query/{remote.name}/{quote(remote.key_id)}", signed=False)["server_keys"],
                  remote.ok("GET", home.name, f"{KEY}/query/{remote.name}", signed=False)["server_keys"]):
        assert len(found) == 1
        assert list(found[0]["verify_keys"]) == [remote.key_id]
        signedjson.sign.verify_signed_json(found[0], remote.name, signedjson.key.get_verify_key(remote.key))
        for name, key in known.items():
            signedjson.sign.verify_signed_json(found[0], home.name, verify_key(name, key["key"]))
    assert len(asked_for_keys(remote)) == 1
    rows = home.sql("SELECT key_id, from_server, ts_valid_until_ms > ts_added_ms, length(verify_key) FROM server_signature_keys "
                    f"WHERE server_name = '{remote.name}'")
    assert rows == [[remote.key_id, remote.name, "t", "32"]]
    rows = home.sql("SELECT key_id, from_server, ts_valid_until_ms > ts_added_ms, convert_from(key_json, 'UTF8')::json ->> 'server_name' "
                    f"FROM server_keys_json WHERE server_name = '{remote.name}'")
    assert rows == [[remote.key_id, remote.name, "t", remote.name]]


def test_notary_knows_itself(home, remote):
    found = query(remote, home, home.name, {})
    assert [answer["server_name"] for answer in found] == [home.name]


def test_notary_fetches_what_is_too_old(home, remote):
    remote.valid_for = -3600
    assert query(remote, home, remote.name, {remote.key_id: {}})[0]["valid_until_ts"] < time.time() * 1000
    remote.valid_for = 3600
    found = query(remote, home, remote.name, {remote.key_id: {"minimum_valid_until_ts": int(time.time() * 1000)}})
    assert found[0]["valid_until_ts"] > time.time() * 1000
    assert len(asked_for_keys(remote)) == 2


def test_notary_forgets_no_key(home, remote):
    """What the origin does not tell of any more is still handed on (SyTest: "must not overwrite a valid key ...")."""
    remote.valid_for = -3600
    first, first_id = remote.key, remote.key_id
    assert query(remote, home, remote.name, {first_id: {}})
    remote.key = signedjson.key.generate_signing_key("another")
    query(remote, home, remote.name, {first_id: {"minimum_valid_until_ts": int(time.time() * 1000)}})
    found = query(remote, home, remote.name, {first_id: {"minimum_valid_until_ts": 1}})
    signedjson.sign.verify_signed_json(found[0], remote.name, signedjson.key.get_verify_key(first))


def test_notary_is_told_lies(home, remote, remotes):
    """Unsigned, signed by another key, of another server, no JSON: nothing is kept, and nothing breaks."""
    other = remotes()
    good = remote.server_keys()
    lies = [{}, [], {"server_name": remote.name}, {**good, "signatures": {}}, {**good, "valid_until_ts": good["valid_until_ts"] + 1},
            other.server_keys(), {**good, "verify_keys": {remote.key_id: {"key": "AAAA"}}}, b"{", b"[" * 100000]
    for lie in lies:
        liar = remotes()
        liar.name, name = remote.name, liar.name
        liar.on("GET", f"{KEY}/server", (200, lie))
        kept = f"SELECT count(*) FROM server_keys_json WHERE server_name = '{name}'"  # another test's server had this port, perhaps
        before = home.sql(kept)
        assert query(remote, home, name, {remote.key_id: {}}) == [], lie
        assert home.sql(kept) == before


def test_notary_is_asked_nonsense(home, remote):
    for body in ({"server_keys": []}, {"server_keys": {"a.org": []}}, {"server_keys": {"a.org": {"ed25519:1": 7}}},
                 {"server_keys": {"a.org": {"ed25519:1": {"minimum_valid_until_ts": "x"}}}}, [], 7):
        answer = remote.call("POST", home.name, f"{KEY}/query", body, signed=False)
        assert (answer.status, answer.json["errcode"]) == (400, "M_BAD_JSON"), (body, answer)
    assert remote.call("POST", home.name, f"{KEY}/query", {}, signed=False).json["errcode"] == "M_MISSING_PARAM"
    answer = remote.call("POST", home.name, f"{KEY}/query", signed=False, raw=b"{x")
    assert (answer.status, answer.json["errcode"]) == (400, "M_NOT_JSON")
    assert remote.call("POST", home.name, f"{KEY}/query", {"server_keys": {f"s{i}.org": {} for i in range(1001)}}, signed=False).status == 413
    assert query(remote, home, "no such server!", {"ed25519:1": {}}) == []
    # What is asked of those who cannot exist is not counted to whoever comes next: it would be written behind the next one's.
    nobodies = {f"not_{i}": {f"ed25519:{k}": {} for k in range(40)} for i in range(20)}
    answer = remote.ok("POST", home.name, f"{KEY}/query", {"server_keys": {**nobodies, remote.name: {remote.key_id: {}}}}, signed=False)
    assert [keys["server_name"] for keys in answer["server_keys"]] == [remote.name]
    assert remote.ok("GET", home.name, f"{KEY}/query/%20%00".replace("%00", "x"), signed=False) == {"server_keys": []}


def test_whitelist_endpoint_is_off(home):
    answer = home.register().call("GET", "/_synapse/client/v1/config/federation_whitelist")
    assert answer.status == 404


def test_well_known_is_off(home):
    assert request("GET", home.base_url + "/.well-known/matrix/server").status == 404
