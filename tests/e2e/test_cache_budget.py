"""Caches keep to the memory that they are given, and what they let go is read again."""

import os
import re

import pytest

from deployment.deployment import Deployment
from lib.server import Server, request
from lib.wait import until

EVENTS, FACTOR = 200, 0.1  # of the configuration: room for a few dozen events
MESSAGES = 120


@pytest.fixture(scope="module")
def server(build, folder, postgres):
    postgres.sql("DROP DATABASE IF EXISTS e2e_budget")
    d = Deployment(os.path.join(folder, "budget"), build, postgres, database="e2e_budget", monolith=True, bcrypt_rounds=4,
                   extra_config={"enable_metrics": True, "event_cache_size": EVENTS, "caches": {"global_factor": FACTOR}})
    d.main.listener_names.append("metrics")
    try:
        yield Server(d.start())
    finally:
        clean = d.stop()
    assert clean


def caches(server):
    """name -> figure -> number."""
    found = {}
    text = request("GET", server.base_url + "/_synapse/metrics").text.decode()
    for figure, name, number in re.findall(r'^synapse_util_caches_(\w+){name="([^"]+)"[^}]*} (\S+)', text, re.M):
        found.setdefault(name, {})[figure] = float(number)
    return found


def all_messages(user, room):
    found, at = [], {}
    while True:
        page = user.messages(room, limit=50, **at)
        found += [e["content"]["body"] for e in page["chunk"] if e["type"] == "m.room.message"]
        if "end" not in page:
            return found
        at = {"from": page["end"]}


def test_more_than_the_caches_hold(server):
    alice = server.register()
    room = alice.create_room()
    said = [f"{i} " + "x" * 1000 for i in range(MESSAGES)]
    for text in said:
        alice.send(room, text)
    for _ in range(3):
        assert all_messages(alice, room) == said[::-1]
    events = until(lambda: next((c for c in [caches(server).get("*getEvent*", {})] if c.get("cache_evicted_size")), None))
    assert events["cache_max_size"] == int(EVENTS * 4096 * FACTOR)
    assert events["cache_evicted_size"] > MESSAGES  # more than once around
    assert MESSAGES > events["cache_size"] > 0
    for name, figures in caches(server).items():
        assert figures["cache_size_bytes"] <= figures["cache_max_size"], name
