"""A small identity server: who has which address, invites that it keeps, and its signatures. HTTPS with a certificate of its own."""

import hashlib
import http.server
import json
import os
import ssl
import subprocess
import threading
import urllib.parse

import signedjson.key
import signedjson.sign
from unpaddedbase64 import encode_base64

PEPPER = "some pepper"


class IdentityServer:
    def __init__(self, folder):
        self.users, self.invites, self.valid, self.tokens = {}, {}, True, []
        self.key = signedjson.key.generate_signing_key("0")
        os.makedirs(folder, exist_ok=True)
        certificate, private = os.path.join(folder, "identity.crt"), os.path.join(folder, "identity.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-keyout", private, "-out", certificate], check=True, capture_output=True)
        identity = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_GET(self):
                self.answer(identity.get(self.path))

            def do_POST(self):
                identity.tokens.append(self.headers.get("Authorization"))
                self.answer(identity.post(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def answer(self, body):
                status, body = (200, body) if body is not None else (404, {"errcode": "M_UNRECOGNIZED", "error": "no such call"})
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.name = f"127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    @property
    def public_key(self):
        return encode_base64(signedjson.key.get_verify_key(self.key).encode())

    def get(self, path):
        path, _, query = path.partition("?")
        if path == "/_matrix/identity/v2/hash_details":
            return {"algorithms": ["none", "sha256"], "lookup_pepper": PEPPER}
        if path == "/_matrix/identity/v2/pubkey/isvalid":
            return {"valid": self.valid and urllib.parse.parse_qs(query)["public_key"] == [self.public_key]}
        return None

    def post(self, path, body):
        if path == "/_matrix/identity/v2/lookup":
            known = {self.hash(*address): user for address, user in self.users.items()}
            return {"mappings": {h: known[h] for h in body["addresses"] if h in known}}
        if path == "/_matrix/identity/v2/store-invite":
            token = f"token{len(self.invites)}"
            self.invites[token] = body
            return {"token": token, "display_name": body["address"][0] + "...", "public_keys": [
                {"public_key": self.public_key, "key_validity_url": f"https://{self.name}/_matrix/identity/v2/pubkey/isvalid"}]}
        return None

    @staticmethod
    def hash(medium, address):
        digest = hashlib.sha256(f"{address} {medium} {PEPPER}".encode()).digest()
        return encode_base64(digest, urlsafe=True)

    def proof(self, token, user_id, **more):
        return signedjson.sign.sign_json({"mxid": user_id, "token": token, **more}, self.name, self.key)
