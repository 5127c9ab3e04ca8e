"""A mail server for tests: takes every mail for any address but those at refused.example, and keeps it."""

import email
import email.policy
import re
import socketserver
import threading
import time

from lib.wait import PATIENCE


class _Session(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 test ESMTP")
        sender, recipients = None, []
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word in (b"EHLO", b"HELO"):
                self.say("250-test\r\n250 8BITMIME" if word == b"EHLO" else "250 test")
            elif word == b"MAIL":
                sender, recipients = line.strip().decode(), []
                self.say("250 ok")
            elif word == b"RCPT":
                refused = b"@refused.example" in line
                if not refused:
                    recipients.append(line.strip().decode())
                self.say("550 no such mailbox" if refused else "250 ok")
            elif word == b"DATA":
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text[1:] if text.startswith(b"..") else text)
                self.server.take(sender, recipients, b"".join(lines))
                self.say("250 taken")
            elif word == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok" if word in (b"RSET", b"NOOP") else "502 no")


class Mail:
    def __init__(self, sender, recipients, raw):
        self.sender, self.recipients, self.raw = sender, recipients, raw
        self.message = email.message_from_bytes(raw, policy=email.policy.default)
        self.text = self.message.get_body(("plain",)).get_content()
        self.html = self.message.get_body(("html",)).get_content()

    def link(self):
        return re.search(r"https?://\S+", self.text).group()


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Session)
        self.port = self.server_address[1]
        self.mails, self.lock = [], threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, sender, recipients, raw):
        with self.lock:
            self.mails.append(Mail(sender, recipients, raw))

    def to(self, address):
        with self.lock:
            return [m for m in self.mails if any(address in r for r in m.recipients)]

    def wait_for(self, address, n=1, seconds=PATIENCE):
        """The nth mail to the address."""
        end = time.monotonic() + seconds
        while len(self.to(address)) < n:
            assert time.monotonic() < end, f"no mail {n} to {address}"
            time.sleep(0.02)
        return self.to(address)[n - 1]

    def close(self):
        self.shutdown()
        self.server_close()
