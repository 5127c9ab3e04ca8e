"""Clients of two servers: they find each other's devices, verify each other, and talk in secret."""

import os

import pytest

from deployment.deployment import Deployment, Federation
from lib.certificates import Authority
from lib.server import Server

PASSWORD = "a good password"


@pytest.fixture(scope="module")
def servers(build, folder, postgres):
    """Two split deployments that reach each other over TLS."""
    authority = Authority(os.path.join(folder, "certificates"))
    made = []
    try:
        for name in ("near", "far"):
            federation = Federation(*authority.certificate(), authority.ca)
            made.append(Deployment(os.path.join(folder, f"clients-{name}"), build, postgres, database=f"clients_{name}", front_port=None,
                                   bcrypt_rounds=4, server_name=federation.server_name, federation=federation))
            made[-1].start()
        yield [Server(deployment) for deployment in made]
    finally:
        assert all([deployment.stop() for deployment in made]), "a process had to be killed at the end"


def connect(server, client, user, worker="generic_worker1", device="one"):
    return client.connect(base=server.worker_url(worker), user=user.user_id, password=PASSWORD, device=device)


def test_users_of_two_servers_verify_each_other_and_talk_in_secret(servers, sdk):
    near, far = servers
    alice, bob = near.register(password=PASSWORD), far.register(password=PASSWORD)
    hers, his = sdk(), sdk()
    connect(near, hers, alice)
    connect(far, his, bob, "generic_worker2")
    key = hers.bootstrap()
    assert key["ready"] and his.bootstrap()["ready"]

    room = hers.create_room(name="Secrets", invite=[bob.user_id])
    his.join(room_id=room)
    hers.has_members(room_id=room, users=[alice.user_id, bob.user_id])
    asking = hers.start("ask_to_verify", room_id=room, user=bob.user_id)
    answering = his.start("answer_verification", user=alice.user_id)
    assert asking.result(60) == answering.result(60), "both have read the same numbers"
    assert hers.trusts(user=bob.user_id) and his.trusts(user=alice.user_id)

    first = hers.send(room_id=room, body="first")
    assert not his.sees(room_id=room, event_id=first, like={"body": "first", "encrypted": True})["failed"]
    answer = his.send(room_id=room, body="second")
    assert not hers.sees(room_id=room, event_id=answer, like={"body": "second", "encrypted": True})["failed"]

    # A new device of hers is found by him, and is sent the keys of what he says from now on.
    new = sdk()
    connect(near, new, alice, "generic_worker2", device="two")
    restored = new.recover(recovery_key=key["recovery_key"])
    assert restored["ready"], restored
    for i in range(5):
        last = his.send(room_id=room, body=f"message {i}")
    for client in (hers, new):
        assert not client.sees(room_id=room, event_id=last, like={"body": "message 4", "encrypted": True})["failed"]
    assert new.trusts(user=bob.user_id)
