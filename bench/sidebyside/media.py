"""What files cost: uploaded, fetched, and made smaller."""

import itertools
import struct
import zlib

from lib.server import request

from .cases import Case
from .load import raw

UPLOAD, DOWNLOAD = "/_matrix/media/v3/upload", "/_matrix/client/v1/media/download/"
LARGE = bytes(range(256)) * 4096  # 1 MiB
SMALL = LARGE[:10240]  # as an avatar


def picture(width, height):
    """A PNG with colours that run into each other."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, y * 255 // height, (x + y) % 256))
                    for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


PICTURE = picture(1600, 1200)


def port(world):
    """Of the process that serves files."""
    media = [w for w in world.side.deployment.workers if w.app.endswith("media_repository")]
    return media[0].port if media else world.side.deployment.main.port


def uploads(data, kind):
    def requests(world, n):
        users = itertools.cycle(world.users(4))
        return [(port(world), raw("POST", UPLOAD, user.token, None, {"Content-Type": kind, "Content-Length": str(len(data))}) + data, 1)
                for user in itertools.islice(users, n)]

    return requests


def uploaded(world, data, kind):
    answer = request("POST", f"http://127.0.0.1:{port(world)}{UPLOAD}", raw=data,
                     headers={"Authorization": f"Bearer {world.alice.token}", "Content-Type": kind})
    return answer.json["content_uri"].removeprefix("mxc://")


def downloads(data):
    def requests(world, n):
        mxc = world.once(f"{len(data)} bytes", lambda: uploaded(world, data, "application/octet-stream"))
        return [(port(world), raw("GET", DOWNLOAD + mxc, world.alice.token), n)]

    return requests


def thumbnails(world, n):
    mxc = world.once("a picture", lambda: uploaded(world, PICTURE, "image/png"))
    path = f"/_matrix/client/v1/media/thumbnail/{mxc}?width=96&height=96&method=crop"
    return [(port(world), raw("GET", path, world.alice.token), n)]


#: counts are (Ganglion, Synapse)
CASES = {
    "upload, 1 MiB": Case(uploads(LARGE, "application/octet-stream"), (50, 10), (300, 40), 4),
    "upload, 10 KiB": Case(uploads(SMALL, "application/octet-stream"), (100, 10), (1000, 100), 4),
    "download, 1 MiB": Case(downloads(LARGE), (100, 10), (2000, 60), 4),
    "download, 10 KiB": Case(downloads(SMALL), (500, 20), (10000, 300), 4),
    "thumbnail, made before": Case(thumbnails, (300, 20), (5000, 200), 4),
    "picture, 5 thumbnails": Case(uploads(PICTURE, "image/png"), (10, 5), (40, 16), 4),
}
