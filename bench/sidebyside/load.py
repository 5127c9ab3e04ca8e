"""Requests as bytes, and the program that sends them (bench/load/bench_load.c)."""

import json
import os
import subprocess


class Load:
    """Sends requests to one side; a request is (port, bytes, times)."""

    def __init__(self, build):
        self.program = os.path.join(build, "bin", "bench_load")

    def _run(self, arguments, requests):
        data = b"".join(b"%d %d %d\n%b" % (port, count, len(raw), raw) for port, raw, count in requests)
        done = subprocess.run([self.program, *arguments], input=data, capture_output=True, check=False, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.decode(errors="replace"))
        return [int(line) / 1e9 for line in done.stdout.split()]

    def run(self, requests, at_once):
        """The seconds that each request took."""
        return self._run([str(at_once)], requests)

    def start(self, requests, at_once):
        """In the background; stop() ends it."""
        data = b"".join(b"%d %d %d\n%b" % (port, count, len(raw), raw) for port, raw, count in requests)
        process = subprocess.Popen([self.program, str(at_once)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        process.stdin.write(data)
        process.stdin.close()
        return process

    def deliver(self, waiters, sender, settle_ms=300):
        """All waiters wait, then the sender's request goes out: the seconds from then to each waiter's answer."""
        return self._run(["1", "--waiters", str(settle_ms)], [*waiters, sender])


def raw(method, path, token=None, body=None, headers=None):
    """A whole HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    for name, value in (headers or {}).items():
        head += f"{name}: {value}\r\n"
    if body is None:
        return (head + "\r\n").encode()
    data = json.dumps(body).encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data
