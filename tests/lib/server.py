"""A deployment as its clients see it."""

import itertools
import json
import urllib.error
import urllib.parse
import urllib.request

from lib.asking import Asking
from lib.sliding import PATH as SLIDING, settle
from lib.wait import PATIENCE

_counter = itertools.count(1)
listening = {}  # by name: servers that can be waited for (Server.hear)


def quote(text):
    return urllib.parse.quote(text, safe="")


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.headers, self.text = status, headers, body
        try:
            self.json = json.loads(body) if body else None
        except ValueError:
            self.json = None

    def __repr__(self):
        return f"<{self.status} {self.text[:300]!r}>"


def request(method, url, body=None, headers=None, timeout=30, raw=None):
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    req = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data is not None and not req.has_header("Content-type"):
        req.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(req, timeout=timeout) as answer:
            return Answer(answer.status, answer.read(), answer.headers)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read(), error.headers)


class User:
    """A logged-in device. Every call goes to the front unless a base URL is given. What goes there finds a server that has
    heard of what was done before, where that can be asked for (Server.hear); who gives a base asks at once."""

    def __init__(self, server, user_id, token, device_id):
        self.server, self.user_id, self.token, self.device_id = server, user_id, token, device_id

    def call(self, method, path, body=None, base=None, timeout=30, **query):
        url = (base or self.server.base_url) + path
        if query:
            url += ("&" if "?" in path else "?") + urllib.parse.urlencode(query)
        if base is None:
            self.server.hear()
        answer = request(method, url, body, {"Authorization": f"Bearer {self.token}"}, timeout)
        if method != "GET" and path != SLIDING:
            self.server.unheard = True
        return answer

    def ok(self, method, path, body=None, **kwargs):
        answer = self.call(method, path, body, **kwargs)
        assert answer.status == 200, (method, path, answer)
        return answer.json

    # ---- rooms ----

    def create_room(self, **body):
        return self.ok("POST", "/_matrix/client/v3/createRoom", body)["room_id"]

    def join(self, room, **kwargs):
        return self.ok("POST", f"/_matrix/client/v3/join/{quote(room)}", {}, **kwargs)

    def invite(self, room, user):
        return self.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/invite", {"user_id": user.user_id})

    def leave(self, room):
        return self.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/leave", {})

    def send(self, room, text, txn=None, base=None):
        txn = txn or f"t{next(_counter)}"
        return self.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{quote(txn)}",
                       {"msgtype": "m.text", "body": text}, base=base)["event_id"]

    def put_state(self, room, kind, content, key=""):
        return self.ok("PUT", f"/_matrix/client/v3/rooms/{quote(room)}/state/{quote(kind)}/{quote(key)}", content)["event_id"]

    def state(self, room, kind, key=""):
        return self.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state/{quote(kind)}/{quote(key)}")

    def messages(self, room, **query):
        return self.ok("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages", **{"dir": "b", **query})

    # ---- sync ----

    def sync(self, since=None, timeout=0, base=None, **query):
        if since:
            query["since"] = since
        return self.ok("GET", "/_matrix/client/v3/sync", timeout=30 + timeout / 1000, base=base, **{**query}) if not timeout else \
            self.ok("GET", f"/_matrix/client/v3/sync?timeout={timeout}", timeout=30 + timeout / 1000, base=base, **query)

    def sync_until(self, condition, since=None, seconds=PATIENCE):
        """Syncs on until condition(answer) is true for one of the answers; that value and the last token."""
        import time

        deadline = time.monotonic() + seconds
        while True:
            answer = self.sync(since, timeout=2000 if since else 0)
            found = condition(answer)
            since = answer["next_batch"]
            if found:
                return found, since
            assert time.monotonic() < deadline, f"not seen in /sync: {answer}"


class Server:
    def __init__(self, deployment):
        self.deployment = deployment
        self.base_url = deployment.base_url
        self.name = deployment.server_name
        self.monolith = not deployment.workers
        self.listener, self.unheard, self._asking = None, False, None

    def sql(self, statement):
        """Rows of the deployment's own database, as lists of text."""
        return self.deployment.postgres.sql(statement, self.deployment.database)

    def newest_event(self):
        """Stream position of the newest event that is committed."""
        if self._asking is None:
            self._asking = Asking(self.deployment.postgres, self.deployment.database)
        return self._asking.number("SELECT coalesce(max(stream_ordering), 0) FROM events")

    def close(self):
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def worker_url(self, name):
        """The client port of a process, past the proxy; the monolith has only one."""
        if self.monolith or name == "main":
            return f"http://127.0.0.1:{self.deployment.main.port}"
        return next(f"http://127.0.0.1:{w.port}" for w in self.deployment.workers if w.name == name)

    def listen(self):
        """From now on hear() waits. Not for deployments whose processes or whose Redis a test stops."""
        self.listener = self.register("listener")
        listening[self.name] = self

    def hear(self):
        """Until every process has heard of what was done before by way of this class: which of them the front asks next is
        chance, and whatever depends on it would fail once in hundreds of runs."""
        if self.unheard and self.listener is not None:
            self.unheard = False
            settle(self.listener)

    def background(self):
        """The worker that does what runs in the background; None: main."""
        name = self.deployment.extra_config.get("run_background_tasks_on")
        return next((w for w in self.deployment.workers if w.name == name), None)

    def register(self, name=None, password="a good password", **body):
        name = name or f"user{next(_counter)}"
        answer = request("POST", self.base_url + "/_matrix/client/v3/register",
                         {"username": name, "password": password, "auth": {"type": "m.login.dummy"}, **body})
        assert answer.status == 200, answer
        self.unheard = True
        return User(self, answer.json["user_id"], answer.json["access_token"], answer.json["device_id"])

    def login(self, name, password="a good password", **body):
        answer = request("POST", self.base_url + "/_matrix/client/v3/login",
                         {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": password, **body})
        assert answer.status == 200, answer
        self.unheard = True
        return User(self, answer.json["user_id"], answer.json["access_token"], answer.json["device_id"])
