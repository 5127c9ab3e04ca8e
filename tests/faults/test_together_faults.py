"""Processes die while requests of many are written together: what was acknowledged is there."""

import json
import threading

from lib.keys import KEYS, Device
from lib.rooms import CLIENT
from lib.wait import until
from test_faults import kill

SENDERS, ENOUGH = 8, 20  # acknowledged requests of each before and after each kill


class Sender(threading.Thread):
    """Sends messages to one device and uploads keys, one after the other, until it is stopped."""

    def __init__(self, user, bob, base):
        super().__init__(daemon=True)
        self.user, self.bob, self.base, self.device = user, bob, base, Device(user)
        self.sent, self.uploaded, self.stopped = [], [], threading.Event()

    def tried(self, method, path, body):
        try:
            return self.user.call(method, path, body, base=self.base, timeout=20).status == 200
        except OSError:
            return False

    def run(self):
        key, n = self.device.one_time("k"), 0
        while not self.stopped.is_set():
            n += 1
            message = {self.bob.user_id: {self.bob.device_id: {"n": n}}}
            if self.tried("PUT", f"{CLIENT}/sendToDevice/x.test/{n}", {"messages": message}):
                self.sent.append(n)
            if self.tried("POST", f"{KEYS}/upload", {"one_time_keys": {f"x{n}:K": key}}):
                self.uploaded.append(f"x{n}")


def test_what_was_acknowledged_is_there(hurt):
    bob = hurt.register("together")
    workers = [hurt.worker_url("generic_worker1"), hurt.worker_url("generic_worker2")]
    senders = [Sender(hurt.register(f"together{i}"), bob, workers[i % 2]) for i in range(SENDERS)]
    for sender in senders:
        sender.start()
    for name in ("main", "generic_worker1", "main"):
        had = [len(sender.sent) for sender in senders]
        until(lambda: all(len(sender.sent) >= n + ENOUGH for sender, n in zip(senders, had)), 60)
        kill(hurt, name)
    for sender in senders:
        sender.stopped.set()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    inbox = [json.loads(row[0]) for row in hurt.sql(f"SELECT message_json FROM device_inbox WHERE user_id = '{bob.user_id}' ORDER BY stream_id")]
    for sender in senders:
        user_id = sender.user.user_id
        came = [message["content"]["n"] for message in inbox if message["sender"] == user_id]
        assert not set(sender.sent) - set(came)
        assert came == sorted(came)
        kept = {row[0] for row in hurt.sql(f"SELECT algorithm FROM e2e_one_time_keys_json WHERE user_id = '{user_id}'")}
        assert not set(sender.uploaded) - kept
