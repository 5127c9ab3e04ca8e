"""A name server for tests: answers what it is told to, one answer after the other."""

import socket
import struct
import threading


class Names(threading.Thread):
    """names: name -> list of answers, each a list of IPv4 addresses; the last answer stays. Nothing may be kept (TTL 0).
    asked: the names that were asked for, in order."""

    def __init__(self):
        super().__init__(daemon=True)
        self.names, self.asked = {}, []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                query, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, kind = query[12:at + 5], struct.unpack(">H", query[at + 1:at + 3])[0]
        name, found = ".".join(labels), []
        if kind == 1:
            self.asked.append(name)
            answers = self.names.get(name, [[]])
            found = answers.pop(0) if len(answers) > 1 else answers[0]
        known = name in self.names
        head = query[:2] + struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        return head + question + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(a) for a in found)

    def stop(self):
        self._socket.sendto(b"", ("127.0.0.1", self._socket.getsockname()[1]))
        self.join(5)
        self._socket.close()
