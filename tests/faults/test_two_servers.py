"""Two servers share a room while their processes are killed and either is stopped: a split and a server of one process.

Messages of each: GANGLION_CROSSFIRE, 60 unless set.
"""

import os

import pytest

from deployment.deployment import Deployment, Federation
from lib.certificates import Authority
from lib.crossfire import MESSAGES, SOON, Speaker, away, crossfire, kill
from lib.server import Server, quote

CLIENT = "/_matrix/client/v3"


@pytest.fixture(scope="module")
def two(build, folder, postgres):
    authority, made = Authority(os.path.join(folder, "two-certificates")), []
    try:
        for name, monolith in (("split", False), ("one", True)):
            federation = Federation(*authority.certificate(), authority.ca)
            postgres.sql(f"DROP DATABASE IF EXISTS two_{name}")
            made.append(Deployment(os.path.join(folder, f"two-{name}"), build, postgres, database=f"two_{name}", monolith=monolith,
                                   server_name=federation.server_name, federation=federation, bcrypt_rounds=4, extra_config=SOON))
        yield [Server(deployment.start()) for deployment in made]
    finally:
        for deployment in made:
            deployment.stop()


def test_crossfire(two):
    users = [server.register() for server in two]
    room = users[0].create_room(preset="public_chat", power_level_content_override={"state_default": 0, "users_default": 0})
    users[1].ok("POST", f"{CLIENT}/join/{quote(room)}?via={quote(two[0].name)}", {})
    hurts = [lambda: away(two[1]), lambda: away(two[0]), lambda: kill(two[1], "main")]
    for name in list(two[0].deployment.processes):
        if not name.startswith(("pusher", "user_dir", "appservice", "media", "frontend")):  # they have no part in it
            hurts.append(lambda name=name: kill(two[0], name))
    hurts += [lambda: kill(two[1], "main"), lambda: away(two[1])]
    speakers = [Speaker(user, room, prefix) for user, prefix in zip(users, ("split", "one"))]
    assert crossfire(speakers, two, room, hurts) == 2 * MESSAGES
