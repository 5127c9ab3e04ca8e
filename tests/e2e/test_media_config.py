"""What the configuration says of files: sizes made when they are asked for, quotas, no freeze, servers that are shut out,
further folders."""

import os
import shutil
import subprocess

import pytest

from lib.pictures import GIF, frames_of, png, size_of
from lib.rooms import refused
from lib.server import quote, request
from lib.wait import until

MEDIA, V1 = "/_matrix/media/v3", "/_matrix/client/v1/media"
CONFIG = {"dynamic_thumbnails": True, "enable_authenticated_media": False, "max_upload_size": "1M", "max_image_pixels": "1M",
          "prevent_media_downloads_from": ["shut.out"], "thumbnail_sizes": [{"width": 20, "height": 10, "method": "scale"}],
          "media_upload_limits": [{"time_period": "1h", "max_size": "1500K", "can_upgrade": True},
                                  {"time_period": "1w", "max_size": "3M", "info_uri": "https://more.example/"}],
          "max_avatar_size": "2K", "allowed_avatar_mimetypes": ["image/png"],
          "rc_media_create": {"per_second": 0.001, "burst_count": 2},
          "media_storage_providers": [
              {"module": "file_system", "store_local": True, "store_synchronous": True, "config": {"directory": "copies"}},
              {"module": "synapse.rest.media.v1.storage_provider", "store_local": True, "store_remote": True,
               "config": {"directory": "later/copies"}},
              {"module": "file_system", "store_remote": True, "config": {"directory": "of_others"}}]}


@pytest.fixture(scope="module")
def server(own):
    with own.running("media_config", monolith=True, extra_config=CONFIG) as server:
        yield server


def send(user, data, kind="a/b"):
    return request("POST", user.server.base_url + MEDIA + "/upload", raw=data,
                   headers={"Authorization": f"Bearer {user.token}", "Content-Type": kind})


def upload(user, data, kind="a/b"):
    return send(user, data, kind).json["content_uri"].removeprefix("mxc://")


def test_any_size_that_is_asked_for(server):
    alice = server.register()
    mxc = upload(alice, png(200, 100), "image/png")

    def made():
        return {tuple(row) for row in server.sql(f"SELECT thumbnail_width, thumbnail_height, thumbnail_type, thumbnail_method FROM"
                                                 f" local_media_repository_thumbnails WHERE media_id = '{mxc.split('/')[1]}'")}
    assert made() == {("20", "10", "image/png", "scale")}
    for asked, found in ((("77", "33", "scale"), (66, 33)), (("50", "60", "crop"), (50, 60)), (("900", "900", "scale"), (200, 100))):
        for _ in range(2):  # made, and then found
            answer = request("GET", f"{server.base_url}{MEDIA}/thumbnail/{mxc}?width={asked[0]}&height={asked[1]}&method={asked[2]}")
            assert size_of(answer.text) == ("image/png", *found)
        assert (asked[0], asked[1], "image/png", asked[2]) in made()
    moving = upload(alice, GIF, "image/gif")
    answer = request("GET", f"{server.base_url}{MEDIA}/thumbnail/{moving}?width=30&height=15&method=crop&animated=true")
    assert size_of(answer.text) == ("image/webp", 30, 15) and frames_of(answer.text) == 3
    refused(request("GET", f"{server.base_url}{MEDIA}/thumbnail/{mxc}?width=100000&height=100000"), 400, "M_UNKNOWN")
    refused(request("GET", f"{server.base_url}{MEDIA}/thumbnail/{upload(alice, b'x')}?width=9&height=9"), 400, "M_UNKNOWN")
    large = upload(alice, png(1100, 1000), "image/png")
    refused(request("GET", f"{server.base_url}{MEDIA}/thumbnail/{large}?width=9&height=9"), 400, "M_UNKNOWN")


def test_quotas(server):
    alice, bob = server.register(), server.register()
    assert alice.ok("GET", V1 + "/config") == {"m.upload.size": 1 << 20}
    refused(send(alice, b"x" * ((1 << 20) + 1)), 413, "M_TOO_LARGE")
    assert send(alice, b"x" * 1_000_000).status == 200
    told = refused(send(alice, b"x" * 1_000_000), 403, "M_USER_LIMIT_EXCEEDED")
    assert told["can_upgrade"] is True and told["info_uri"].endswith("/_synapse/client/media_upload_limit_exceeded")
    page = request("GET", server.base_url + "/_synapse/client/media_upload_limit_exceeded")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html") and b"No more files" in page.text
    assert send(alice, b"x" * 400_000).status == 200 and send(bob, b"x" * 1_000_000).status == 200
    server.sql(f"UPDATE local_media_repository SET created_ts = created_ts - 7200000, media_length = 3000000 WHERE user_id = '{alice.user_id}'")
    told = refused(send(alice, b"x" * 400_000), 403, "M_USER_LIMIT_EXCEEDED")
    assert told["info_uri"] == "https://more.example/" and "can_upgrade" not in told
    created = [bob.call("POST", "/_matrix/media/v1/create", {}).status for _ in range(3)]
    assert created == [200, 200, 429]


def test_without_the_freeze(server):
    mxc = upload(server.register(), b"open")
    assert server.sql(f"SELECT authenticated FROM local_media_repository WHERE media_id = '{mxc.split('/')[1]}'") == [["f"]]
    for path in (f"{MEDIA}/download/{mxc}", f"/_matrix/media/r0/download/{mxc}/name.bin"):
        assert request("GET", server.base_url + path).text == b"open"
    refused(request("GET", f"{server.base_url}{MEDIA}/download/shut.out/x"), 404, "M_NOT_FOUND")
    refused(request("GET", f"{server.base_url}{MEDIA}/download/elsewhere.invalid/x?allow_remote=false"), 404, "M_NOT_FOUND")
    refused(request("GET", f"{server.base_url}{MEDIA}/download/elsewhere.invalid/x"), 502)


def test_avatars_that_are_allowed(server):
    alice = server.register()
    mxc = "mxc://" + upload(alice, png(20, 20), "image/png")
    large, gif, nowhere = "mxc://" + upload(alice, png(20, 20) + os.urandom(2048), "image/png"), "mxc://" + upload(alice, GIF, "image/gif"), "mxc://elsewhere/x"
    profile = f"/_matrix/client/v3/profile/{quote(alice.user_id)}/avatar_url"
    for url in (large, gif, nowhere, f"mxc://{server.deployment.server_name}/nope", "https://no.mxc/"):
        refused(alice.call("PUT", profile, {"avatar_url": url}), 403, "M_FORBIDDEN")
    alice.ok("PUT", profile, {"avatar_url": mxc})
    alice.ok("PUT", profile, {"avatar_url": ""})
    alice.ok("PUT", profile, {"avatar_url": mxc})
    room = alice.create_room()
    member = {"membership": "join", "avatar_url": gif}
    path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.member/{quote(alice.user_id)}"
    refused(alice.call("PUT", path, member), 403, "M_FORBIDDEN")
    alice.ok("PUT", path, {**member, "avatar_url": mxc})


def below(root):
    """{path of each file: its bytes}"""
    found = {}
    for folder, _, names in os.walk(root):
        if os.path.basename(folder) != "ganglion_unfinished":
            found.update({os.path.relpath(os.path.join(folder, n), root): open(os.path.join(folder, n), "rb").read() for n in names})
    return found


def test_further_folders(server):
    """Copies lie where the originals do, and serve for them; what is lost is read from them."""
    home = server.deployment.folder
    own, copies, later, others = (os.path.join(home, name) for name in ("media", "copies", "later/copies", "of_others"))
    data = png(120, 90)
    mxc = upload(server.register(), data, "image/png")
    media_id = mxc.split("/")[1]
    place = os.path.join(media_id[:2], media_id[2:4], media_id[4:])
    mine = {path: content for path, content in below(own).items() if place in path}
    assert len(mine) == 2  # and its thumbnail
    assert mine.items() <= below(copies).items()  # when the upload was answered
    until(lambda: mine.items() <= below(later).items(), 20)
    assert below(others) == {}
    for path in mine:
        os.unlink(os.path.join(own, path))
        os.unlink(os.path.join(copies, path))
    for query, size in (("", (120, 90)), ("?width=20&height=10&method=scale", (13, 10)), ("?width=11&height=11&method=crop", (11, 11))):
        kind = "thumbnail" if query else "download"
        answer = request("GET", f"{server.base_url}{MEDIA}/{kind}/{mxc}{query}")
        assert answer.status == 200 and size_of(answer.text) == ("image/png", *size), (query, answer)
    assert open(os.path.join(own, "local_content", place), "rb").read() == data  # for the new size
    assert any(place in path and "11-11" in path for path in below(copies))
    os.unlink(os.path.join(own, "local_content", place))
    os.unlink(os.path.join(later, "local_content", place))
    refused(request("GET", f"{server.base_url}{MEDIA}/download/{mxc}"), 404, "M_NOT_FOUND")


def test_a_folder_that_takes_nothing(server):
    """An upload that waits for its copy fails with it, and leaves nothing behind."""
    alice, home = server.register(), server.deployment.folder
    before = below(os.path.join(home, "media"))
    shutil.move(os.path.join(home, "copies"), os.path.join(home, "away"))
    with open(os.path.join(home, "copies"), "w", encoding="utf-8"):  # no folder
        pass
    try:
        assert send(alice, b"lost").status == 500
        assert below(os.path.join(home, "media")) == before
        assert server.sql(f"SELECT count(*) FROM local_media_repository WHERE user_id = '{alice.user_id}'") == [["0"]]
    finally:
        os.unlink(os.path.join(home, "copies"))
        shutil.move(os.path.join(home, "away"), os.path.join(home, "copies"))
    assert send(alice, b"kept").status == 200


@pytest.mark.parametrize("stores, told", [
    ("[{module: s3_storage_provider.S3StorageProviderBackend, config: {bucket: b}}]", "s3_storage_provider.S3StorageProviderBackend"),
    ("[{module: file_system}]", "directory"), ("[{}]", "module"),
    ("[{module: file_system, config: {directory: a}}]\nbackup_media_store_path: b", "exclude each other")])
def test_stores_that_are_refused(server, tmp_path, stores, told):
    deployment, extra = server.deployment, tmp_path / "extra.yaml"
    extra.write_text(f"media_storage_providers: {stores}\n")
    done = subprocess.run([*deployment.command(), "-c", str(extra), "-n"], env=deployment.environment(), cwd=deployment.folder,
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and told in done.stderr + done.stdout, done
