"""Signatures against signedjson: made here and checked there, made there and checked here."""

import json
import random

import pytest
from canonicaljson import encode_canonical_json
from signedjson.key import encode_signing_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import SignatureVerifyException, sign_json, verify_signed_json

OBJECTS = [{}, {"a": 1}, {"signatures": {"other": {"ed25519:x": "sig"}}, "b": "\u00e9\U0001f600"},
           {"unsigned": {"age": 5}, "n": [1.5, None, {"z": 1, "a": 2}]},
           {"signatures": {"here": {"ed25519:x": "sig"}}, "unsigned": 5}]


def line_of(key):
    return ("%s %s %s\n" % (key.alg, key.version, encode_signing_key_base64(key))).encode()


@pytest.fixture(scope="module", params=range(3))
def key(request):
    return generate_signing_key("k%d_%s" % (request.param, "A" * request.param))


@pytest.mark.parametrize("value", OBJECTS, ids=range(len(OBJECTS)))
def test_alike(tool, key, value):
    expected = sign_json(json.loads(json.dumps(value)), "here", key)
    ok, made = tool.ask("sign", "here", line_of(key), json.dumps(value).encode())
    assert ok and made == encode_canonical_json(expected)
    verify_signed_json(json.loads(made), "here", get_verify_key(key))


def test_verified(tool, key):
    r = random.Random(1)
    public = get_verify_key(key).encode()
    key_id = "%s:%s" % (key.alg, key.version)
    for i in range(200):
        signed = sign_json({"n": i, "s": "x" * r.randrange(300)}, "here", key)
        text = bytearray(encode_canonical_json(signed))
        assert tool.ask("verify", "here", key_id, public, bytes(text))[0]
        text[r.randrange(len(text))] ^= 1 << r.randrange(7)
        try:
            verify_signed_json(json.loads(text), "here", get_verify_key(key))
            good = True
        except (SignatureVerifyException, ValueError, KeyError, TypeError, AttributeError):
            good = False
        assert tool.ask("verify", "here", key_id, public, bytes(text))[0] is good, bytes(text)


def test_missing(tool, key):
    public = get_verify_key(key).encode()
    assert tool.ask("verify", "here", "ed25519:none", public, b"{}") == (False, b"M_UNAUTHORIZED")
    assert tool.ask("verify", "here", "ed25519:none", public, b"[]") == (False, b"M_UNAUTHORIZED")
    assert tool.ask("verify", "here", "ed25519:none", public, b"[") == (False, b"M_NOT_JSON")
