"""A whole server moves: from Synapse to Ganglion and back, with no conversion and the same tokens."""

import pytest

from lib import rows, views, world
from lib.server import Server
from lib.wait import until


def same(before, after):
    """No difference; the first ones are worth reading."""
    found = views.differences(before, after)
    assert not found, f"{len(found)} differences, such as " + "\n".join(map(str, found[:5]))


def pending_updates(deployment):
    return int(deployment.postgres.sql("SELECT count(*) FROM background_updates", deployment.database)[0][0])


def valid_constraints(deployment):
    return sorted({row[0] for row in deployment.postgres.sql(
        "SELECT convalidated FROM pg_constraint WHERE conname ~ '(thread_id|full_user_id_not_null|extremities_event_id)$'",
        deployment.database)})


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
    until(lambda: deployment.postgres.sql(sql, deployment.database) != [["0"]], what="carol's new name in her room")


def equal_rows(deployment, w, version):
    """Both have done the same in a room of their own."""
    readers = (w.alice.user_id, w.bob.user_id) if version in world.READ_VERSIONS else ()
    theirs, ours = (rows.of_room(lambda statement: deployment.postgres.sql(statement, deployment.database), w.rooms[f"{by} {version}"], by, readers)
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
    until(lambda: pending_updates(deployment) == 0, what="Synapse's own updates of its schema")
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


@pytest.mark.parametrize("who", ["synapse", "ganglion"])
def test_updates_of_the_schema_are_pending(mixed, who):
    """Synapse was stopped before it had done what it does behind the scenes; either one goes on with it, and ends it."""
    slow = {"background_updates": {"sleep_enabled": True, "sleep_duration_ms": 600000, "min_batch_size": 1, "default_batch_size": 1}}
    deployment = mixed(f"pending_{who}", python={"main"}, monolith=True, extra_config=slow)
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
    hand_over(deployment, {"main"} if who == "synapse" else {}, w)
    same(by_ganglion, views.all_views(w))
    until(lambda: pending_updates(deployment) == 0, what=f"the updates of the schema, by {who}")
    same(by_ganglion, views.all_views(w))
    if who == "ganglion":  # Synapse finds nothing that it would have to do, and its own schema
        assert valid_constraints(deployment) == ["t"]
        hand_over(deployment, {"main"}, w)
        same(by_ganglion, views.all_views(w))
        assert pending_updates(deployment) == 0
    assert deployment.complaints() == []
