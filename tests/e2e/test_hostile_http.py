"""What no honest client sends: requests that two servers could read differently, peers that are slow, and bytes without end."""

import http.client
import re
import socket
import time
import urllib.parse

import pytest

from lib.wait import PATIENCE, until

VERSIONS = "/_matrix/client/versions"
ECHO = b"GET " + VERSIONS.encode() + b" HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def address(server):
    """Of a worker itself: a proxy in front would refuse much of this by itself."""
    to = urllib.parse.urlsplit(server.worker_url("generic_worker1"))
    return to.hostname, to.port


def dial(address):
    return socket.create_connection(address, timeout=PATIENCE)


def rest(peer):
    """Everything until the server closes."""
    found = b""
    while piece := peer.recv(65536):
        found += piece
    return found


def say(address, *pieces):
    with dial(address) as peer:
        for piece in pieces:
            peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
        return rest(peer)


def statuses(answer):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


PUT = b"PUT /_matrix/client/v3/profile/x/displayname HTTP/1.1\r\nHost: x\r\n"
# A second request lies in what one reader takes for the body: only one answer may come, and the connection ends.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = {
    "two lengths": PUT + b"Content-Length: 0\r\nContent-Length: 37\r\n\r\n" + HIDDEN,
    "two equal lengths": PUT + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a list of lengths": PUT + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "a signed length": PUT + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": PUT + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a hexadecimal length": PUT + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "an endless length": PUT + b"Content-Length: 99999999999999999999\r\n\r\n" + HIDDEN,
    "an empty length": PUT + b"Content-Length: \r\n\r\n" + HIDDEN,
    "length and chunks": PUT + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks and length": PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": PUT + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "not quite chunked": PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked and more": PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunked behind a tabulator": PUT + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": PUT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded header": PUT + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a folded first header": PUT.replace(b"Host", b" Host") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "bare line feeds": PUT.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + HIDDEN,
    "one bare line feed": PUT + b"X: a\nContent-Length: 37\r\n\r\n" + HIDDEN,
    "a bare carriage return": PUT + b"X: a\rContent-Length: 37\r\n\r\n" + HIDDEN,
    "a NUL in a header": PUT + b"X: a\0b\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a nameless header": PUT + b": 37\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a header without a colon": PUT + b"Content-Length\r\n\r\n" + HIDDEN,
    "chunks and HTTP/1.0": PUT.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two hosts": PUT + b"Host: y\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a chunk's size with 0x": PUT + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "a chunk's size with a sign": PUT + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + HIDDEN,
    "a chunk's size that wraps": PUT + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + HIDDEN,
    "a chunk's size and a bare line feed": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + HIDDEN,
    "a line feed in a chunk's extension": PUT + b"Transfer-Encoding: chunked\r\n\r\n0;a=\nb\r\n\r\n" + HIDDEN,
    "a chunk longer than its size": PUT + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + HIDDEN,
    "an absolute target": PUT.replace(b"PUT /", b"PUT http://x/") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "a target with a space": PUT.replace(b"/x/", b"/x y/") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "two versions": PUT.replace(b"HTTP/1.1", b"HTTP/1.1 HTTP/1.1") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "a version with more digits": PUT.replace(b"HTTP/1.1", b"HTTP/1.10") + b"Content-Length: 0\r\n\r\n" + HIDDEN,
    "HTTP/0.9": b"GET /_matrix/client/versions\r\n" + HIDDEN,
}


@pytest.mark.parametrize("kind", SMUGGLED)
def test_ambiguous_requests_end_the_connection(address, kind):
    answer = say(address, SMUGGLED[kind])
    assert len(statuses(answer)) == 1 and statuses(answer)[0] in (400, 413, 501, 505), (kind, answer)
    assert b"\r\nConnection: close\r\n" in answer and b'"errcode"' in answer, (kind, answer)


def test_pieces_do_not_matter(address):
    """The same requests byte by byte: what was refused as a whole is refused in pieces, and what is right is answered."""
    kinds = ("length and chunks", "one bare line feed", "a folded header", "a chunk's size with a sign")
    for text in [SMUGGLED[kind] for kind in kinds]:
        with dial(address) as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for at in range(len(text)):
                    peer.send(text[at : at + 1])
            except OSError:
                pass  # it has ended the connection already
            try:
                assert statuses(rest(peer)) in ([400], [401])  # before the body is there, its sender is refused
            except ConnectionError:
                pass
    whole = ECHO + b"Connection: close\r\n\r\n"
    assert statuses(say(address, *(whole[at : at + 1] for at in range(len(whole))))) == [200]


def test_pipelined(address):
    """Answered in their order, as many as were asked, whatever the body of one of them is."""
    body = PUT + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nA: b\r\n\r\n"
    answer = say(address, ECHO + b"\r\n" + body + ECHO + b"\r\n" + b"\r\n" + HIDDEN)
    assert statuses(answer) == [200, 401, 200, 404], answer
    answer = say(address, (ECHO + b"\r\n") * 300)
    assert statuses(answer) == [200] * 300


def test_large_heads(address):
    for text in (ECHO + b"X: " + b"a" * 200_000 + b"\r\n\r\n", ECHO + b"".join(b"X%d: a\r\n" % i for i in range(5000)) + b"\r\n",
                 b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n"):
        with dial(address) as peer:
            try:
                peer.sendall(text)
                assert statuses(rest(peer)) == [431]
            except ConnectionError:
                pass  # answered and closed while we still sent
    endless = dial(address)
    with endless, pytest.raises(OSError):
        for _ in range(10_000):
            endless.sendall(b"a" * 10_000)


def test_continue_and_old_versions(address):
    with dial(address) as peer:
        peer.sendall(b"POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert peer.recv(100).startswith(b"HTTP/1.1 100 ")
        peer.sendall(b"{}")
        assert b"HTTP/1.1 400 " in peer.recv(100)
    with dial(address) as peer:  # refused by its head: nobody asks for the body
        peer.sendall(b"PUT /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
        assert statuses(rest(peer)) == [404]
    answer = say(address, b"GET /_matrix/client/versions HTTP/1.0\r\n\r\n" + HIDDEN)
    assert statuses(answer) == [200] and b"\r\nConnection: close\r\n" in answer and b"Transfer-Encoding" not in answer
    answer = say(address, b"GET /_matrix/client/versions HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + HIDDEN)
    assert statuses(answer) == [200, 404]
    assert statuses(say(address, ECHO + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + HIDDEN)) == [200, 404]
    assert statuses(say(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) in ([400], [505])


def test_slow_peers_hinder_nobody(address):
    """Heads and bodies that do not end, answers that nobody reads: others are answered meanwhile, at once."""
    slow = [dial(address) for _ in range(150)]
    try:
        for i, peer in enumerate(slow):
            peer.sendall((ECHO, PUT + b"Content-Length: 60000\r\n\r\n{", (ECHO + b"\r\n") * 200)[i % 3])
        took = []
        for _ in range(20):
            began = time.monotonic()
            connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
            connection.request("GET", VERSIONS)
            assert connection.getresponse().status == 200
            connection.close()
            took.append(time.monotonic() - began)
        assert sorted(took)[10] < 5
        for peer in slow[:3]:
            peer.sendall(b"\r\n")
        assert statuses(slow[0].recv(65536)) == [200]
    finally:
        for peer in slow:
            peer.close()
    until(lambda: statuses(say(address, ECHO + b"Connection: close\r\n\r\n")) == [200])
