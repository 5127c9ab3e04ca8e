"""Application services: registration files, and a scripted bridge that holds what it is sent against the specification."""

import http.server
import json
import os
import threading
import time
import urllib.parse

import yaml

from deployment.ports import free_port
from lib.server import User, quote, request
from lib.wait import PATIENCE, until

CLIENT = "/_matrix/client/v3"


def registration(name, port=None, users=(), aliases=(), rooms=(), **more):
    """The content of a registration file; users, aliases, rooms: (regex, exclusive)."""
    listed = {key: [{"regex": regex, "exclusive": exclusive} for regex, exclusive in value]
              for key, value in (("users", users), ("aliases", aliases), ("rooms", rooms))}
    return {"id": name, "url": f"http://127.0.0.1:{port}" if port else None, "as_token": f"as-token-of-{name}",
            "hs_token": f"hs-token-of-{name}", "sender_localpart": f"{name}bot", "namespaces": listed, **more}


def write(folder, registrations):
    """Paths of the files, for app_service_config_files."""
    os.makedirs(folder, exist_ok=True)
    paths = []
    for one in registrations:
        paths.append(os.path.join(folder, f"{one['id']}.reg"))
        with open(paths[-1], "w", encoding="utf-8") as out:
            yaml.safe_dump(one, out)
    return paths


def standard(folder):
    """The services of the shared deployments: the one that `Bridge` answers for, and two that are sent nothing."""
    port = free_port()
    bridge = registration("bridge", port, users=[("@_bridge_.*", True)], aliases=[("#_bridge_.*", True)], rate_limited=False,
                          receive_ephemeral=True, protocols=["smoke"], **{"org.matrix.msc3202": True})
    modern = registration("modern", users=[("@_modern_.*", True)], **{"io.element.msc4190": True})
    loose = registration("loose", users=[("@loose_.*", False)], aliases=[("#loose_.*", False)], ip_range_whitelist=["127.0.0.0/8"])
    return bridge, write(folder, [bridge, modern, loose])


class Service:
    """What a registration lets one do: its own user, and ghosts."""

    def __init__(self, server, registered):
        self.server, self.registered = server, registered
        self.token = registered["as_token"]
        self.sender = f"@{registered['sender_localpart']}:{server.name}"

    def call(self, method, path, body=None, user=None, base=None, **query):
        if user:
            query["user_id"] = user
        url = (base or self.server.base_url) + path + ("?" + urllib.parse.urlencode(query) if query else "")
        return request(method, url, body, {"Authorization": f"Bearer {self.token}"})

    def register(self, localpart, **body):
        return self.call("POST", f"{CLIENT}/register", {"type": "m.login.application_service", "username": localpart, **body})

    def ghost(self, localpart):
        """A registered user of the service, who acts by its token."""
        answer = self.register(localpart, inhibit_login=True)
        assert answer.status == 200 or answer.json["errcode"] == "M_USER_IN_USE", answer
        return Ghost(self, f"@{localpart}:{self.server.name}")


class Ghost(User):
    def __init__(self, service, user_id):
        super().__init__(service.server, user_id, service.token, None)

    def call(self, method, path, body=None, base=None, timeout=30, **query):
        return super().call(method, path, body, base, timeout, user_id=self.user_id, **query)


class Bridge(http.server.ThreadingHTTPServer):
    """Listens at the registration's url. status: what transactions are answered; hold: seconds before that."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, registered):
        self.registered = registered
        self.problems, self.log = [], []
        self.reset()
        bridge = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize, disable_nagle_algorithm = -1, True  # an answer goes at once, and whole

            def log_message(self, *args):
                pass

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                status, answer = bridge.answer(self.command, self.path, self.headers, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = serve

        super().__init__(("127.0.0.1", int(registered["url"].rsplit(":", 1)[1])), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def reset(self):
        self.status, self.hold = 200, 0
        self.open = threading.Event()   # until it is set, transactions wait for their answer
        self.open.set()
        self.transactions = []          # (id, body) in the order of arrival, each id once
        self.tries = []                 # ids as they came
        self.on_user = self.on_alias = lambda name: False
        self.asked = []                 # (path, query) of everything else
        self.pings = []

    def stop(self):
        self.shutdown()
        self.server_close()

    def answer(self, method, path, headers, body):
        if headers.get("Authorization") != f"Bearer {self.registered['hs_token']}":
            self.problems.append(f"{method} {path} without the token")
            return 403, {"errcode": "M_FORBIDDEN"}
        path, _, query = path.partition("?")
        parts = [urllib.parse.unquote(part) for part in path.split("/")]
        if parts[:4] != ["", "_matrix", "app", "v1"]:
            self.problems.append(f"{method} {path}")
            return 404, {"errcode": "M_UNRECOGNIZED"}
        return self.route(method, parts[4:], query, json.loads(body) if body else None)

    def route(self, method, parts, query, body):
        if method == "PUT" and parts[0] == "transactions":
            return self.take(int(parts[1]), body)
        self.asked.append(("/".join(parts), query))
        if method == "POST" and parts == ["ping"]:
            self.pings.append(body)
            return self.status, {}
        if method == "GET" and parts[0] == "users":
            return (200, {}) if self.on_user(parts[1]) else (404, {"errcode": "M_NOT_FOUND"})
        if method == "GET" and parts[0] == "rooms":
            return (200, {}) if self.on_alias(parts[1]) else (404, {"errcode": "M_NOT_FOUND"})
        if method == "GET" and parts[0] == "thirdparty":
            return 200, self.third_party(parts[1:])
        self.problems.append(f"{method} {parts}")
        return 404, {"errcode": "M_UNRECOGNIZED"}

    def third_party(self, parts):
        if parts[0] == "protocol":
            return {"user_fields": ["nick"], "location_fields": ["channel"], "icon": "mxc://x/y",
                    "field_types": {"nick": {"regexp": ".*", "placeholder": "n"}},
                    "instances": [{"desc": "Net", "network_id": "net", "fields": {}}]}
        if parts[0] == "user":
            return [{"userid": "@_bridge_jim:x", "protocol": parts[1], "fields": {"nick": "jim"}}, {"protocol": "broken"}]
        return [{"alias": "#_bridge_fire:x", "protocol": parts[1], "fields": {"channel": "fire"}}]

    def take(self, txn_id, body):
        self.tries.append(txn_id)
        self.problems += self.complaints(txn_id, body)
        time.sleep(self.hold)
        self.open.wait(60)
        status = self.status(txn_id) if callable(self.status) else self.status
        if status == 200 and txn_id not in [one for one, _ in self.transactions]:
            self.transactions.append((txn_id, body))
        return status, {}

    def complaints(self, txn_id, body):
        found = []
        if len(body.get("events", ())) > 100:
            found.append(f"{len(body['events'])} events in a transaction")
        if not isinstance(body.get("events"), list):
            found.append("no events")
        for event in body.get("events", ()):
            if not {"event_id", "room_id", "type", "sender", "origin_server_ts", "content"} <= set(event):
                found.append(f"event {event}")
        known = {"events", "ephemeral", "de.sorunome.msc2409.ephemeral", "de.sorunome.msc2409.to_device"}
        found += [f"unknown member {key}" for key in set(body) - known if not key.startswith("org.matrix.msc3202.")]
        return found

    # ---- what came ----

    def events(self):
        return [event for _, body in list(self.transactions) for event in body["events"]]

    def ephemeral(self, kind):
        return [event for _, body in list(self.transactions) for event in body.get("ephemeral", ()) if event["type"] == kind]

    def to_device(self):
        return [one for _, body in list(self.transactions) for one in body.get("de.sorunome.msc2409.to_device", ())]

    def wait(self, event_id, seconds=PATIENCE):
        """The event as it came."""
        return until(lambda: next((e for e in self.events() if e["event_id"] == event_id), None), seconds)
