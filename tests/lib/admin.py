"""An administrator, and the admin API's paths."""

from lib.server import User, quote

V1, V2 = "/_synapse/admin/v1", "/_synapse/admin/v2"


def administrator(server, name):
    """Registered through the shared secret once for each deployment."""
    status, answer = server.deployment.register(name, "a good password", admin=True)
    assert status == 200, answer
    return User(server, answer["user_id"], answer["access_token"], answer["device_id"])


def path(version, *parts):
    return version + "".join("/" + quote(part) for part in parts)


def kill_background(server):
    """SIGKILL for the process that does what runs in the background, and a new one in its place."""
    worker = server.background()
    server.deployment.processes[worker.name if worker else "main"].kill()
    server.sql("UPDATE worker_read_write_locks SET last_renewed_ts = 1")  # else two minutes pass until they count as stale
    server.sql("UPDATE worker_locks SET last_renewed_ts = 1 WHERE lock_name = 'ganglion_duty'")  # and half a minute until its duties are taken up
    server.deployment.start_process(worker)
