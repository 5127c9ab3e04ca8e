"""Keys as clients make them: signed for real, so that a server which checks them is content."""

import signedjson.key
import signedjson.sign

from lib.rooms import CLIENT

KEYS = f"{CLIENT}/keys"


def public(key):
    return signedjson.key.encode_verify_key_base64(signedjson.key.get_verify_key(key))


def new_key(version):
    return signedjson.key.generate_signing_key(version)


def sign(thing, user, key):
    """A copy with one more signature of the user."""
    copy = {name: value for name, value in thing.items() if name != "signatures"}
    copy["signatures"] = {who: dict(by) for who, by in thing.get("signatures", {}).items()}
    return signedjson.sign.sign_json(copy, user.user_id, key)


class Device:
    """The identity of a logged-in user's device."""

    def __init__(self, user):
        self.user, self.key = user, new_key(user.device_id)

    def keys(self, **more):
        user = self.user
        return sign({"user_id": user.user_id, "device_id": user.device_id, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
                     "keys": {f"curve25519:{user.device_id}": "c" * 43, f"ed25519:{user.device_id}": public(self.key)}, **more},
                    user, self.key)

    def upload(self, **kwargs):
        return self.user.ok("POST", f"{KEYS}/upload", {"device_keys": self.keys()}, **kwargs)

    def one_time(self, name):
        return sign({"key": name}, self.user, self.key)


class CrossSigning:
    """Master, self-signing and user-signing key of a user."""

    def __init__(self, user):
        self.user = user
        self.master, self.self_signing, self.user_signing = (new_key("x") for _ in range(3))
        for key in (self.master, self.self_signing, self.user_signing):
            key.version = public(key)

    def key(self, usage, key, signer=None):
        made = {"user_id": self.user.user_id, "usage": [usage], "keys": {f"ed25519:{public(key)}": public(key)}}
        return sign(made, self.user, signer) if signer else made

    def keys(self):
        return {"master_key": self.key("master", self.master),
                "self_signing_key": self.key("self_signing", self.self_signing, self.master),
                "user_signing_key": self.key("user_signing", self.user_signing, self.master)}


def query(user, *whom, **kwargs):
    return user.ok("POST", f"{KEYS}/query", {"device_keys": {getattr(who, "user_id", who): [] for who in whom}}, **kwargs)


def claim(user, of, algorithm="signed_curve25519", **kwargs):
    """The keys that one device of somebody hands out."""
    answer = user.ok("POST", f"{KEYS}/claim", {"one_time_keys": {of.user_id: {of.device_id: algorithm}}}, **kwargs)
    return answer["one_time_keys"].get(of.user_id, {}).get(of.device_id, {})
