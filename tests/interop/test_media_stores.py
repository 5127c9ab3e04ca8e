"""One store of files for Synapse's main process and our media worker; and files between a real Synapse and a server of ours."""

import os
import shutil

import pytest

from deployment.deployment import Deployment, Federation
from deployment.layout import Worker
from lib.certificates import Authority
from lib.mixed import Mixed
from lib.pictures import GIF, JPEG_TURNED, png, size_of
from lib.server import Server, quote, request

V1, OLD = "/_matrix/client/v1/media", "/_matrix/media/v3"
COMPARED = ("Content-Type", "Content-Length", "Content-Disposition", "Cache-Control", "ETag", "Cross-Origin-Resource-Policy",
            "X-Robots-Tag", "Referrer-Policy", "X-Content-Security-Policy")
PLENTY = {"per_second": 1000, "burst_count": 1000}


@pytest.fixture(scope="module")
def servers(build, folder, postgres):
    """(Synapse with our media worker beside it, a server of ours)"""
    authority = Authority(os.path.join(folder, "media-certificates"))
    made = []

    def deploy(kind, name, **options):
        federation = Federation(*authority.certificate(), authority.ca)
        postgres.sql(f"DROP DATABASE IF EXISTS {name}")
        made.append(kind(os.path.join(folder, name), build, postgres, database=name, server_name=federation.server_name,
                         federation=federation, front=False, bcrypt_rounds=4, **options))
        made[-1].start()
        server = Server(made[-1])
        server.base_url = f"http://127.0.0.1:{made[-1].main.port}"
        return server
    try:
        yield (deploy(Mixed, "media_mixed", python={"main"}, stream_writers={"events": ["master"]},
                      workers=[Worker("media1", "synapse.app.media_repository", ["media"])],
                      extra_config={"enable_media_repo": True, "media_instance_running_background_jobs": "media1",
                                    "rc_media_create": PLENTY, "max_pending_media_uploads": 1000,
                                    "media_storage_providers": [
                                        {"module": "file_system", "store_local": True, "store_remote": True, "store_synchronous": True,
                                         "config": {"directory": os.path.join(folder, "media-copies")}}]}),
               deploy(Deployment, "media_ours", monolith=True))
    finally:
        for deployment in made:
            deployment.stop()


@pytest.fixture(scope="module")
def alice(servers):
    return servers[0].register()


@pytest.fixture(scope="module")
def sides(servers):
    """Synapse's port and ours."""
    mixed = servers[0].deployment
    return f"http://127.0.0.1:{mixed.main.port}", f"http://127.0.0.1:{mixed.workers[0].port}"


def send(user, base, method, path, data, kind="application/octet-stream"):
    return request(method, base + path, raw=data, headers={"Authorization": f"Bearer {user.token}", "Content-Type": kind})


def upload(user, base, data, kind, name="file.bin"):
    answer = send(user, base, "POST", f"{OLD}/upload?filename={quote(name)}", data, kind)
    assert answer.status == 200, answer
    return answer.json["content_uri"].removeprefix("mxc://")


def fetch(user, base, path, **headers):
    return request("GET", base + path, headers={"Authorization": f"Bearer {user.token}", **headers})


FILES = [(b"text", "text/plain", "a.txt"), (b"<svg/>", "image/svg+xml", "b c.svg"), (b"{}", "application/json", "ü.json"),
         (png(400, 300), "image/png", "p.png"), (GIF, "image/gif", "g.gif"), (JPEG_TURNED, "image/jpeg", "j.jpg"),
         (b"x" * 100_000, "Video/MP4; codecs=x", "v.mp4")]


@pytest.mark.parametrize("data, kind, name", FILES, ids=[f[2] for f in FILES])
def test_either_serves_what_the_other_stored(alice, sides, data, kind, name):
    made = {}
    for base in sides:
        mxc = upload(alice, base, data, kind, name)
        answers = [fetch(alice, side, f"{V1}/download/{mxc}") for side in sides]
        assert [a.text for a in answers] == [data, data]
        for header in COMPARED:
            assert answers[0].headers[header] == answers[1].headers[header], header
        assert [fetch(alice, side, f"{V1}/download/{mxc}", **{"If-None-Match": "1"}).status for side in sides] == [304, 304]
        made[base] = mxc
    rows = [sorted(sides_rows(alice, mxc)) for mxc in made.values()]
    assert rows[0] == rows[1]
    for query in ("width=32&height=32&method=crop", "width=100&height=100", "width=9&height=9&method=scale&animated=true"):
        for mxc in made.values():
            answers = [fetch(alice, side, f"{V1}/thumbnail/{mxc}?{query}") for side in sides]
            assert answers[0].status == answers[1].status, (query, answers)
            assert answers[0].text == answers[1].text or answers[0].status == 400
        sizes = {size_of(fetch(alice, sides[0], f"{V1}/thumbnail/{mxc}?{query}").text) for mxc in made.values()} \
            if answers[0].status == 200 else {None}
        assert len(sizes) == 1, sizes


def sides_rows(user, mxc):
    return user.server.sql(f"SELECT thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method FROM"
                           f" local_media_repository_thumbnails WHERE media_id = '{mxc.split('/')[1]}'")


def test_either_reads_the_copies_of_the_other(alice, servers, sides, folder):
    """In a further folder (media_storage_providers); what is there alone is served by both, also when it must be made smaller."""
    own, copies = os.path.join(servers[0].deployment.folder, "media"), os.path.join(folder, "media-copies")
    for base in sides:
        data = png(500, 400)
        media_id = upload(alice, base, data, "image/png").split("/")[1]
        place = os.path.join(media_id[:2], media_id[2:4], media_id[4:])
        names = sorted(os.listdir(os.path.join(copies, "local_thumbnails", place)))
        assert names == sorted(os.listdir(os.path.join(own, "local_thumbnails", place))) and len(names) > 1
        assert open(os.path.join(copies, "local_content", place), "rb").read() == data
        for side in sides:
            for root in (own, copies) if side == sides[1] else (own,):
                shutil.rmtree(os.path.join(root, "local_thumbnails", place), ignore_errors=True)
            if os.path.exists(os.path.join(own, "local_content", place)):
                os.unlink(os.path.join(own, "local_content", place))
            path = f"{servers[0].name}/{media_id}"
            assert fetch(alice, side, f"{V1}/download/{path}").text == data
            assert size_of(fetch(alice, side, f"{V1}/thumbnail/{path}?width=32&height=32&method=crop").text) == ("image/png", 32, 32)


def test_the_same_refusals(alice, servers, sides):
    name = servers[0].name
    mxc = upload(alice, sides[0], png(40, 40), "image/png")
    text = upload(alice, sides[0], b"t", "text/plain")
    pending = alice.ok("POST", "/_matrix/media/v1/create", {})["content_uri"].removeprefix("mxc://")
    bob = servers[0].register()
    for user, method, path in [
            (alice, "GET", f"{V1}/download/{name}/unknown"), (alice, "GET", f"{OLD}/download/{mxc}"),
            (alice, "GET", f"{OLD}/thumbnail/{mxc}?width=1&height=1"), (alice, "GET", f"{V1}/thumbnail/{mxc}"),
            (alice, "GET", f"{V1}/thumbnail/{mxc}?width=a&height=1"), (alice, "GET", f"{V1}/thumbnail/{mxc}?width=1&height=1&method=x"),
            (alice, "GET", f"{V1}/thumbnail/{text}?width=1&height=1"), (alice, "GET", f"{V1}/thumbnail/{mxc}?width=1&height=1&animated=2"),
            (alice, "GET", f"{V1}/download/{pending}?timeout_ms=0"), (alice, "GET", f"{V1}/download/{mxc}?timeout_ms=x"),
            (alice, "GET", f"{V1}/download/{mxc}?admin_unsafely_bypass_quarantine=true"),
            (alice, "GET", f"{OLD}/download/elsewhere.invalid/x?allow_remote=false"),
            (bob, "PUT", f"{OLD}/upload/{pending}"), (alice, "PUT", f"{OLD}/upload/{mxc}"), (alice, "PUT", f"{OLD}/upload/other/x"),
            (alice, "PUT", f"{OLD}/upload/{name}/unknown"), (alice, "GET", f"{V1}/config"), (alice, "GET", f"{OLD}/config")]:
        answers = [request(method, base + path, raw=b"x" if method == "PUT" else None,
                           headers={"Authorization": f"Bearer {user.token}"}) for base in sides]
        told = [(a.status, a.json.get("errcode"), a.json.get("error")) for a in answers]
        assert told[0][:2] == told[1][:2], (path, told)
    ours = fetch(alice, sides[1], f"{V1}/download/{name}/unknown").json
    assert ours == fetch(alice, sides[0], f"{V1}/download/{name}/unknown").json


def test_between_servers(servers, alice):
    synapse, ours = servers
    bob, data = ours.register(), png(120, 90)
    theirs = upload(alice, synapse.base_url, data, "image/png", "from synapse.png")
    mine = upload(bob, ours.base_url, data, "image/png", "from ganglion.png")
    for user, mxc, name in ((bob, theirs, "from%20synapse.png"), (alice, mine, "from%20ganglion.png")):
        base = user.server.base_url
        answer = fetch(user, base, f"{V1}/download/{mxc}")
        assert answer.status == 200 and answer.text == data, answer
        assert answer.headers["Content-Type"] == "image/png" and answer.headers["Content-Disposition"].endswith(name)
        assert size_of(fetch(user, base, f"{V1}/thumbnail/{mxc}?width=32&height=32&method=crop").text) == ("image/png", 32, 32)
        origin = mxc.split("/")[0]
        answer = fetch(user, base, f"{V1}/download/{origin}/unknown")
        assert answer.status == 404 and answer.json["errcode"] == "M_NOT_FOUND"
