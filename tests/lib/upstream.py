"""A server behind a proxy, played by the tests: keeps every request as it came, and answers as it is told. What is asked of
its health (`health` is the status that it tells) is counted and not kept."""

import socket
import threading
import time


class Seen:
    """One request: its line, its headers (names in small letters, in order), its body, and the connection it came over."""

    def __init__(self, line, headers, body, connection):
        self.method, self.target, self.version = line.split(" ", 2)
        self.headers, self.body, self.connection = headers, body, connection
        self.ended, self.rest = threading.Event(), None

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def header(self, name):
        return (self.all(name) or [None])[0]


class Upstream:
    """answer(seen, sock) -> bytes to send, or None for none; may write to sock itself. The connection is kept unless the bytes
    ask for its end or answer returns None. early: bytes that are sent as soon as the head is there; what then comes until the
    other side ends is in seen.rest, and seen.ended is set."""

    def __init__(self, answer=None, port=0):
        self.got, self.connections, self.health, self.checks, self.early = [], 0, "200 OK", 0, None
        self.answer = answer or (lambda seen, sock: reply(b"{}"))
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # a close alone would leave accept() waiting
        self.listener.close()
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(sock)
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock, number):
        try:
            with sock, sock.makefile("rb") as stream:
                while self._one(sock, stream, number):
                    pass
        except OSError:
            pass

    def _one(self, sock, stream, number):
        line = stream.readline().decode().strip()
        if not line:
            return False
        headers = []
        while (row := stream.readline().decode().strip()):
            name, _, value = row.partition(":")
            headers.append((name.lower(), value.strip()))
        seen = Seen(line, headers, b"", number)
        if seen.target == "/health":
            self.checks += 1
            sock.sendall(reply(b"", self.health))
            return True
        self.got.append(seen)
        if self.early is not None:
            sock.sendall(self.early)
            seen.rest = stream.read()
            seen.ended.set()
            return False
        if seen.header("Transfer-Encoding") is None:
            seen.body = stream.read(int(seen.header("Content-Length") or 0))
        else:
            while (size := int(stream.readline(), 16)):
                seen.body += stream.read(size)
                stream.readline()
            stream.readline()
        data = self.answer(seen, sock)
        if data is None:
            return False
        sock.sendall(data)
        return b"connection: close" not in data.lower()


def reply(body, status="200 OK", *headers):
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def silent(seconds):
    """An answer that comes too late."""
    def answer(seen, sock):
        time.sleep(seconds)
        return reply(b"{}")
    return answer
