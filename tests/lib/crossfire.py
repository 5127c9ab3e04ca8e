"""Users of two servers speak in one room, each without waiting for the other, while the test hurts the servers. In the end members on
both read all that either has acknowledged, each message once, and the servers agree on the room's state."""

import http.client
import itertools
import os
import threading
import time
import urllib.error

from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/v3"
#: messages of each side; the full proof is a thousand
MESSAGES = int(os.environ.get("GANGLION_CROSSFIRE", "60"))
PATIENCE = 120  # seconds that a message may wait for its server, and that all may wait for each other in the end
SAY_AGAIN = 5  # seconds
#: both servers try again soon
SOON = {"federation": {"client_timeout": "5s", "max_long_retries": 0, "max_short_retries": 0, "destination_min_retry_interval": "2s",
                       "destination_retry_multiplier": 1, "destination_max_retry_interval": "3s"}}


class Speaker(threading.Thread):
    """Sends each message under its transaction id until it is acknowledged; every tenth is state, so that forks have some."""

    def __init__(self, user, room, prefix, count=MESSAGES):
        super().__init__(daemon=True)
        self.user, self.room, self.prefix, self.count = user, room, prefix, count
        self.sent, self.problem = {}, None

    def call(self, method, path, body):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self.user.call(method, path, body, timeout=20)
            except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
                answer = error
            else:
                if answer.status == 200:
                    return answer.json["event_id"]
                assert answer.status >= 500 or answer.status == 429, answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)

    def say(self, text):
        path = f"{CLIENT}/rooms/{quote(self.room)}/send/m.room.message/{quote(text)}"
        self.sent[text] = self.call("PUT", path, {"msgtype": "m.text", "body": text})

    def set(self, number):
        path = f"{CLIENT}/rooms/{quote(self.room)}/state/org.example.cross/key{number % 3}"
        self.call("PUT", path, {"by": self.prefix, "number": number})

    def run(self):
        try:
            for number in range(self.count):
                if number % 10 == 9:
                    self.set(number)
                self.say(f"{self.prefix}{number}")
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.problem = error


def holds(server, event_id):
    return server.sql(f"SELECT 1 FROM events WHERE event_id = '{event_id}' AND NOT outlier AND rejection_reason IS NULL")


def history(user, room):
    """The messages of the room as its member reads them, event id -> body. Where a server was away so long that it was told
    of the newest event alone, it asks for those before when they are read."""
    found, token = [], None
    while True:
        page = user.messages(room, limit=100, **({"from": token} if token else {}))
        found += [(e["event_id"], e["content"]["body"]) for e in page["chunk"] if e["type"] == "m.room.message"]
        token = page.get("end")
        if not page["chunk"] or not token:
            assert len(found) == len(dict(found)), "an event twice in one history"
            return dict(found)


def state(user, room):
    return {(e["type"], e["state_key"]): e["event_id"] for e in user.ok("GET", f"{CLIENT}/rooms/{quote(room)}/state")}


def crossfire(speakers, servers, room, hurts):
    """hurts are called one after the other, evenly over the talk. servers: of the speakers, in their order. Returns how many were said."""
    for speaker in speakers:
        speaker.start()
    total = sum(speaker.count for speaker in speakers)
    for number, hurt in enumerate(hurts, 1):
        until(lambda number=number: any(s.problem for s in speakers) or
              sum(len(s.sent) for s in speakers) >= total * number // (len(hurts) + 1), PATIENCE)
        hurt()
    for speaker in speakers:
        speaker.join()
        assert speaker.problem is None, speaker.problem
    settle(speakers, servers, room)
    return total


def hear_each_other(speakers, servers):
    """Each says that it has ended until all have heard it. Whoever had given a server up hears of it again; and Synapse drops an event
    whose forerunners it would have to ask a server for that it leaves alone just then: the next one makes it ask."""
    deadline = time.monotonic() + PATIENCE
    for number in itertools.count(1):
        for speaker in speakers:
            speaker.say(f"the end of {speaker.prefix}, {number}")
        last = [speaker.sent[f"the end of {speaker.prefix}, {number}"] for speaker in speakers]
        again = time.monotonic() + SAY_AGAIN
        while time.monotonic() < again:
            if all(holds(server, event_id) for server in servers for event_id in last):
                return
            time.sleep(0.05)
        assert time.monotonic() < deadline, "they did not hear each other"


def settle(speakers, servers, room):
    hear_each_other(speakers, servers)
    wanted = {event_id: text for speaker in speakers for text, event_id in speaker.sent.items()}
    last = speakers[0].user.send(room, "after all")  # it stands on every end of the room
    wanted[last] = "after all"
    for server, speaker in zip(servers, speakers):
        until(lambda server=server: holds(server, last), PATIENCE)
        until(lambda speaker=speaker: wanted.keys() <= history(speaker.user, room).keys(), PATIENCE)
        assert history(speaker.user, room) == wanted, "what nobody was told of, or twice"
    until(lambda: state(speakers[0].user, room) == state(speakers[1].user, room), 30)


def kill(server, name):
    """kill -9, and the start that a service manager would make of it."""
    deployment = server.deployment
    worker = next((w for w in deployment.workers if w.name == name), None)
    deployment.processes[name].kill()
    deployment.start_process(worker)


def away(server):
    """All of it stops in order and starts again."""
    assert server.deployment.stop()
    server.deployment.start()
