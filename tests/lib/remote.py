"""Another homeserver, played by the test: signs and sends what it is told to, answers what it is asked, remembers both.

It keeps the rooms that its users are in (RemoteRoom), and answers other servers' questions about them by itself; `on`
puts an answer of the test's own before that. Every request that it gets is held against the asker's signature.
"""

import http.client
import http.server
import itertools
import json
import re
import ssl
import threading
import time
import urllib.parse

import signedjson.key
import signedjson.sign
from unpaddedbase64 import encode_base64

from deployment.ports import free_port
from lib.remote_room import RemoteRoom
from lib.server import Answer, listening, quote
from lib.wait import PATIENCE, until

FED = "/_matrix/federation"
_counter = itertools.count(1)


class Asked:
    """A request that came in. origin: who signed it, if the signature is right; else None."""

    def __init__(self, method, path, query, body, origin, headers):
        self.method, self.path, self.query, self.body, self.origin, self.headers = method, path, query, body, origin, headers

    def __repr__(self):
        return f"<{self.method} {self.path} from {self.origin}>"


class Remote:
    def __init__(self, authority):
        self.key = signedjson.key.generate_signing_key(f"r{next(_counter)}")
        self.old_keys, self.valid_for = {}, 24 * 3600
        self.asked, self.pdus, self.edus, self.transactions = [], [], [], {}
        self.called = []  # by which names TLS connections came (SNI); None: by none
        self.rooms, self.down, self.pause = {}, False, 0
        self.answering = threading.Event()  # until it is set, whoever asks waits
        self.answering.set()
        self._answers, self._keys, self._lock = [], {}, threading.RLock()
        self._client = ssl.create_default_context(cafile=authority.ca)
        self._http = self._listen(authority)
        self.name = f"localhost:{self._http.server_address[1]}"

    def _listen(self, authority):
        remote = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def setup(self):
                self.request.settimeout(30)
                super().setup()

            def serve(self):
                remote._serve(self)

            do_GET = do_PUT = do_POST = serve

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 128

            def handle_error(self, request, client_address):
                pass  # peers hang up when a test ends

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.certificate())
        context.sni_callback = lambda connection, name, context: self.called.append(name)
        listener = Listener(("127.0.0.1", free_port()), Handler)  # a port is a name: never one that a server of the test has met
        listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return listener

    def stop(self):
        self._http.shutdown()
        self._http.server_close()

    def user(self, name):
        return f"@{name}:{self.name}"

    # ---- what others ask ----

    def on(self, method, pattern, answer):
        """answer: (status, body), or (status, body, headers), or a function of Asked and the pattern's groups that returns one. The latest one wins."""
        self._answers.insert(0, (method, re.compile(pattern), answer))

    def off(self):
        self._answers.clear()

    def _serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if self.down:
            handler.close_connection = True
            return
        if self.pause:
            time.sleep(self.pause)
        self.answering.wait(60)
        path, _, query = handler.path.partition("?")
        try:
            content = json.loads(body) if body else None
        except ValueError:
            content = None
        asked = Asked(handler.command, path, urllib.parse.parse_qs(query), content, self._signer(handler, content), handler.headers)
        with self._lock:
            self.asked.append(asked)
        try:
            status, answer, *headers = self._answer(asked)
        except Exception as error:  # of the test's own function: shown to whoever asked, and so in the test's failure
            status, answer, headers = 500, {"errcode": "M_UNKNOWN", "error": repr(error)}, []
        raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers[0] if headers else {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw)

    def _answer(self, asked):
        for method, pattern, answer in self._answers:
            found = pattern.fullmatch(urllib.parse.unquote(asked.path)) if method == asked.method else None
            if found:
                return answer(asked, *found.groups()) if callable(answer) else answer
        if asked.path.startswith("/_matrix/key/v2/server"):
            return 200, self.server_keys()
        if asked.path == f"{FED}/v1/version":
            return 200, {"server": {"name": "test", "version": "1"}}
        if not asked.path.startswith(FED) or asked.origin is None:
            return (401, {"errcode": "M_UNAUTHORIZED", "error": "bad signature"}) if asked.path.startswith(FED) else \
                (404, {"errcode": "M_UNRECOGNIZED", "error": "unknown"})
        parts = [urllib.parse.unquote(part) for part in asked.path[len(FED) + 1:].split("/")]
        if asked.method == "PUT" and parts[1] == "send":
            return self._transaction(asked, parts[2])
        room = self.rooms.get(parts[2]) if len(parts) > 2 else None
        if parts[1] == "event":
            for room in self.rooms.values():
                if parts[2] in room.events:
                    return 200, {"origin": self.name, "origin_server_ts": 1, "pdus": [room.events[parts[2]]]}
            return 404, {"errcode": "M_NOT_FOUND", "error": "no such event"}
        if room is None:
            return 404, {"errcode": "M_NOT_FOUND", "error": "no such room here"}
        return room.answer(asked, parts[0], parts[1], parts[3:])

    def _transaction(self, asked, txn):
        with self._lock:
            if (asked.origin, txn) not in self.transactions:
                self.transactions[asked.origin, txn] = asked.body
                self.pdus += asked.body.get("pdus", [])
                self.edus += asked.body.get("edus", [])
                for pdu in asked.body.get("pdus", []):
                    if pdu.get("room_id") in self.rooms:
                        self.rooms[pdu["room_id"]].receive(pdu)
        return 200, {"pdus": {}}

    def _signer(self, handler, content):
        for header in handler.headers.get_all("Authorization", []):
            if not header.startswith("X-Matrix "):
                continue
            fields = {name: value.strip('"') for name, _, value in (part.strip().partition("=") for part in header[9:].split(","))}
            said = {"method": handler.command, "uri": handler.path, "origin": fields["origin"], "destination": self.name,
                    "signatures": {fields["origin"]: {fields["key"]: fields["sig"]}}}
            if content is not None:
                said["content"] = content
            try:
                signedjson.sign.verify_signed_json(said, fields["origin"], self._key_of(fields["origin"], fields["key"]))
                return fields["origin"]
            except (signedjson.sign.SignatureVerifyException, KeyError, OSError):
                continue
        return None

    def _key_of(self, server, key_id):
        if (server, key_id) not in self._keys:
            answer = self.call("GET", server, "/_matrix/key/v2/server", signed=False).json
            for name, key in answer["verify_keys"].items():
                self._keys[server, name] = signedjson.key.decode_verify_key_base64(*name.split(":"), key["key"])
        return self._keys[server, key_id]

    @property
    def key_id(self):
        return f"ed25519:{self.key.version}"

    def server_keys(self):
        answer = {"server_name": self.name, "valid_until_ts": int((time.time() + self.valid_for) * 1000), "old_verify_keys": self.old_keys,
                  "verify_keys": {self.key_id: {"key": encode_base64(signedjson.key.get_verify_key(self.key).encode())}}}
        return signedjson.sign.sign_json(answer, self.name, self.key)

    # ---- what it asks others ----

    def authorization(self, method, uri, destination, content=None):
        said = {"method": method, "uri": uri, "origin": self.name, "destination": destination}
        if content is not None:
            said["content"] = content
        signature = signedjson.sign.sign_json(said, self.name, self.key)["signatures"][self.name][self.key_id]
        return f'X-Matrix origin="{self.name}",destination="{destination}",key="{self.key_id}",sig="{signature}"'

    def call(self, method, server, path, body=None, signed=True, headers=None, timeout=30, raw=None):
        """One request to a server, by name ("localhost:PORT")."""
        headers = dict(headers or {})
        if signed and "Authorization" not in headers:
            headers["Authorization"] = self.authorization(method, path, server, body)
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content-Type", "application/json")
        if server in listening:
            listening[server].hear()
        connection = http.client.HTTPSConnection("localhost", int(server.rpartition(":")[2]), context=self._client, timeout=timeout)
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), answer.headers)
        finally:
            connection.close()
            if server in listening:
                listening[server].unheard |= method != "GET"

    def ok(self, method, server, path, body=None, **options):
        answer = self.call(method, server, path, body, **options)
        assert answer.status == 200, (method, path, answer)
        return answer.json

    def send(self, server, pdus=(), edus=(), txn=None):
        """One transaction; its answer's "pdus"."""
        txn = txn or f"t{next(_counter)}"
        body = {"origin": self.name, "origin_server_ts": int(time.time() * 1000), "pdus": list(pdus),
                "edus": [{"edu_type": kind, "content": content} for kind, content in edus]}
        return self.ok("PUT", server, f"{FED}/v1/send/{quote(txn)}", body)["pdus"]

    # ---- rooms ----

    def create_room(self, version="10", creator="creator", **options):
        room = RemoteRoom.create(self, version, self.user(creator), **options)
        self.rooms[room.room_id] = room
        return room

    def join(self, server, room_id, user="joiner", version="10", **options):
        """One of ours joins a room of theirs; afterwards the room is kept here."""
        room = RemoteRoom.join(self, server, room_id, self.user(user) if not user.startswith("@") else user, version, **options)
        self.rooms[room_id] = room
        return room

    # ---- what came ----

    def wait_pdu(self, condition, seconds=PATIENCE):
        return until(lambda: next((pdu for pdu in list(self.pdus) if condition(pdu)), None), seconds)

    def wait_edu(self, kind, condition=lambda content: True, seconds=PATIENCE):
        return until(lambda: next((edu["content"] for edu in list(self.edus) if edu["edu_type"] == kind and condition(edu["content"])), None), seconds)
