"""A media_repository of a split is killed again and again while users upload, pictures are made smaller and files of another
server are fetched for many: what was acknowledged is whole, and nothing that is half written has a name."""

import hashlib
import http.client
import itertools
import os
import random
import threading
import time
import urllib.error

import pytest

from deployment.layout import Worker
from lib.certificates import Authority
from lib.pictures import png, size_of
from lib.remote import Remote
from lib.server import request
from lib.wait import until

UPLOAD, V1, FED = "/_matrix/media/v3/upload", "/_matrix/client/v1/media", "/_matrix/federation/v1/media"
KILLS, UPLOADERS, ASKERS = 3, 4, 6


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(os.path.join(folder, "killed-certificates"))


@pytest.fixture(scope="module")
def server(own, authority):
    deployment = own.make("media_killed", authority=authority, front=False, stream_writers={"events": ["master"]},
                          workers=[Worker("media1", "synapse.app.media_repository", ["media"])],
                          extra_config={"enable_media_repo": False, "media_instance_running_background_jobs": "media1"})
    with own.run(deployment) as server:
        server.base_url = f"http://127.0.0.1:{deployment.main.port}"
        yield server


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Load:
    """Until stop(): everybody does what they do again and again; who meets a dead process tries again."""

    def __init__(self, server, remote):
        self.user, self.base = server.register(), server.worker_url("media1")
        self.remote, self.ended = remote, threading.Event()
        self.kept, self.sent, self.fetched, self.wrong = {}, set(), 0, []  # kept: mxc -> (hash, kind), what was acknowledged
        self.threads = [threading.Thread(target=self.upload, args=(i,)) for i in range(UPLOADERS)]
        self.threads += [threading.Thread(target=self.ask, args=(i,)) for i in range(ASKERS)]
        for thread in self.threads:
            thread.start()

    def call(self, method, path, **options):
        try:
            return request(method, self.base + path, headers={"Authorization": f"Bearer {self.user.token}", **options.pop("headers", {})}, **options)
        except (OSError, urllib.error.URLError, http.client.HTTPException):
            time.sleep(0.05)
            return None

    def upload(self, number):
        chance = random.Random(number)
        while not self.ended.is_set():
            kind = "image/png" if number % 2 else "a/b"
            data = png(chance.randint(500, 800), 400, chance.randbytes(3)) if number % 2 else chance.randbytes(chance.choice((100, 20_000, 1_500_000)))
            self.sent.add(digest(data))
            answer = self.call("POST", UPLOAD, raw=data, headers={"Content-Type": kind})
            if answer is not None and answer.status == 200:
                self.kept[answer.json["content_uri"].removeprefix("mxc://")] = digest(data), kind

    def ask(self, number):
        for i in itertools.count():
            if self.ended.is_set():
                return
            media_id = f"f{i // 3}"  # several at once want the same one, and some have it already
            answer = self.call("GET", f"{V1}/download/{self.remote.name}/{media_id}")
            if answer is None or answer.status != 200:
                continue
            self.fetched += 1
            if answer.text != theirs(media_id):
                self.wrong.append(media_id)

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self.threads)


def theirs(media_id):
    return random.Random(media_id).randbytes(200_000)


def give(asked, media_id):
    time.sleep(0.05)
    return 200, b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: a/b\r\n\r\n" + theirs(media_id) + b"\r\n--b--", \
        {"Content-Type": "multipart/mixed; boundary=b"}


def files_below(root):
    return {os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names}


def content(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def split(media_id):
    return os.path.join(media_id[:2], media_id[2:4], media_id[4:])


def check_own(server, store, load):
    rows = server.sql("SELECT media_id, sha256, media_length FROM local_media_repository WHERE media_length IS NOT NULL")
    for media_id, sha256, length in rows:
        data = content(store, "local_content", split(media_id))
        assert (digest(data), str(len(data))) == (sha256, length)
    assert {mxc.split("/")[1] for mxc in load.kept} <= {row[0] for row in rows}
    for path in files_below(os.path.join(store, "local_content")):  # a name without a row may be there; half a file may not
        assert digest(content(path)) in load.sent, path
    for media_id, width, height, length in server.sql("SELECT media_id, thumbnail_width, thumbnail_height, thumbnail_length FROM"
                                                      " local_media_repository_thumbnails"):
        folder = os.path.join(store, "local_thumbnails", split(media_id))
        [name] = [n for n in os.listdir(folder) if n.startswith(f"{width}-{height}-")]
        data = content(folder, name)
        assert len(data) == int(length) and data.endswith(b"IEND\xaeB`\x82") and size_of(data)[1:] == (int(width), int(height))


def check_theirs(server, store, remote):
    rows = server.sql("SELECT media_id, filesystem_id, sha256 FROM remote_media_cache")
    assert rows
    for media_id, file_id, sha256 in rows:
        data = content(store, "remote_content", remote.name, split(file_id))
        assert data == theirs(media_id) and digest(data) == sha256
    for path in files_below(os.path.join(store, "remote_content")):
        assert len(content(path)) == 200_000, path


def test_killed_under_load(server, authority):
    remote, deployment = Remote(authority), server.deployment
    store, worker = os.path.join(deployment.folder, "media"), deployment.workers[0]
    unfinished = os.path.join(store, "ganglion_unfinished")
    remote.on("GET", f"{FED}/download/(f[0-9]+)", give)
    load = Load(server, remote)
    try:
        for _ in range(KILLS):
            kept, fetched = len(load.kept), load.fetched
            until(lambda k=kept, f=fetched: len(load.kept) >= k + 12 and load.fetched >= f + 12)
            deployment.processes["media1"].kill()
            deployment.start_process(worker)
        kept = len(load.kept)
        until(lambda: len(load.kept) >= kept + 4)
    finally:
        load.stop()
        remote.stop()
    assert load.wrong == []
    check_own(server, store, load)
    check_theirs(server, store, remote)
    for mxc, (sha256, kind) in load.kept.items():
        answer = load.call("GET", f"{V1}/download/{mxc}")
        assert answer.status == 200 and digest(answer.text) == sha256, mxc
        if kind == "image/png":
            assert load.call("GET", f"{V1}/thumbnail/{mxc}?width=32&height=32&method=crop").status == 200
    # What the kills left goes once it is a day old, when a process starts.
    until(lambda: len(os.listdir(unfinished)) <= KILLS * (UPLOADERS * 6 + ASKERS))  # nothing runs any more but what was left
    open(os.path.join(unfinished, "left"), "wb").close()
    for name in os.listdir(unfinished):
        os.utime(os.path.join(unfinished, name), (1, 1))
    open(os.path.join(unfinished, "fresh"), "wb").close()
    deployment.processes["media1"].kill()
    deployment.start_process(worker)
    until(lambda: os.listdir(unfinished) == ["fresh"])
