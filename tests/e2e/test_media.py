"""Uploads, downloads and thumbnails of one server."""

import hashlib
import os
import threading
import urllib.error
import urllib.request

import pytest

from lib.pictures import GIF, JPEG_TURNED, WEBP_CLEAR, frames_of, png, size_of
from lib.rooms import refused
from lib.server import quote, request
from lib.wait import until

MEDIA = "/_matrix/media/v3"
V1 = "/_matrix/client/v1/media"


@pytest.fixture(scope="module")
def alice(server):
    return server.register()


def send(user, method, path, data, kind="application/octet-stream", **headers):
    headers = {"Authorization": f"Bearer {user.token}", **({"Content-Type": kind} if kind else {}), **headers}
    return request(method, user.server.base_url + path, headers=headers, raw=data)


def upload(user, data, kind="application/octet-stream", name=None):
    answer = send(user, "POST", MEDIA + "/upload" + (f"?filename={quote(name)}" if name else ""), data, kind)
    assert answer.status == 200, answer
    scheme, server_name, media_id = answer.json["content_uri"].replace("://", "/").split("/")
    assert scheme == "mxc" and len(media_id) == 24
    return f"{server_name}/{media_id}"


def fetch(user, path, **headers):
    return request("GET", user.server.base_url + path, headers={"Authorization": f"Bearer {user.token}", **headers})


def thumbnail(user, mxc, width, height, method=None, **query):
    query = {"width": width, "height": height, **({"method": method} if method else {}), **query}
    return fetch(user, f"{V1}/thumbnail/{mxc}?" + "&".join(f"{k}={v}" for k, v in query.items()))


def stored(server, mxc, folder="local_content"):
    media_id = mxc.split("/")[1]
    return os.path.join(server.deployment.folder, "media", folder, media_id[:2], media_id[2:4], media_id[4:])


def test_a_file_goes_round(server, alice):
    data = os.urandom(300_000)
    mxc = upload(alice, data, "text/plain", "cats & dogs.txt")
    assert open(stored(server, mxc), "rb").read() == data
    row = server.sql(f"SELECT media_type, media_length, upload_name, user_id, sha256, authenticated, url_cache"
                     f" FROM local_media_repository WHERE media_id = '{mxc.split('/')[1]}'")
    assert row == [["text/plain", "300000", "cats & dogs.txt", alice.user_id, hashlib.sha256(data).hexdigest(), "t", ""]]
    answer = fetch(alice, f"{V1}/download/{mxc}")
    assert answer.status == 200 and answer.text == data
    headers = answer.headers
    assert headers["Content-Type"] == "text/plain; charset=UTF-8" and headers["Content-Length"] == "300000"
    assert headers["Content-Disposition"] == "inline; filename*=utf-8''cats%20%26%20dogs.txt"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin" and headers["Content-Security-Policy"].startswith("sandbox;")
    assert headers["ETag"] == "1" and "max-age=86400" in headers["Cache-Control"] and headers["Referrer-Policy"] == "no-referrer"
    refused(send(alice, "POST", MEDIA + "/upload?filename=%FF", b"x", "x/y"), 400, "M_INVALID_PARAM")
    refused(fetch(alice, f"{V1}/download/{mxc}?timeout_ms=-1"), 400, "M_INVALID_PARAM")
    assert fetch(alice, f"{V1}/download/{mxc}/other.bin").headers["Content-Disposition"] == "inline; filename=other.bin"
    assert fetch(alice, f"{V1}/download/{mxc}", **{"If-None-Match": "1"}).status == 304
    page = upload(alice, b"<script>1</script>", "text/html")
    assert fetch(alice, f"{V1}/download/{page}").headers["Content-Disposition"] == "attachment"


def test_ranges(alice):
    data = os.urandom(100_000)
    path = f"{V1}/download/{upload(alice, data)}"
    for header, part, told in (("bytes=0-9", data[:10], "bytes 0-9/100000"), ("bytes=-5", data[-5:], "bytes 99995-99999/100000"),
                               ("bytes=50000-", data[50000:], "bytes 50000-99999/100000")):
        answer = fetch(alice, path, Range=header)
        assert answer.status == 206 and answer.text == part and answer.headers["Content-Range"] == told
    beyond = fetch(alice, path, Range="bytes=100000-")
    assert beyond.status == 416 and beyond.headers["Content-Range"] == "bytes */100000"
    for header in ("bytes=1-2,5-6", "bytes=9-1", "lines=1-2", "bytes=x", "bytes=--1"):
        assert fetch(alice, path, Range=header).text == data
    assert fetch(alice, path, Range="bytes=0-9", **{"If-Range": "2"}).status == 200
    assert fetch(alice, path, Range="bytes=0-9", **{"If-Range": '"1"'}).status == 206


def test_who_may_see(server, alice):
    mxc = upload(alice, b"secret")
    for path in (f"{MEDIA}/download/{mxc}", f"{MEDIA}/thumbnail/{mxc}?width=1&height=1"):
        refused(request("GET", server.base_url + path), 404, "M_NOT_FOUND")
    refused(request("GET", f"{server.base_url}{V1}/download/{mxc}"), 401, "M_MISSING_TOKEN")
    refused(request("POST", server.base_url + MEDIA + "/upload", raw=b"x"), 401, "M_MISSING_TOKEN")
    media_id = mxc.split("/")[1]
    server.sql(f"UPDATE local_media_repository SET authenticated = false WHERE media_id = '{media_id}'")  # of before the freeze
    for version in ("r0", "v1", "v3"):
        answer = request("GET", f"{server.base_url}/_matrix/media/{version}/download/{mxc}")
        assert answer.status == 200 and answer.text == b"secret"
    server.sql(f"UPDATE local_media_repository SET quarantined_by = 'x' WHERE media_id = '{media_id}'")
    refused(fetch(alice, f"{V1}/download/{mxc}"), 404, "M_NOT_FOUND")
    refused(fetch(alice, f"{V1}/download/{mxc}?admin_unsafely_bypass_quarantine=true"), 400)
    again = upload(alice, b"secret")  # the same content is put away, too
    refused(fetch(alice, f"{V1}/download/{again}"), 404, "M_NOT_FOUND")


def test_what_is_refused(server, alice):
    ours = server.deployment.server_name
    for media_id in ("nothing", "..", "%2e%2e%2f%2e%2e%2fkeys", "a" * 300, "%00", "ab%2Fcd", "%ff"):
        answer = fetch(alice, f"{V1}/download/{ours}/{media_id}")
        assert answer.status in (400, 404), (media_id, answer)  # by the proxy in front, some
    refused(fetch(alice, f"{V1}/download/bad%20name/x"), 400)
    mxc = upload(alice, b"")
    assert fetch(alice, f"{V1}/download/{mxc}").text == b""
    refused(thumbnail(alice, mxc, 0, 10), 400)
    refused(fetch(alice, f"{V1}/thumbnail/{mxc}"), 400, "M_MISSING_PARAM")
    refused(thumbnail(alice, mxc, 10, 10), 400, "M_UNKNOWN")
    size = alice.ok("GET", V1 + "/config")["m.upload.size"]
    assert alice.ok("GET", MEDIA + "/config") == {"m.upload.size": size}
    too_large = urllib.request.Request(server.base_url + MEDIA + "/upload", data=b"x", method="POST",
                                       headers={"Authorization": f"Bearer {alice.token}", "Content-Length": str(size + 1)})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(too_large, timeout=20)
    assert error.value.code == 413
    guest = request("POST", server.base_url + "/_matrix/client/v3/register?kind=guest", {})
    if guest.status == 200:
        refused(request("POST", server.base_url + MEDIA + "/upload", raw=b"x",
                        headers={"Authorization": f"Bearer {guest.json['access_token']}"}), 403)


def test_announced_first(server, alice):
    made = alice.ok("POST", "/_matrix/media/v1/create", {})
    mxc = made["content_uri"].removeprefix("mxc://")
    assert made["unused_expires_at"] > 0
    refused(fetch(alice, f"{V1}/download/{mxc}?timeout_ms=0"), 504, "M_NOT_YET_UPLOADED")
    found = []
    waiting = threading.Thread(target=lambda: found.append(fetch(alice, f"{V1}/download/{mxc}?timeout_ms=20000")))
    waiting.start()
    bob = server.register()
    refused(send(bob, "PUT", f"{MEDIA}/upload/{mxc}", b"theirs"), 403, "M_FORBIDDEN")
    assert send(alice, "PUT", f"{MEDIA}/upload/{mxc}?filename=a", b"content", "x/y").json == {}
    waiting.join(30)
    assert found[0].text == b"content" and found[0].headers["Content-Type"] == "x/y"
    refused(send(alice, "PUT", f"{MEDIA}/upload/{mxc}", b"more"), 409, "M_CANNOT_OVERWRITE_MEDIA")
    refused(send(alice, "PUT", f"{MEDIA}/upload/elsewhere/abc", b"x"), 404, "M_NOT_FOUND")
    refused(send(alice, "PUT", f"{MEDIA}/upload/{server.deployment.server_name}/unknown", b"x"), 404, "M_NOT_FOUND")
    pending = [bob.ok("POST", "/_matrix/media/v1/create", {}) for _ in range(5)]
    late = bob.call("POST", "/_matrix/media/v1/create", {})
    assert late.status == 429 and late.json["retry_after_ms"] > 0
    old = pending[0]["content_uri"].rsplit("/", 1)[1]
    server.sql(f"UPDATE local_media_repository SET created_ts = 1 WHERE media_id = '{old}'")
    refused(send(bob, "PUT", f"{MEDIA}/upload/{server.deployment.server_name}/{old}", b"x"), 404, "M_NOT_FOUND")


def test_thumbnails(server, alice):
    mxc = upload(alice, png(800, 600), "image/png")
    rows = server.sql(f"SELECT thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method FROM"
                      f" local_media_repository_thumbnails WHERE media_id = '{mxc.split('/')[1]}' ORDER BY 1")
    assert rows == [["32", "32", "image/png", "crop"], ["96", "96", "image/png", "crop"], ["320", "240", "image/png", "scale"],
                    ["640", "480", "image/png", "scale"], ["800", "600", "image/png", "scale"]]
    assert os.path.exists(os.path.join(stored(server, mxc, "local_thumbnails"), "96-96-image-png-crop"))
    for asked, found in (((30, 30, "crop"), (32, 32)), ((90, 80, "crop"), (96, 96)), ((300, 200, "scale"), (320, 240)),
                         ((5000, 5000, "scale"), (800, 600)), ((641, 100), (640, 480))):
        answer = thumbnail(alice, mxc, *asked)
        assert answer.status == 200 and size_of(answer.text) == ("image/png", *found), (asked, answer.status)
    os.unlink(os.path.join(stored(server, mxc, "local_thumbnails"), "32-32-image-png-crop"))
    assert size_of(thumbnail(alice, mxc, 32, 32, "crop").text) == ("image/png", 32, 32)  # made anew
    turned = upload(alice, JPEG_TURNED, "image/jpeg")
    assert size_of(thumbnail(alice, turned, 320, 240).text) == ("image/jpeg", 40, 80)
    clear = upload(alice, WEBP_CLEAR, "image/webp")
    assert size_of(thumbnail(alice, clear, 320, 240).text) == ("image/png", 60, 40)
    moving = upload(alice, GIF, "image/gif")
    assert size_of(thumbnail(alice, moving, 320, 240).text) == ("image/png", 40, 30)
    lively = thumbnail(alice, moving, 320, 240, animated="true")
    assert size_of(lively.text) == ("image/webp", 40, 30) and frames_of(lively.text) == 3


def test_pictures_that_are_none(server, alice):
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>'
    for data in (svg, b"\x89PNG\r\n\x1a\n" + svg, b"GIF89a", b"\xff\xd8\xff" + os.urandom(500), b"%PDF-1.4",
                 png(10, 10, claimed=(60000, 60000)), png(10, 10)[:40], b"RIFF\0\0\0\0WEBPVP8X"):
        mxc = upload(alice, data, "image/png")
        refused(thumbnail(alice, mxc, 32, 32, "crop"), 400, "M_UNKNOWN")
        assert fetch(alice, f"{V1}/download/{mxc}").text == data
    bomb = upload(alice, png(6000, 6000), "image/png")  # 108 MB out of 100 KB; more pixels than are scaled
    refused(thumbnail(alice, bomb, 32, 32, "crop"), 400, "M_UNKNOWN")
    first = GIF.index(b"\x21\xf9\x04")
    endless = upload(alice, GIF[:first] + GIF[first:-1] * 300 + GIF[-1:], "image/gif")  # 900 frames: only the first is kept
    still = thumbnail(alice, endless, 320, 240, animated="true")
    assert size_of(still.text) == ("image/webp", 40, 30) and frames_of(still.text) == 0
    disguised = upload(alice, png(40, 40), "image/jpeg")  # told by its bytes
    assert size_of(thumbnail(alice, disguised, 32, 32, "crop").text) == ("image/jpeg", 32, 32)


def test_large_files_in_parallel(server, alice):
    data = os.urandom(8_000_000)
    done = []

    def one():
        mxc = upload(alice, data)
        done.append(fetch(alice, f"{V1}/download/{mxc}").text == data)
    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert done == [True] * 4
    left = os.path.join(server.deployment.folder, "media", "ganglion_unfinished")
    until(lambda: os.listdir(left) == [])


def test_any_worker_knows_the_way(server, alice):
    mxc = upload(alice, b"way")
    for worker in [w for w in server.deployment.workers if w.app.endswith(".generic_worker") and w.port][:2]:
        assert alice.call("GET", f"{V1}/download/{mxc}", base=server.worker_url(worker.name)).text == b"way"
