"""A whole server moves: from Synapse to Ganglion and back, with no conversion and the same tokens."""

import time

from lib import rows, views, world
from lib.server import Server


def same(before, after):
    """No difference; the first ones are worth reading."""
    found = views.differences(before, after)
    assert not found, f"{len(found)} differences, such as " + "\n".join(map(str, found[:5]))


def pending_updates(deployment):
    return int(deployment.postgres.sql("SELECT count(*) FROM background_updates", deployment.database)[0][0])


def within(seconds, condition, what):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def hand_over(deployment, python, w):
    """Everything stops, and the other one starts on what it left."""
    assert deployment.complaints() == []
    assert deployment.stop()
    deployment.python = set(python)
    deployment.forget_logs()
    deployment.start()
    w.move_to(w.server)


def settled(deployment, carol):
    """Synapse tells rooms of a new name after it has answered."""
    sql = f"SELECT count(*) FROM room_memberships WHERE user_id = '{carol.user_id}' AND display_name LIKE 'Carol%'"
    within(15, lambda: deployment.postgres.sql(sql, deployment.database) != [["0"]], "carol's new name in her room")


def equal_rows(deployment, w, version):
    """Both have done the same in a room of their own."""
    theirs, ours = (rows.of_room(lambda statement: deployment.postgres.sql(statement, deployment.database), w.rooms[f"{by} {version}"], by)
                    for by in ("version", "Ganglion, version"))
    same(theirs, ours)


def test_there_and_back(mixed):
    quick = {"background_updates": {"sleep_enabled": False}}
    deployment = mixed("takeover", python={"main"}, monolith=True, extra_config=quick)
    deployment.start()
    w = world.World(Server(deployment))
    for version in world.VERSIONS[:6]:
        world.fill_room(w, version)
    w.remember("Synapse, half-way")
    for version in world.VERSIONS[6:]:
        world.fill_room(w, version)
    world.fill_other_rooms(w)
    world.fill_data(w)
    settled(deployment, w.carol)
    within(60, lambda: pending_updates(deployment) == 0, "Synapse's own updates of its schema")
    w.remember("Synapse")
    by_synapse = views.all_views(w)

    hand_over(deployment, {}, w)
    same(by_synapse, views.all_views(w))
    w.remember("Ganglion, half-way")
    for version in world.VERSIONS:
        world.fill_room(w, version, by="Ganglion, version")
        equal_rows(deployment, w, version)
    sent = {room: w.say(w.alice, room, "from Ganglion") for room in w.rooms if room.startswith("version")}
    world.fill_data(w)
    settled(deployment, w.carol)
    w.remember("Ganglion")
    by_ganglion = views.all_views(w)

    hand_over(deployment, {"main"}, w)
    for room, event_id in sent.items():
        assert w.bob.messages(w.rooms[room], limit=1)["chunk"][0]["event_id"] == event_id
    same(by_ganglion, views.all_views(w))
    for room in sent:
        w.say(w.bob, room, "from Synapse again")
    for version in world.VERSIONS:
        w.say(w.alice, f"Ganglion, version {version}", "and Synapse goes on here")
    assert deployment.complaints() == []


def test_updates_of_the_schema_are_pending(mixed):
    """Synapse was stopped before it had done what it does behind the scenes; it ends that when it is back."""
    slow = {"background_updates": {"sleep_enabled": True, "sleep_duration_ms": 600000, "min_batch_size": 1, "default_batch_size": 1}}
    deployment = mixed("pending", python={"main"}, monolith=True, extra_config=slow)
    deployment.start()
    w = world.World(Server(deployment))
    for version in ("1", "11"):
        world.fill_room(w, version)
    world.fill_data(w)
    settled_rooms = ("version 1", "version 11")
    w.remember("Synapse")
    by_synapse = views.all_views(w)
    assert pending_updates(deployment) > 0

    hand_over(deployment, {}, w)
    same(by_synapse, views.all_views(w))
    for room in settled_rooms:
        w.say(w.bob, room, "from Ganglion")
    world.fill_room(w, "12")
    by_ganglion = views.all_views(w)
    assert pending_updates(deployment) > 0

    deployment.extra_config = {"background_updates": {"sleep_enabled": False}}
    hand_over(deployment, {"main"}, w)
    same(by_ganglion, views.all_views(w))
    within(60, lambda: pending_updates(deployment) == 0, "Synapse's own updates of its schema")
    same(by_ganglion, views.all_views(w))
    assert deployment.complaints() == []
