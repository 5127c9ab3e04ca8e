"""Processes that hear of each other late, while the database tells them at once: an answer speaks of one moment."""

import os

import pytest

from deployment import layout
from deployment.services import Redis
from lib.own import unique
from lib.sliding import Connection

MEMBERS = [["m.room.member", "*"]]


@pytest.fixture(scope="module")
def late(own, folder):
    redis = Redis(os.path.join(folder, unique("late-redis")), late=0.2).start()
    deployment = own.make("late", redis=redis)
    deployment.workers = layout.spread({name[:-3] for name in os.listdir(deployment.plugin_path) if name.endswith(".so")})
    deployment.stream_writers = layout.SPREAD_WRITERS
    deployment.extra_config.update(layout.SPREAD_CONFIG)
    try:
        with own.run(deployment) as server:
            yield server
    finally:
        redis.stop()


def answers_until(connection, base, condition):
    answers = [connection.sync(timeout=2000, base=base)]
    while not condition(answers[-1]):
        answers.append(connection.sync(timeout=2000, base=base))
        assert len(answers) < 20, answers[-2:]
    return answers


@pytest.mark.parametrize("here, there", [("generic_worker1", "generic_worker2"), ("generic_worker2", "generic_worker1")])
@pytest.mark.parametrize("number", range(4))
def test_a_room_that_is_read_before_it_is_heard_of(late, here, there, number):
    """An invitation is told once, and who was let in begins the room anew, in whatever order a process learns of them."""
    alice, bob = late.register(), late.register()
    here, there = late.worker_url(here), late.worker_url(there)
    room = alice.create_room(preset="private_chat", name="Come in")
    connection = Connection(bob, lists={"all": {"ranges": [[0, 9]], "timeline_limit": 5, "required_state": MEMBERS}})
    assert connection.sync(base=here)["lists"]["all"]["count"] == 0
    alice.invite(room, bob)  # there nothing of bob's is kept: it is read, and not heard of yet
    invited = answers_until(connection, there, lambda answer: answer["rooms"])
    assert "invite_state" in invited[-1]["rooms"][room]
    bob.join(room)
    joined = answers_until(connection, here, lambda answer: "timeline" in answer["rooms"].get(room, {}))
    assert not any("invite_state" in answer["rooms"].get(room, {}) for answer in joined), joined
    assert joined[-1]["rooms"][room]["initial"] and joined[-1]["rooms"][room]["timeline"][-1]["content"]["membership"] == "join"
