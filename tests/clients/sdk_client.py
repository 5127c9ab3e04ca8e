"""The JavaScript client (client.mjs) as an object: each command is a method, or a future of one."""

import itertools
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future

class SdkClient:
    """One process of node; ends with stop()."""

    def __init__(self, place):
        """place: the folder with client.mjs and node_modules."""
        node = os.path.join(os.path.dirname(sys.executable), "node")
        self.process = subprocess.Popen([node, "--no-warnings", os.path.join(place, "client.mjs")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.numbers, self.waiting = itertools.count(1), {}
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            answer = json.loads(line)
            future = self.waiting.pop(answer["id"])
            if "error" in answer:
                future.set_exception(AssertionError(answer["error"]))
            else:
                future.set_result(answer.get("ok"))
        for future in self.waiting.values():
            future.set_exception(AssertionError(f"the client ended with {self.process.wait()}"))

    def start(self, command, **what):
        """A future: two clients that wait for each other are started side by side."""
        number, future = next(self.numbers), Future()
        self.waiting[number] = future
        self.process.stdin.write(json.dumps({"id": number, "do": command, "with": what}) + "\n")
        self.process.stdin.flush()
        return future

    def __getattr__(self, command):
        return lambda **what: self.start(command, **what).result(90)

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
