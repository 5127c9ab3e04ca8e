"""A forward proxy: what it was asked for is kept; every name leads to this machine."""

import socket
import socketserver
import threading


class Forward(socketserver.ThreadingTCPServer):
    """asked: (request line, headers by lower-case name). refusing: CONNECT is answered 403."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, refusing=False):
        self.asked, self.refusing = [], refusing
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = "http://localhost:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def lines(self):
        return [line for line, _ in self.asked]

    def stop(self):
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode().strip()
        headers = {}
        for raw in iter(self.rfile.readline, b"\r\n"):
            if not raw:
                return
            name, _, value = raw.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        self.server.asked.append((line, headers))
        method, target, _ = line.split()
        if method == "CONNECT" and self.server.refusing:
            self.wfile.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            self.tunnel(int(target.rpartition(":")[2]))
        else:
            self.fetch(target)

    def tunnel(self, port):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=_pump, args=(peer, self.connection), daemon=True)
            back.start()
            _pump(self.connection, peer)
            back.join()

    def fetch(self, url):
        place, _, path = url.removeprefix("http://").partition("/")
        with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2]))) as peer:
            peer.sendall(f"GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode())
            _pump(peer, self.connection)


def _pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
