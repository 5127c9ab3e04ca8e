"""A push gateway: holds every request against the push gateway specification, and keeps the notifications."""

import http.server
import json
import threading
import time

from lib.wait import PATIENCE, until

PATH = "/_matrix/push/v1/notify"
KNOWN = {"event_id", "room_id", "type", "sender", "sender_display_name", "room_name", "room_alias", "user_is_target", "prio", "content",
         "counts", "devices", "id", "membership"}


def problems(method, path, headers, body):
    """What the specification does not allow."""
    found = []
    if (method, path) != ("POST", PATH):
        found.append(f"{method} {path}")
    if not headers.get("Content-Type", "").startswith("application/json"):
        found.append("content type")
    notification = body.get("notification")
    if set(body) != {"notification"} or not isinstance(notification, dict):
        return found + ["no notification"]
    found += [f"unknown member {key}" for key in set(notification) - KNOWN]
    if not notification.get("devices"):
        found.append("no devices")
    for device in notification.get("devices", []):
        if not {"app_id", "pushkey"} <= set(device) <= {"app_id", "pushkey", "pushkey_ts", "data", "tweaks"}:
            found.append(f"device {device}")
        if not isinstance(device.get("pushkey_ts", 0), int) or device.get("pushkey_ts", 0) > time.time() + 60:
            found.append("pushkey_ts is in seconds")
        if "url" in device.get("data", {}):
            found.append("data has the address")
    if notification.get("prio", "high") not in ("high", "low"):
        found.append("prio")
    counts = notification.get("counts", {})
    if not set(counts) <= {"unread", "missed_calls"} or not all(isinstance(n, int) for n in counts.values()):
        found.append("counts")
    return found


class Gateway(http.server.ThreadingHTTPServer):
    """rejected: keys that it does not know any more. status: what it answers (200). pause: seconds before it does."""

    daemon_threads = True

    def __init__(self, tls=None):
        """tls: the ssl.SSLContext of a server; None: plain HTTP."""
        self.got, self.problems, self.rejected, self.status, self.pause = [], [], [], 200, 0
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.problems += problems("POST", self.path, self.headers, body)
                time.sleep(gateway.pause)
                if gateway.status == 200:
                    gateway.got.append(body["notification"])
                text = json.dumps({"rejected": gateway.rejected}).encode()
                self.send_response(gateway.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        super().__init__(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_address[1]}{PATH}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()

    def events(self):
        return [n["event_id"] for n in self.got if "event_id" in n]

    def wait(self, event_id, seconds=PATIENCE):
        """The notification of an event."""
        return until(lambda: next((n for n in self.got if n.get("event_id") == event_id), None), seconds)

    def wait_badge(self, number, seconds=PATIENCE):
        return until(lambda: self.got and self.got[-1]["counts"]["unread"] == number, seconds)


def pusher(gateway, key="a key", app="org.example.app", **more):
    """The body of POST /pushers/set."""
    data = {"url": gateway.url, "brand": "x", **more.pop("data", {})}
    return {"kind": "http", "app_id": app, "app_display_name": "App", "device_display_name": "Phone", "pushkey": key, "lang": "en",
            "data": data, **more}
