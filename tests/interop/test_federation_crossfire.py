"""A real Synapse and a split of ours share a room while either is killed, or stopped and started.

Messages of each: GANGLION_CROSSFIRE, 60 unless set.
"""

import pytest

from deployment.deployment import Deployment
from lib.crossfire import MESSAGES, SOON, Speaker, away, crossfire, kill
from lib.mixed import Mixed
from lib.server import Server
from test_federation import LIMITS, _deploy, shared


@pytest.fixture
def two(build, folder, postgres, authority):
    """(ours, Synapse); both try again soon."""
    extra = {**LIMITS, **SOON}
    made = [_deploy(Deployment, "crossfire_ours", build, folder, postgres, authority, extra_config=extra),
            _deploy(Mixed, "crossfire_synapse", build, folder, postgres, authority, extra_config=extra, monolith=True, python={"main"})]
    try:
        yield [Server(deployment.start()) for deployment in made]
    finally:
        for deployment in made:
            deployment.stop()


def test_crossfire(two):
    ours, synapse = two
    alice, bob, room_id = shared(two, power_level_content_override={"state_default": 0, "users_default": 0})
    hurts = [lambda: away(synapse), lambda: away(ours), lambda: kill(synapse, "main")]
    for name in [n for n in ours.deployment.processes if n.startswith(("main", "generic", "event_persister", "federation_sender"))]:
        hurts.append(lambda name=name: kill(ours, name))
    speakers = [Speaker(alice, room_id, "ours"), Speaker(bob, room_id, "synapse's")]
    assert crossfire(speakers, two, room_id, hurts) == 2 * MESSAGES
