"""The workers document of July 2020: a process of the worker app that it names answers every path itself.

Each expression of tests/data/seed-routes.tsv is written out into every alternative, sent to a process of that app in the
split, past the proxy, and must get the endpoint's own answer: not 404 or 405 M_UNRECOGNIZED, not a server error, and not by
way of another process (the counter of forwarded requests stays where it was). Rows of a later issue are skipped by number:
the list may only shrink.
"""

import csv
import itertools
import os
import re

import pytest

from deployment.deployment import Deployment
from lib.admin import administrator
from lib.server import Server, quote, request

HERE = os.path.dirname(os.path.abspath(__file__))
# How many rows each later issue still owes. Lower it when rows are built; it is never raised.
OWED = {"5": 0, "6": 0}


def rows():
    with open(os.path.join(HERE, "..", "data", "seed-routes.tsv"), encoding="utf-8", newline="") as f:
        lines = [line for line in f if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def spellings(expression):
    """Every alternative of an expression as a path with {room}-like holes."""
    path = expression.removeprefix("^").removesuffix("$")
    path = path.replace("[^/]+", "{room}", 1) if "/rooms/" in path else path.replace("[^/]+", "{user}")
    path = path.replace("rooms/.*", "rooms/{room}").replace("context/.*", "context/{event}")
    path = path.replace("room/.*", "room/{room}").replace("user/.*", "user/{user}").replace("auth/.*", "auth/m.login.terms")
    path = path.replace(".*", "")
    parts = re.split(r"\(([^()]*)\)", path)
    choices = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ["".join(choice) for choice in itertools.product(*choices)]


def cases():
    for row in rows():
        if row["issue"]:
            continue
        for path in spellings(row["expression"]):
            yield pytest.param(row["app"], row["method"], path + row["rest"], id=f"{row['method']} {path}{row['rest']}")


@pytest.fixture(scope="module")
def split(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS seed")
    deployment = Deployment(os.path.join(folder, "seed"), build, postgres, database="seed", bcrypt_rounds=4,
                            extra_config={"enable_metrics": True})
    for worker in deployment.workers:
        worker.listener_names = worker.listener_names + ["metrics"] if worker.listener_names else worker.listener_names
    try:
        deployment.start()
        yield Server(deployment)
    finally:
        deployment.stop()


@pytest.fixture(scope="module")
def people(split):
    return split.register("seed-owner"), split.register("seed-guest"), administrator(split, "seed-boss")


def forwarded(url):
    text = request("GET", url + "/_synapse/metrics").text.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("ganglion_forwarded_requests_total"))


def body_for(method, path, guest):
    if method in ("GET", "DELETE"):
        return None
    last = path.rstrip("/").rsplit("/", 1)[1]
    if last in ("invite", "kick", "ban", "unban"):
        return {"user_id": guest.user_id}
    if last == "register":
        return {"username": f"seed{abs(hash(path)) % 10 ** 8}", "password": "a good password", "auth": {"type": "m.login.dummy"}}
    if last == "login":
        return {"type": "m.login.password", "user": "seed-owner", "password": "a good password"}
    if "/state/m.room.topic" in path:
        return {"topic": path}
    if last == "displayname":
        return {"displayname": "Owner"}
    if path.endswith("/user_directory/search"):
        return {"search_term": "owner"}
    if last == "publicised_groups":
        return {"user_ids": [guest.user_id]}
    if path == "/_matrix/key/v2/query":
        return {"server_keys": {}}
    if last == "query":
        return {"device_keys": {guest.user_id: []}}
    return {"msgtype": "m.text", "body": "x"} if "/send/" in path else {}


@pytest.mark.parametrize("app, method, path", cases())
def test_the_worker_answers_itself(split, people, app, method, path):
    owner, guest, boss = people
    worker = next(w for w in split.deployment.workers if w.app == f"synapse.app.{app}" and w.port)
    url = f"http://127.0.0.1:{worker.port}"
    room = owner.create_room(preset="public_chat")
    event = owner.send(room, "hello")
    if path.endswith(("/kick", "/ban", "/unban")):
        guest.join(room)
    if path.endswith("/unban"):
        owner.ok("POST", f"/_matrix/client/v3/rooms/{quote(room)}/ban", {"user_id": guest.user_id})
    asking = guest if path.endswith(f"/join/{{room}}") or path.endswith("/join") else owner
    asking = boss if path.startswith("/_synapse/admin/") else asking
    target = path.format(room=quote(room), event=quote(event), user=quote(owner.user_id), txn="seed")
    if path.endswith("/keys/changes"):
        target += f"?from={owner.sync()['next_batch']}"
    if path.endswith("/fallback/web"):
        target += "?session=seed"
    before = forwarded(url)
    body = body_for(method, path, guest)
    # Whoever has a token has an account, and makes none.
    answer = request(method, url + target, body) if path.endswith("/register") else asking.call(method, target, body, base=url)
    unsigned = path.startswith("/_matrix/federation/")  # served here, and refused to whoever does not sign
    assert answer.status == (401 if unsigned else 200), (target, answer)
    assert forwarded(url) == before


@pytest.mark.parametrize("issue", sorted(OWED))
def test_what_is_owed_only_shrinks(issue):
    assert sum(row["issue"] == issue for row in rows()) <= OWED[issue]
