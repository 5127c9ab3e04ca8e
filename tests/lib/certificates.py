"""A certificate authority for tests, and certificates of servers that live on loopback."""

import os
import subprocess


def _openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """ca: path of its certificate, for `federation_custom_ca_list`."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.ca, self._key = os.path.join(folder, "ca.crt"), os.path.join(folder, "ca.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Tests' authority",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self._key, "-out", self.ca)

    def certificate(self, name="localhost", alternatives="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key) as paths; made once for each name. Readable by all: nginx is nobody in particular."""
        stem = os.path.join(self.folder, name.replace("*", "any"))
        certificate, key, request, extensions = stem + ".crt", stem + ".key", stem + ".csr", stem + ".ext"
        if not os.path.exists(certificate):
            _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
            with open(extensions, "w", encoding="ascii") as f:
                f.write(f"subjectAltName={alternatives}\nbasicConstraints=CA:FALSE\n")
            _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days", "2",
                     "-extfile", extensions, "-out", certificate)
            os.chmod(key, 0o644)
        return certificate, key
