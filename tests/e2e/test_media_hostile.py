"""Files, links and servers that mean us harm: names that change their address, redirects inwards, pictures that blow up, and
others that take their time. The deployment denies one address of this machine, on which the test listens all the same."""

import http.client
import os
import struct
import zlib

import pytest

from deployment.process import resident_bytes
from lib.certificates import Authority
from lib.names import Names
from lib.pictures import GIF, PNG_MOVING, WEBP_MOVING, frames_of, png, size_of
from lib.remote import Remote
from lib.rooms import refused
from lib.server import quote, request
from lib.wait import until
from lib.web import endless

V1, OLD, FED = "/_matrix/client/v1/media", "/_matrix/media/v3", "/_matrix/federation/v1/media"
DENIED = "127.0.0.2"
SANITIZED = os.path.basename(os.environ.get("GANGLION_BUILD", "")).startswith("asan")


@pytest.fixture(scope="module")
def names():
    names = Names()
    yield names
    names.stop()


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(os.path.join(folder, "hostile-certificates"))


@pytest.fixture(scope="module")
def server(own, names, authority):
    deployment = own.make("media_hostile", authority=authority, monolith=True, front=False,
                          extra_config={"url_preview_enabled": True, "url_preview_ip_range_blacklist": [DENIED],
                                        "ip_range_blacklist": [DENIED], "federation_ip_range_blacklist": [],
                                        "max_image_pixels": "4M", "ganglion": {"dns_servers": [names.address]}})
    with own.run(deployment) as server:
        server.base_url = f"http://127.0.0.1:{deployment.main.port}"
        yield server


@pytest.fixture
def remote(authority):
    remote = Remote(authority)
    yield remote
    remote.stop()


@pytest.fixture(scope="module")
def alice(server):
    return server.register()


def upload(user, data, kind, name=""):
    answer = request("POST", f"{user.server.base_url}{OLD}/upload?filename={quote(name)}", raw=data,
                     headers={"Authorization": f"Bearer {user.token}", "Content-Type": kind})
    assert answer.status == 200, answer
    return answer.json["content_uri"].removeprefix("mxc://")


def fetch(user, path):
    return request("GET", user.server.base_url + path, headers={"Authorization": f"Bearer {user.token}"})


def preview(user, url):
    return user.call("GET", f"{V1}/preview_url?url={quote(url)}")


def elsewhere(url):
    """What a server answers whose file lies at url."""
    body = f"--b\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--b\r\nContent-Type: a/b\r\nLocation: {url}\r\n\r\n\r\n--b--"
    return 200, body.encode(), {"Content-Type": "multipart/mixed; boundary=b"}


# ---- addresses ----

def test_names_that_change_their_address(alice, names, web):
    """What counts is the address that is connected to, not the one that was looked up when the link was judged."""
    page = b'<title>t</title><meta property="og:image" content="/secret.png">'
    web.put("/page", page)
    web.put("/secret.png", png(20, 20), "image/png")
    names.names.update({"inside.test": [[DENIED]], "turns.test": [["127.0.0.1"], [DENIED]], "both.test": [[DENIED, "127.0.0.1"]]})
    inside, nowhere = preview(alice, web.url("/page", "inside.test")), preview(alice, web.url("/page", "nowhere.test"))
    refused(inside, 502, "M_UNKNOWN"), refused(nowhere, 502, "M_UNKNOWN")
    assert web.asked == []
    assert preview(alice, web.url("/page?0", "both.test")).status in (200, 502)
    assert preview(alice, web.url("/page?0", "turns.test")).json["og:title"] == "t"  # the address of the first answer
    tries = iter(range(1, 1000))
    last = until(lambda: (a := preview(alice, web.url(f"/page?{next(tries)}", "turns.test"))).status != 200 and a)
    refused(last, 502, "M_UNKNOWN")
    assert names.asked.count("turns.test") >= 2 and set(web.reached) == {"127.0.0.1"}


def test_files_that_lie_inside(alice, names, web, remote):
    """Where another server's file is said to be elsewhere: by name, by address, and behind a redirect of its own."""
    names.names.update({"file-inside.test": [[DENIED]], "outside.test": [["127.0.0.1"]]})
    web.put("/secret", b"secret", "a/b")
    web.put("/file", b"open", "a/b")
    web.put("/hop", b"", "a/b", 302, Location=web.url("/secret", DENIED))
    inwards = [web.url("/secret", DENIED), web.url("/secret", "file-inside.test"), web.url("/hop"), f"http://[::ffff:{DENIED}]:{web.port}/secret",
               f"http://2130706434:{web.port}/secret", f"http://0x7f000002:{web.port}/secret", f"http://127.2:{web.port}/secret"]
    for i, url in enumerate(inwards):
        remote.on("GET", f"{FED}/download/in{i}", elsewhere(url))
        refused(fetch(alice, f"{V1}/download/{remote.name}/in{i}"), 502)
    remote.on("GET", f"{FED}/download/.*", (404, {"errcode": "M_UNRECOGNIZED", "error": "?"}))
    remote.on("GET", f"{OLD}/download/.*/old", (307, b"", {"Location": web.url("/secret", DENIED)}))
    refused(fetch(alice, f"{V1}/download/{remote.name}/old"), 502)
    assert not [path for _, path, _ in web.asked if path == "/secret"]
    remote.on("GET", f"{FED}/download/out", elsewhere(web.url("/file", "outside.test")))
    assert fetch(alice, f"{V1}/download/{remote.name}/out").text == b"open"
    assert set(web.reached) == {"127.0.0.1"}


# ---- paths ----

def test_ids_that_lead_elsewhere(alice, server):
    name = server.deployment.server_name
    for origin in (name, "elsewhere.test", "..", "%2e%2e", "."):
        for media_id in ("..", "%2e%2e", "....", "..%2f..%2fconfig", "%2e%2e%2f%2e%2e%2f%2e%2e", "ab%00cd", "abcd%2f..%2f..", "abcd%5c..%5c..", "abcd%0d%0aX:y",
                         "2026-01-01_", "2026-01-01_%2e%2e", "/abcdef"):
            for path in (f"{V1}/download/{origin}/{media_id}", f"{V1}/thumbnail/{origin}/{media_id}?width=9&height=9",
                         f"{OLD}/download/{origin}/{media_id}/a.png"):
                answer = fetch(alice, path)
                assert answer.status in (400, 404, 502) and answer.json["errcode"], (path, answer)
    mxc = upload(alice, b"x", "a/b", "../../a\r\nX-Evil: 1")
    for told in ("", "/..%2f..%2fpasswd", "/a%0d%0aX-Evil:%201", "/%22;x=y"):
        answer = fetch(alice, f"{V1}/download/{mxc}{told}")
        assert answer.status == 200 and "X-Evil" not in answer.headers and answer.headers["Content-Disposition"].startswith("attachment"), answer


# ---- pictures ----

def gif(width, height, frames):
    """Each frame a whole screen of one colour, in a few bytes: LZW codes for clear, one pixel, end."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return screen + b"\x21\xf9\x04\0\x05\0\0\0" + (frame + b"\x21\xf9\x04\0\x05\0\0\0") * (frames - 1) + frame + b"\x3b"


def text_bomb(name, head, size=50_000_000):
    """A PNG with comments of some kilobytes that are large when they are read."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    whole = png(30, 30)
    return whole[:33] + chunk(name, head + zlib.compress(b"x" * size, 9)) * 8 + whole[33:]


def most_resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:")) << 10


def test_pictures_that_blow_up(alice, server):
    pid = server.deployment.processes["main"].pid
    bombs = [(png(1, 1, claimed=(65535, 65535)), "image/png"), (png(2500, 2500), "image/png"), (gif(60000, 60000, 1), "image/gif"),
             (gif(1900, 1900, 2000), "image/gif"), 
             (text_bomb(b"zTXt", b"a\0\0"), "image/png"), (text_bomb(b"iTXt", b"a\0\1\0\0\0"), "image/png"),
             (text_bomb(b"iCCP", b"a\0\0"), "image/png"),
             (WEBP_MOVING[:24] + b"\xff\xff\xff\xff\xff\xff" + WEBP_MOVING[30:], "image/webp"), (GIF[:6] + b"\xff\xff\xff\xff" + GIF[10:], "image/gif")]
    upload(alice, png(300, 200), "image/png")  # brings the decoders
    before = most_resident(pid)
    for data, kind in bombs:
        mxc = upload(alice, data, kind)
        assert fetch(alice, f"{V1}/thumbnail/{mxc}?width=32&height=32&method=crop&animated=true").status in (200, 400)
        assert fetch(alice, f"{V1}/download/{mxc}").text == data
    if not SANITIZED:
        assert most_resident(pid) - before < 100 << 20
    for name, head in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")):  # what is not a bomb is only left out
        mxc = upload(alice, text_bomb(name, head, 2000), "image/png")
        assert size_of(fetch(alice, f"{V1}/thumbnail/{mxc}?width=32&height=32&method=crop").text) == ("image/png", 32, 32)


def test_files_that_are_two_things(alice):
    """What a browser might run stays a file: nothing is guessed from the content, and no page of ours is its home."""
    script = b"<script>alert(document.domain)</script>"
    for data, kind, inline in ((b"GIF89a/*" + script + b"*/=1;", "image/gif", True), (png(9, 9) + script, "image/png", True),
                               (b"%PDF-1.4\n" + script, "application/pdf", False), (script, "text/html", False), (script, "image/svg+xml", False),
                               (script, "application/xhtml+xml", False), (script, "text/xml", False), (script, "image/png;a=<b>", True)):
        mxc = upload(alice, data, kind)
        headers = fetch(alice, f"{V1}/download/{mxc}").headers
        assert "sandbox" in headers["Content-Security-Policy"] and "script-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Content-Disposition"].split(";")[0] == ("inline" if inline else "attachment"), (kind, headers)
        assert fetch(alice, f"{V1}/thumbnail/{mxc}?width=9&height=9").status in (200, 400)


def test_pictures_that_move(alice):
    for data, kind, moves in ((WEBP_MOVING, "image/webp", True), (GIF, "image/gif", True), (PNG_MOVING, "image/png", False)):
        mxc = upload(alice, data, kind)
        still = fetch(alice, f"{V1}/thumbnail/{mxc}?width=320&height=240")
        assert still.status == 200 and frames_of(still.text) == 0, still
        if moves:
            lively = fetch(alice, f"{V1}/thumbnail/{mxc}?width=320&height=240&animated=true")
            assert size_of(lively.text) == ("image/webp", *size_of(still.text)[1:]) and frames_of(lively.text) == 3


# ---- others who take their time ----

def begin(user, method, path, length=None):
    connection = http.client.HTTPConnection("127.0.0.1", user.server.deployment.main.port, timeout=60)
    connection.putrequest(method, path)
    connection.putheader("Authorization", f"Bearer {user.token}")
    if length is not None:
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    return connection


def test_slow_clients_hold_up_nobody(alice, server):
    pid, slow = server.deployment.processes["main"].pid, []
    mxc, unfinished = upload(alice, os.urandom(8 << 20), "a/b"), os.path.join(server.deployment.folder, "media", "ganglion_unfinished")
    before = resident_bytes(pid)
    try:
        for i in range(60):
            slow.append(begin(alice, "POST", OLD + "/upload", 40_000_000))
            slow[-1].send(b"x" * (300_000 if i < 10 else 10))
            slow.append(begin(alice, "GET", f"{V1}/download/{mxc}"))  # and nobody reads it
        assert fetch(alice, f"{V1}/download/{upload(alice, b'quick', 'a/b')}").text == b"quick"
        assert fetch(alice, f"{V1}/download/{mxc}").status == 200
        if not SANITIZED:
            assert resident_bytes(pid) - before < 30 << 20
    finally:
        for connection in slow:
            connection.close()
    until(lambda: os.listdir(unfinished) == [])


def test_slow_servers_hold_up_nobody(alice, authority, web, remote):
    """One that gives its files drop by drop is asked for few at a time; others are asked meanwhile."""
    url = web.put("/drops", endless(b"x", 0.5), "a/b")
    remote.on("GET", f"{FED}/download/drops.*", elsewhere(url))
    waiting = [begin(alice, "GET", f"{V1}/download/{remote.name}/drops{i}") for i in range(32)]
    try:
        until(lambda: web.count("/drops") == 32)
        refused(fetch(alice, f"{V1}/download/{remote.name}/drops32"), 503)
        joined = begin(alice, "GET", f"{V1}/download/{remote.name}/drops0")  # who asks for the same one waits with the others
        waiting.append(joined)
        quick = Remote(authority)
        try:
            quick.on("GET", f"{FED}/download/quick", (200, elsewhere("")[1].replace(b"Location: \r\n\r\n", b"\r\nfast"), elsewhere("")[2]))
            assert fetch(alice, f"{V1}/download/{quick.name}/quick").text == b"fast"
        finally:
            quick.stop()
    finally:
        for connection in waiting:
            connection.close()
