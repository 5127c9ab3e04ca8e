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
