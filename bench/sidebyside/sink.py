"""Many servers behind one port: they take whatever is sent to them, and show their key. Runs as a program of its own, so
that its work is not measured:

    python -m sidebyside.sink PORT CERTIFICATE KEY SIGNING_KEY

Every address of 127.0.0.0/8 leads here, and "127.x.y.z:PORT" is a server name. The first line of its output says that it
listens. GET /count: how many events came in all.
"""

import asyncio
import json
import ssl
import sys
import time

import signedjson.key
import signedjson.sign
from unpaddedbase64 import encode_base64

KEY_ID = "sink"


class Sink:
    def __init__(self, seed):
        self.key = signedjson.key.decode_signing_key_base64("ed25519", KEY_ID, seed)
        self.public = encode_base64(signedjson.key.get_verify_key(self.key).encode())
        self.pdus = 0

    def keys(self, name):
        answer = {"server_name": name, "valid_until_ts": int((time.time() + 86400) * 1000), "old_verify_keys": {},
                  "verify_keys": {f"ed25519:{KEY_ID}": {"key": self.public}}}
        return signedjson.sign.sign_json(answer, name, self.key)

    def answer(self, method, path, host, body):
        if path == "/count":
            return {"pdus": self.pdus}
        if path.startswith("/_matrix/key/"):
            return self.keys(host)
        if method == "PUT" and "/send/" in path:
            self.pdus += len(json.loads(body).get("pdus", ()))
            return {"pdus": {}}
        return {}

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                data = json.dumps(self.answer(method, path.partition("?")[0], fields["host"], body)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


async def main(port, certificate, key, seed):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(Sink(seed).serve, "0.0.0.0", int(port), ssl=context, backlog=2048)
    print("listening", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
