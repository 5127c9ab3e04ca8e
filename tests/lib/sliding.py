"""A client of sliding sync: one connection, which remembers its position."""

import contextlib
import re
import threading
import time

from lib.wait import PATIENCE, until

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


def _newest_event(pos):
    """Of a position, CONNECTION/sSTREAM_... or CONNECTION/mSTREAM~WRITER.STREAM~..._..."""
    first = pos.partition("/")[2].partition("_")[0]
    return max(int(number) for number in re.findall(r"(?:^[sm]|[.])([0-9]+)", first))


def settle(user):
    """Until every process stands where the others do, and knows of the newest event: whoever is asked next has heard of what
    was done before. Anybody's user will do, who gets a new position from each process."""
    server = user.server
    if server.monolith:
        return
    generic = [w.name for w in server.deployment.workers if w.app == "synapse.app.generic_worker" and "client" in w.listener_names]
    bases = [server.worker_url(name) for name in ("main", *generic)]
    newest = server.newest_event()  # its writer may be none of those that are asked

    def heard():
        found = {user.ok("POST", PATH, {}, base=base)["pos"] for base in bases}
        return len(found) == 1 and _newest_event(found.pop()) >= newest
    until(heard, what="processes that do not catch up")


class Connection:
    PATH = PATH

    def __init__(self, user, lists=None, conn_id=None, pos=None, extensions=None):
        self.user, self.conn_id, self.pos = user, conn_id, pos
        self.lists, self.subscriptions, self.extensions = lists if lists is not None else {}, {}, extensions or {}
        self.since = None  # of messages to the device

    def body(self):
        body = {"lists": self.lists, "room_subscriptions": self.subscriptions, "extensions": self.extensions}
        if self.since is not None:
            body["extensions"] = {**self.extensions, "to_device": {**self.extensions["to_device"], "since": self.since}}
        if self.conn_id is not None:
            body["conn_id"] = self.conn_id
        return body

    def call(self, timeout=0, base=None):
        query = {} if self.pos is None else {"pos": self.pos}
        if timeout:
            query["timeout"] = timeout  # the client's own timeout is a keyword of the call below
        path = self.PATH + "?" + "&".join(f"{key}={value}" for key, value in query.items())
        return self.user.call("POST", path, self.body(), base=base, timeout=30 + timeout / 1000)

    def sync(self, timeout=0, base=None):
        if not timeout and base is None:
            settle(self.user)
        answer = self.call(timeout, base)
        assert answer.status == 200, answer
        self.pos = answer.json["pos"]
        return answer.json

    def sync_until(self, condition, seconds=PATIENCE, base=None):
        deadline = time.monotonic() + seconds
        while True:
            answer = self.sync(timeout=2000, base=base)
            if condition(answer):
                return answer
            assert time.monotonic() < deadline, f"not seen: {answer}"

    @contextlib.contextmanager
    def waiting(self, timeout):
        """Asks in a thread while the body runs; the answer's json is there afterwards."""
        class Slot:
            json = None

        slot = Slot()
        thread = threading.Thread(target=lambda: setattr(slot, "json", self.sync(timeout)))
        thread.start()
        yield slot
        thread.join(timeout / 1000 + 10)
        assert slot.json is not None
