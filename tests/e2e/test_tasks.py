"""Tasks that are kept in the database: run once, taken up again after a kill, cancelled, left alone when not known."""

from deployment.process import wait_until
from lib.rooms import CLIENT
from lib.server import quote


def rename(user, name):
    user.ok("PUT", f"{CLIENT}/profile/{quote(user.user_id)}/displayname", {"displayname": name})


def member_name(user, room):
    return user.state(room, "m.room.member", user.user_id).get("displayname")


def tasks(server, user, status="%"):
    return server.sql(f"SELECT id, status FROM scheduled_tasks WHERE action = 'update_join_states' AND resource_id = '{user.user_id}'"
                      f" AND status LIKE '{status}'")


def test_rooms_hear_of_a_name_and_the_task_ends(server):
    user = server.register()
    rooms = [user.create_room() for _ in range(3)]
    rename(user, "Somebody")
    for room in rooms:
        wait_until(f"{room} heard", lambda room=room: member_name(user, room) == "Somebody")
    wait_until("the task has ended", lambda: len(tasks(server, user, "complete")) == 1)


def test_a_killed_process_s_task_goes_on_where_it_stood(server):
    """Two rooms; the first counts as done, as a process that was killed would leave it."""
    user = server.register()
    rooms = sorted(user.create_room() for _ in range(2))
    rename(user, "Once")
    wait_until("done", lambda: len(tasks(server, user, "complete")) == 1)
    server.sql(f"UPDATE profiles SET displayname = 'Twice' WHERE full_user_id = '{user.user_id}'")
    server.sql("INSERT INTO scheduled_tasks (id, action, status, timestamp, resource_id, params, result) VALUES"
               f" ('killedkilled', 'update_join_states', 'active', 1, '{user.user_id}', '{{}}', '{{\"last_room_id\":\"{rooms[0]}\"}}')")
    server.sql("INSERT INTO scheduled_tasks (id, action, status, timestamp, resource_id, params) VALUES"
               f" ('unknownunknown', 'some_action_of_later', 'scheduled', 1, '{user.user_id}', '{{}}')")
    worker = server.background()
    server.deployment.processes[worker.name if worker else "main"].kill()
    server.deployment.start_process(worker)
    wait_until("the second room heard", lambda: member_name(user, rooms[1]) == "Twice")
    wait_until("the task has ended", lambda: ["killedkilled", "complete"] in [list(t) for t in tasks(server, user, "complete")])
    assert member_name(user, rooms[0]) == "Once"
    assert server.sql("SELECT status FROM scheduled_tasks WHERE id = 'unknownunknown'")[0][0] == "scheduled"
