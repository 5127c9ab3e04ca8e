"""Files of other servers: between two of ours, and of servers that answer what they like."""

import http.server
import os
import threading

import pytest

from lib.pictures import png, size_of
from lib.rooms import refused
from lib.server import request

V1 = "/_matrix/client/v1/media"
FED = "/_matrix/federation/v1/media"


@pytest.fixture(scope="module")
def alice(home):
    return home.register()


def upload(user, data, kind, name=""):
    answer = request("POST", f"{user.server.base_url}/_matrix/media/v3/upload?filename={name}", raw=data,
                     headers={"Authorization": f"Bearer {user.token}", "Content-Type": kind})
    return answer.json["content_uri"].removeprefix("mxc://")


def fetch(user, path, **headers):
    return request("GET", user.server.base_url + path, headers={"Authorization": f"Bearer {user.token}", **headers})


def multipart(data, boundary="b0und", kind="image/png", extra=""):
    head = f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{{}}\r\n--{boundary}\r\nContent-Type: {kind}\r\n{extra}\r\n"
    return 200, head.encode() + data + f"\r\n--{boundary}--".encode(), {"Content-Type": f"multipart/mixed; boundary={boundary}"}


def test_between_two(home, other, alice):
    data = png(100, 60)
    mxc = upload(other.register(), data, "image/png", "a%20b.png")
    answer = fetch(alice, f"{V1}/download/{mxc}")
    assert answer.status == 200 and answer.text == data and answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Content-Disposition"] == "inline; filename*=utf-8''a%20b.png"
    assert size_of(fetch(alice, f"{V1}/thumbnail/{mxc}?width=32&height=32&method=crop").text) == ("image/png", 32, 32)
    origin, media_id = mxc.split("/")
    [[file_id, length, name, authenticated]] = home.sql(
        f"SELECT filesystem_id, media_length, upload_name, authenticated FROM remote_media_cache WHERE media_id = '{media_id}'")
    assert (length, name, authenticated) == (str(len(data)), "a b.png", "t")
    path = os.path.join(home.deployment.folder, "media", "remote_content", origin, file_id[:2], file_id[2:4], file_id[4:])
    assert open(path, "rb").read() == data
    os.unlink(path)  # lost: it is fetched again, and lies where its row says
    assert fetch(alice, f"{V1}/download/{mxc}").text == data and os.path.exists(path)
    refused(request("GET", f"{home.base_url}/_matrix/media/v3/download/{mxc}"), 404, "M_NOT_FOUND")
    refused(fetch(alice, f"{V1}/download/{origin}/unknown"), 404, "M_NOT_FOUND")


def test_what_servers_are_given(home, remote, alice):
    mxc = upload(alice, png(50, 40), "image/png", "x.png")
    media_id = mxc.split("/")[1]
    answer = remote.call("GET", home.name, f"{FED}/download/{media_id}")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("multipart/mixed; boundary=")
    boundary = answer.headers["Content-Type"].split("=")[1].encode()
    parts = answer.text.split(b"--" + boundary)
    assert parts[0] == b"" and parts[1] == b"\r\nContent-Type: application/json\r\n\r\n{}\r\n" and parts[3].strip() == b"--"
    assert b"Content-Disposition: inline; filename=x.png" in parts[2] and parts[2].endswith(b"\r\n\r\n" + png(50, 40) + b"\r\n")
    small = remote.call("GET", home.name, f"{FED}/thumbnail/{media_id}?width=32&height=32&method=crop")
    assert small.status == 200 and b"Content-Type: image/png" in small.text
    refused(remote.call("GET", home.name, f"{FED}/download/unknown"), 404, "M_NOT_FOUND")
    refused(remote.call("GET", home.name, f"{FED}/download/{media_id}", signed=False), 401)


def test_once_for_many(remote, alice):
    data = os.urandom(400_000)
    remote.pause = 0.3
    remote.on("GET", f"{FED}/download/many", multipart(data, kind="a/b"))
    got = []
    threads = [threading.Thread(target=lambda: got.append(fetch(alice, f"{V1}/download/{remote.name}/many").text == data))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == [True] * 8 and len([a for a in remote.asked if a.path == f"{FED}/download/many"]) == 1


def test_of_old_servers(remote, alice):
    remote.on("GET", "/_matrix/media/v3/download/.*/aged", (200, b"old", {"Content-Type": "text/x-old",
                                                                         "Content-Disposition": "inline; filename=\"o.txt\""}))
    remote.on("GET", f"{FED}/download/.*", (404, {"errcode": "M_UNRECOGNIZED", "error": "?"}))
    answer = fetch(alice, f"{V1}/download/{remote.name}/aged")
    assert answer.text == b"old" and answer.headers["Content-Type"] == "text/x-old"
    assert answer.headers["Content-Disposition"] == "attachment; filename=o.txt"
    refused(fetch(alice, f"{V1}/download/{remote.name}/nothing"), 404, "M_NOT_FOUND")


def test_elsewhere(remote, alice):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            assert "Authorization" not in self.headers
            self.send_response(200)
            self.send_header("Content-Type", "text/cdn")
            self.end_headers()
            self.wfile.write(b"from elsewhere")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as cdn:
        threading.Thread(target=cdn.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{cdn.server_address[1]}/x"
        remote.on("GET", f"{FED}/download/moved", multipart(b"", kind="image/png", extra=f"Location: {url}\r\n"))
        assert fetch(alice, f"{V1}/download/{remote.name}/moved").text == b"from elsewhere"
        cdn.shutdown()
    for url in ("file:///etc/passwd", "gopher://127.0.0.1:1/", "http://127.0.0.1:1/"):
        remote.on("GET", f"{FED}/download/bad", multipart(b"", extra=f"Location: {url}\r\n"))
        refused(fetch(alice, f"{V1}/download/{remote.name}/bad"), 502)


def test_hostile_answers(home, remote, alice):
    whole = multipart(b"data")
    hostile = {
        "cut": (200, whole[1][:-12], whole[2]),
        "plain": (200, b"data", {"Content-Type": "image/png"}),
        "headless": (200, whole[1].replace(b"\r\n\r\n", b"\r\n"), whole[2]),
        "endless": multipart(b"x", extra="X: " + "y" * 10000 + "\r\n"),
        "one": (200, b"--b0und\r\nContent-Type: application/json\r\n\r\n{}\r\n--b0und--", whole[2]),
        "unbounded": (200, whole[1], {"Content-Type": "multipart/mixed"}),
        "refused": (403, {"errcode": "M_FORBIDDEN", "error": "no"}),
        "liar": (200, whole[1], {**whole[2], "Content-Length": str(10 ** 12)}),
    }
    for name, answer in hostile.items():
        remote.on("GET", f"{FED}/download/{name}", answer)
        refused(fetch(alice, f"{V1}/download/{remote.name}/{name}"), 502)
        home.sql(f"DELETE FROM destinations WHERE destination = '{remote.name}'")
    nasty = multipart(b"\r\n--b0un\r\n--b0unx\r\r\n-", kind="text/html\x01", extra="Content-Disposition: x; filename=\"../../a\r\n")
    remote.on("GET", f"{FED}/download/nasty", nasty)
    answer = fetch(alice, f"{V1}/download/{remote.name}/nasty")
    assert answer.text == b"\r\n--b0un\r\n--b0unx\r\r\n-" and answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    for name in ("a%20b", "x%2f..", "%2e%2e%2fkeys"):
        assert fetch(alice, f"{V1}/download/{name}/x").status in (400, 404)
