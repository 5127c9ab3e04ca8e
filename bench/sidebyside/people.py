"""What it costs to find people among a hundred thousand, and to tell their devices of a message."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .cases import CLIENT, Case, message

PEOPLE = 100_000
FIRST, LAST = 500, 200  # as many names as that


def crowd(world):
    """A hundred thousand users, who share a public room with whoever searches."""
    def make():
        sql = world.side.server.sql
        made = f"(SELECT '@crowd' || i || ':{world.side.server.name}' AS id, 'crowd' || i AS part, 'First' || i % {FIRST} || ' Last' || i % {LAST}" \
               f" AS name FROM generate_series(1, {PEOPLE}) i) g"
        sql(f"INSERT INTO user_directory (user_id, display_name) SELECT id, name FROM {made}")
        sql("INSERT INTO user_directory_search (user_id, vector) SELECT id, setweight(to_tsvector('simple', part), 'A') ||"
            f" setweight(to_tsvector('simple', '{world.side.server.name}'), 'D') || setweight(to_tsvector('simple', name), 'B') FROM {made}")
        sql(f"INSERT INTO users_in_public_rooms (user_id, room_id) SELECT id, '!crowd:bench' FROM {made}")
        sql("VACUUM ANALYZE user_directory, user_directory_search, users_in_public_rooms")  # as autovacuum does it in time

    return world.once("crowd", make)


def search(term_of):
    def requests(world, n):
        crowd(world)
        return [world.request("POST", f"{CLIENT}/user_directory/search", world.alice.token, {"search_term": term_of(i), "limit": 10})
                for i in range(n)]

    return requests


class Gateway(ThreadingHTTPServer):
    """Counts what it is told."""

    daemon_threads = True

    def __init__(self):
        self.told, self.lock = 0, threading.Lock()
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with gateway.lock:
                    gateway.told += b'"event_id"' in body
                self.send_response(200)
                self.send_header("Content-Length", "15")
                self.end_headers()
                self.wfile.write(b'{"rejected":[]}')

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/_matrix/push/v1/notify"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Pushes(Case):
    """A message to fifty who each have a device that is told; a push is the unit, from the message until the gateway has it."""

    def __init__(self, messages):
        super().__init__(None, messages, messages)

    def room(self, world):
        def make():
            gateway, users = Gateway(), world.users(world.scale(50) + 1)[1:]
            room = world.alice.create_room(preset="public_chat")
            world.each(lambda user: user.join(room), users)
            world.each(lambda user: user.ok("POST", f"{CLIENT}/pushers/set", {
                "kind": "http", "app_id": "bench", "app_display_name": "b", "device_display_name": "b", "pushkey": user.user_id,
                "lang": "en", "data": {"url": gateway.url}, "append": True}), users)
            return gateway, room, len(users)

        return world.once("pushes", make)

    def round(self, world, factor):
        gateway, room, n = self.room(world)
        messages = max(1, int(self.busy[world.side.python] * factor))
        taken, before = [], gateway.told
        with world.side.watch() as used:
            for i in range(messages):
                started = time.perf_counter()
                world.side.load.run([message(world, world.alice, room)], 1)
                while gateway.told < before + (i + 1) * n:
                    if time.perf_counter() - started > 60:
                        raise RuntimeError("the gateway was not told of everything")
                    time.sleep(0.002)
                taken.append((time.perf_counter() - started) / n)
        return taken, used.cpu / (messages * n), messages * n / used.seconds


#: counts are (Ganglion, Synapse)
CASES = {
    "people, a name": Case(search(lambda i: f"first{i % FIRST} last{i % LAST}"), (100, 20), (1000, 60), 4),
    "people, a beginning": Case(search(lambda i: f"crowd{i % 90 + 10}"), (50, 10), (200, 30), 4),
    "push to 50 devices": Pushes((20, 5)),
}
