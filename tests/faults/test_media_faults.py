"""A process that serves media is killed in the middle of it, and comes back; what uploads and downloads take of memory."""

import http.client
import os
import threading
import time

import pytest

from deployment.deployment import Deployment
from deployment.process import resident_bytes
from lib.rooms import refused
from lib.server import Server, request
from lib.wait import until

SANITIZED = os.path.basename(os.environ.get("GANGLION_BUILD", "")).startswith("asan")
UPLOAD, DOWNLOAD = "/_matrix/media/v3/upload", "/_matrix/client/v1/media/download/"
PARALLEL, LARGE = 20, 10_000_000


@pytest.fixture(scope="module")
def server(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS media_faults")
    deployment = Deployment(os.path.join(folder, "media-faults"), build, postgres, database="media_faults", monolith=True, bcrypt_rounds=4)
    try:
        yield Server(deployment.start())
    finally:
        deployment.stop()


def begin(user, method, path, length):
    """An upload whose body is still to come."""
    connection = http.client.HTTPConnection("127.0.0.1", user.server.deployment.main.port, timeout=60)
    connection.putrequest(method, path)
    for name, value in (("Authorization", f"Bearer {user.token}"), ("Content-Length", str(length)), ("Content-Type", "a/b")):
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def store(server):
    return os.path.join(server.deployment.folder, "media")


def unfinished(server):
    folder = os.path.join(store(server), "ganglion_unfinished")
    return os.listdir(folder) if os.path.isdir(folder) else []


def test_killed_in_mid_upload(server):
    alice = server.register()
    whole = alice.call("POST", "/_matrix/media/v1/create", {}).json["content_uri"].removeprefix("mxc://")
    uploads = [begin(alice, "POST", UPLOAD, 3_000_000), begin(alice, "PUT", f"{UPLOAD}/{whole}", 3_000_000)]
    for connection in uploads:
        connection.send(b"x" * 1_500_000)
    until(lambda: len(unfinished(server)) == 2)
    server.deployment.processes["main"].kill()
    server.deployment.start_process()
    assert server.sql("SELECT count(*) FROM local_media_repository WHERE media_length IS NOT NULL") == [["0"]]
    assert not os.path.exists(os.path.join(store(server), "local_content"))
    refused(alice.call("GET", DOWNLOAD + whole + "?timeout_ms=0"), 504, "M_NOT_YET_UPLOADED")
    server.sql("UPDATE worker_locks SET last_renewed_ts = 1 WHERE lock_name = 'upload_media'")  # as after two minutes
    answer = request("PUT", f"{server.base_url}{UPLOAD}/{whole}", raw=b"whole", headers={"Authorization": f"Bearer {alice.token}"})
    assert answer.status == 200, answer
    assert alice.call("GET", DOWNLOAD + whole).text == b"whole"


def test_a_client_that_leaves(server):
    alice = server.register()
    before = set(unfinished(server))
    connection = begin(alice, "POST", UPLOAD, 3_000_000)
    connection.send(b"x" * 1_000_000)
    until(lambda: set(unfinished(server)) > before)
    connection.close()
    until(lambda: set(unfinished(server)) == before)


def test_large_uploads_take_little_memory(server):
    alice, pid, piece = server.register(), server.deployment.processes["main"].pid, os.urandom(1_000_000)
    before, most, made, ended = resident_bytes(pid), [0], [], threading.Event()

    def watch():
        while not ended.is_set():
            most[0] = max(most[0], resident_bytes(pid))
            time.sleep(0.02)

    def upload():
        connection = begin(alice, "POST", UPLOAD, LARGE)
        for _ in range(LARGE // len(piece)):
            connection.send(piece)
        made.append(connection.getresponse().status)

    watching = threading.Thread(target=watch)
    uploads = [threading.Thread(target=upload) for _ in range(PARALLEL)]
    watching.start()
    for thread in uploads:
        thread.start()
    for thread in uploads:
        thread.join(120)
    ended.set()
    watching.join(10)
    assert made == [200] * PARALLEL
    if not SANITIZED:
        assert most[0] < 100 << 20 and most[0] - before < 60 << 20, (before, most)
