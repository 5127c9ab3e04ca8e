"""Canonical JSON against canonicaljson: what one writes the other writes, what one refuses the other refuses."""

import json
import math
import random
import struct

import pytest
from canonicaljson import encode_canonical_json

STRINGS = ["", "a", "\"", "\\", "/", "\b\f\n\r\t", "\x00\x01\x1f", "\x7f\x80", "\u00e9", "\u2028\u2029", "\ud7ff\ue000", "\uffff", "\U00010000\U0010ffff", "abc" * 50]


def theirs(text):
    """As Synapse reads: bytes, without NaN and Infinity. None: refused."""
    def refuse(word):
        raise ValueError(word)

    try:
        return encode_canonical_json(json.loads(text.decode("utf-8"), parse_constant=refuse))
    except (ValueError, RecursionError):
        return None


def assert_alike(tool, text):
    expected = theirs(text)
    ok, answer = tool.ask("canonical", text)
    if expected is None:
        assert not ok, (text, answer)
    else:
        assert ok and answer == expected, (text, answer, expected)


@pytest.mark.parametrize("seed", range(4))
def test_doubles(tool, seed):
    r = random.Random(seed)
    for _ in range(3000):
        v = struct.unpack("d", struct.pack("Q", r.getrandbits(64)))[0]
        if math.isfinite(v):
            assert_alike(tool, repr(v).encode())
            assert_alike(tool, ("%.*e" % (r.randrange(25), v)).encode())
            assert_alike(tool, ("%.*G" % (r.randrange(1, 25), v)).replace("INF", "1E999").encode())


def test_powers(tool):
    for e in range(-1074, 1024):
        v = math.ldexp(1.0, e)
        for x in (v, math.nextafter(v, 0), math.nextafter(v, math.inf)):
            assert_alike(tool, repr(x).encode())
    for e in range(-330, 312):
        for digits in ("1", "-9", "123456789012345678", "9.999999999999999", "0.1"):
            assert_alike(tool, ("%se%d" % (digits, e)).encode())


def test_numbers_of_other_forms(tool):
    for text in ("-0", "-0.0", "0e5", "0E-5", "1E400", "-1e309", "1e-400", "9" * 4300, "-" + "9" * 4300, "9" * 4301,
                 "1." + "0" * 5000, "0." + "1" * 5000, "1" * 400 + ".5e-300", "9007199254740993", "18446744073709551616"):
        assert_alike(tool, text.encode())


def value(r, depth):
    pick = r.randrange(8 if depth < 6 else 5)
    if pick == 0:
        return r.choice([0, -1, 1 << 53, 1 << 64, -(1 << 70), r.getrandbits(80)])
    if pick == 1:
        return r.choice([1.5, 1e100, -0.0, 1e-7, r.random()])
    if pick == 2:
        return r.choice([True, False, None])
    if pick < 5:
        return r.choice(STRINGS) + r.choice(STRINGS)
    if pick == 5:
        return [value(r, depth + 1) for _ in range(r.randrange(5))]
    return {r.choice(STRINGS) + str(r.randrange(3)): value(r, depth + 1) for _ in range(r.randrange(40 if depth == 0 else 6))}


def spelled(r, v):
    """JSON text of v in one of its many spellings, with members twice now and then."""
    blank = "".join(r.choice(["", "", " ", "\n", "\t", "\r"]) for _ in range(2))
    if isinstance(v, dict):
        members = [blank + spelled(r, k) + blank + ":" + spelled(r, x) for k, x in v.items()]
        if members and r.randrange(4) == 0:
            members.insert(r.randrange(len(members)), spelled(r, r.choice(list(v))) + ":1")
            members.append(spelled(r, r.choice(list(v))) + ":2")
        return blank + "{" + ",".join(members) + "}" + blank
    if isinstance(v, list):
        return blank + "[" + ",".join(spelled(r, x) for x in v) + blank + "]"
    if isinstance(v, str) and r.randrange(2):
        units = v.encode("utf-16-be", "surrogatepass")
        return "\"" + "".join(r.choice(["\\u%04x", "\\u%04X"]) % int.from_bytes(units[i:i + 2], "big") for i in range(0, len(units), 2)) + "\""
    return blank + json.dumps(v, ensure_ascii=bool(r.randrange(2)))


@pytest.mark.parametrize("seed", range(8))
def test_trees(tool, seed):
    r = random.Random(seed)
    for _ in range(400):
        v = value(r, 0)
        text = spelled(r, v).encode()
        assert_alike(tool, text)
        ok, written = tool.ask("write", text)
        assert ok and json.loads(written) == json.loads(text)
        ok, again = tool.ask("canonical", theirs(text))
        assert ok and again == theirs(text)


@pytest.mark.parametrize("seed", range(8))
def test_broken_texts(tool, seed):
    r = random.Random(seed)
    for _ in range(600):
        text = bytearray(spelled(r, value(r, 2)).encode())
        for _ in range(r.randrange(1, 4)):
            at = r.randrange(len(text) + 1)
            if r.randrange(2):
                text[at:at] = bytes([r.choice(b"{}[]\",:\\/truefalsenull0123456789.eE+- \n\x00\x1f\x80\xc3\xed\xff")])
            else:
                del text[at:at + r.randrange(1, 4)]
        assert_alike(tool, bytes(text))


def test_surrogates(tool):
    for text in ('"\\ud800"', '"\\udc00\\ud800"', '{"\\udfff":1}', '"\\ud83d\\ude00"', '"\\ud800\\ud83d\\ude00"', '"\\uD83D\\u0041"'):
        assert_alike(tool, text.encode())
    assert_alike(tool, b'"\xed\xa0\x80"')


def test_depth(tool):
    for n in (100, 900):
        assert_alike(tool, b"[" * n + b"]" * n)
        assert_alike(tool, b'{"a":' * n + b"1" + b"}" * n)
    for n in (1001, 100000):
        assert tool.ask("canonical", b"[" * n + b"]" * n) == (False, b"M_BAD_JSON")


def test_strict(tool):
    """Room versions 6 and later: no floats, no integers beyond 2^53-1."""
    for text, good in ((b"1.0", False), (b"1e2", False), (b"9007199254740991", True), (b"9007199254740992", False),
                       (b"-9007199254740991", True), (b"-9007199254740992", False), (b"[{\"a\":[0.5]}]", False), (b"-0", True)):
        assert tool.ask("strict", text)[0] is good, text
