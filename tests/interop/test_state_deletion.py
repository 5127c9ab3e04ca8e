"""Synapse deletes state groups while our writer, which writes no rows of state_groups_persisting, is about to name them in
events: whoever of the two comes first, no event is kept whose state is gone (facts database 5.1)."""

import os
import subprocess
import threading

import pytest

from deployment.layout import Worker
from lib.wait import until

SCRIPT = os.path.join(os.path.dirname(__file__), "synapse_deletes.py")


class Deleter:
    """Synapse's own deletion, in a process of its own."""

    def __init__(self, deployment):
        command = [os.environ["SYNAPSE_PYTHON"], SCRIPT]
        for path in deployment.config_paths(None):
            command += ["-c", path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def deleted(self):
        return self.process.stdout.readline() == "True\n"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


class Held:
    """A table to which nobody may write until it is let go."""

    def __init__(self, server, table):
        postgres = server.deployment.postgres
        self.process = subprocess.Popen([postgres.bin("psql"), "-X", "-q", postgres.url(server.deployment.database)], stdin=subprocess.PIPE, text=True)
        self.process.stdin.write(f"BEGIN; LOCK TABLE {table} IN SHARE MODE;\n")
        self.process.stdin.flush()
        until(lambda: server.sql(f"SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass AND mode = 'ShareLock' AND granted"))

    def let_go(self):
        self.process.communicate("ROLLBACK;\n", timeout=60)


@pytest.fixture(scope="module")
def home(own):
    """Without the process that deletes groups in Ganglion: nobody but Synapse does."""
    workers = [Worker("writer", "synapse.app.generic_worker", ["client"]), Worker("background", "synapse.app.generic_worker", ["client"])]
    with own.running("deletes", workers=workers, stream_writers={"events": ["writer"]}, extra_config={"run_background_tasks_on": "background"}) as server:
        assert server.deployment.processes["background"].stop()
        yield server


@pytest.fixture(scope="module")
def deleter(home):
    deleter = Deleter(home.deployment)
    yield deleter
    deleter.stop()


def waiting(server, what):
    """Somebody waits for a lock in a statement of this kind."""
    return until(lambda: server.sql(f"SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '{what}' AND pid <> pg_backend_pid()"))


def unused(server, room):
    """The room's present group, named by no event any more and long since noticed; the next event will name it."""
    group = server.sql(f"SELECT state_group FROM event_to_state_groups JOIN events USING (event_id) WHERE room_id = '{room}' ORDER BY stream_ordering DESC LIMIT 1")[0][0]
    server.sql(f"DELETE FROM event_to_state_groups WHERE state_group = {group}")
    server.sql(f"INSERT INTO state_groups_pending_deletion (state_group, insertion_ts) VALUES ({group}, 1)")
    return group


def kept(server, group):
    return [server.sql(f"SELECT 1 FROM {table} WHERE {column} = {group}") != []
            for table, column in (("state_groups", "id"), ("state_groups_state", "state_group"), ("event_to_state_groups", "state_group"))]


def test_our_writer_comes_first(home, deleter):
    alice = home.register()
    room = alice.create_room(room_version="10")
    group = unused(home, room)
    held, sent = Held(home, "event_to_state_groups"), []
    speaker = threading.Thread(target=lambda: sent.append(alice.send(room, "hello")))
    speaker.start()
    waiting(home, "event_to_state_groups")  # our writer has locked the group, and is not done
    deleter.begin()
    waiting(home, "FOR UPDATE")             # Synapse has found the group unused, and would have it
    held.let_go()
    assert not deleter.deleted()
    speaker.join(60)
    assert sent and kept(home, group) == [True, True, True]


def test_synapse_comes_first(home, deleter):
    alice = home.register()
    room = alice.create_room(room_version="10")
    group = unused(home, room)
    held, answers = Held(home, "state_groups_state"), []
    deleter.begin()
    waiting(home, "DELETE FROM state_groups_state")  # Synapse has locked the group, and is not done
    speaker = threading.Thread(target=lambda: answers.append(alice.call("PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/1", {"msgtype": "m.text", "body": "hello"})))
    speaker.start()
    waiting(home, "FOR KEY SHARE")                   # our writer wants it
    held.let_go()
    assert deleter.deleted()
    speaker.join(60)
    assert answers and answers[0].status != 200 and kept(home, group) == [False, False, False]
