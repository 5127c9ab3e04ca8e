"""A part of the web: pages and pictures by path, on every address of this machine, and who asked for them."""

import http.server
import threading
import time


class Web(http.server.ThreadingHTTPServer):
    """pages: path -> (status, headers, body); a body that is a function writes to the handler's wfile itself."""

    daemon_threads = True

    def __init__(self):
        self.pages, self.asked, self.reached = {}, [], []  # reached: addresses of ours that somebody connected to
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                web.asked.append((self.headers["Host"], self.path, dict(self.headers)))
                web.reached.append(self.connection.getsockname()[0])
                status, headers, body = web.pages.get(self.path.split("?")[0], (404, {"Content-Type": "text/html"}, b"no"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if not callable(body):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    body(self.wfile) if callable(body) else self.wfile.write(body)
                except OSError:
                    pass  # whoever asked has heard enough

        super().__init__(("0.0.0.0", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port}{path}"

    def put(self, path, body, kind="text/html", status=200, **headers):
        self.pages[path] = (status, {**({"Content-Type": kind} if kind else {}), **headers}, body)
        return self.url(path)

    def count(self, path):
        return sum(asked.split("?")[0] == path for _, asked, _ in self.asked)

    def stop(self):
        self.shutdown()
        self.server_close()


def endless(piece=b"x" * 65536, pause=0.0):
    """A body without an end."""
    def write(out):
        while True:
            out.write(piece)
            out.flush()
            time.sleep(pause)
    return write
