"""Whom users find: Synapse and Ganglion are given the same people, and must rank them alike."""

import json
import os

import pytest

from lib.mixed import Mixed
from lib.server import Server, quote
from lib.wait import until

SEARCH = "/_matrix/client/v3/user_directory/search"

# localpart, display name (None: left as it is), has a picture
PEOPLE = [
    ("maria", "Maria Müller", True), ("mariam", None, False), ("anna-maria", "Anna", False), ("mueller", "M. Mueller", True),
    ("jo", "Maria", False), ("o.brien", "Sean O'Brien", False), ("maria.k", "Maria K. (work)", True), ("k", "Kleine Maria", False),
    ("zoe", "Zoë 🦊 Fox", False), ("fox", "fox", False), ("foxy_lady", "Foxy Lady", True), ("x1", "MARIA MARIA", False),
    ("ivan", "Иван Петров", False), ("li", "李 小龙", False), ("long", "a b c d e f g h i j", False), ("nul", "  spaces   here ", False),
    ("mail", "maria@example.org", False), ("dash", "half-done thing", False), ("under", "snake_case_name", False),
]
TERMS = ["maria", "MARIA", "mar", "müller", "mueller", "maria m", "maria k", "anna-maria", "anna", "o'brien", "obrien", "o.brien", "sean",
         "fox", "foxy", "zoë", "zoe", "иван", "Пет", "李", "小龙", "a b", "b c d", "spaces here", "@maria:localhost", "maria:localhost",
         "maria@example.org", "half-done", "half", "snake_case_name", "snake", "case", "k.", "(work)", "work", "&", "|", "!x",
         "maria & fox", "ma ma", "e f g", "'", "\\", ":*", "ｍａｒｉａ"]


@pytest.fixture(scope="module", params=["plain", "locals first"])
def both(request, build, folder, postgres):
    made, config = {}, {"background_updates": {"sleep_enabled": False}, "user_directory": {"enabled": True, "search_all_users": True,
                                           "prefer_local_users": request.param == "locals first"}}
    try:
        for name, python in (("synapse", {"main"}), ("ganglion", set())):
            database = f"found_{name}_{request.param.split()[0]}"
            postgres.sql(f"DROP DATABASE IF EXISTS {database}")
            made[name] = Mixed(os.path.join(folder, database), build, postgres, database=database, front=False, bcrypt_rounds=4,
                               workers=[], python=python, stream_writers={"events": ["master"]}, extra_config=config)
            made[name].start()
        servers = {name: Server(d) for name, d in made.items()}
        for name, server in servers.items():
            server.base_url = f"http://127.0.0.1:{made[name].main.port}"
            server.seeker = fill(server)
        yield servers
    finally:
        for deployment in made.values():
            deployment.stop()


def fill(server):
    until(lambda: server.sql("SELECT 1 FROM background_updates") == [], seconds=60)  # Synapse makes the empty directory anew
    seeker = server.register("seeker")
    for localpart, name, picture in PEOPLE:
        user = server.register(localpart)
        path = f"/_matrix/client/v3/profile/{quote(user.user_id)}"
        if name:
            user.ok("PUT", f"{path}/displayname", {"displayname": name})
        if picture:
            user.ok("PUT", f"{path}/avatar_url", {"avatar_url": "mxc://localhost/x"})
    # Users of other servers, as rooms that are shared with them would have told.
    server.sql("INSERT INTO user_directory (user_id, display_name, avatar_url) VALUES ('@maria:far.example', 'Maria', NULL),"
               " ('@fox:far.example', 'Fox', 'mxc://far.example/y')")
    server.sql("INSERT INTO user_directory_search (user_id, vector) VALUES ('@maria:far.example', setweight(to_tsvector('simple', 'maria'), 'A')"
               " || setweight(to_tsvector('simple', 'far.example'), 'D') || setweight(to_tsvector('simple', 'Maria'), 'B')),"
               " ('@fox:far.example', setweight(to_tsvector('simple', 'fox'), 'A')"
               " || setweight(to_tsvector('simple', 'far.example'), 'D') || setweight(to_tsvector('simple', 'Fox'), 'B'))")
    until(lambda: server.sql("SELECT count(*) FROM user_directory_search")[0][0] == str(len(PEOPLE) + 3))
    return seeker


def test_the_same_rows(both):
    rows = {name: server.sql("SELECT user_id, vector::text FROM user_directory_search ORDER BY 1") for name, server in both.items()}
    assert rows["ganglion"] == rows["synapse"]


def test_the_same_people_in_the_same_order(both):
    wrong = []
    for term in TERMS:
        for limit in (3, 10):
            answers = {name: server.seeker.ok("POST", SEARCH, {"search_term": term, "limit": limit}) for name, server in both.items()}
            if answers["ganglion"] != answers["synapse"]:
                wrong.append(f"{term!r} {limit}: {json.dumps(answers, ensure_ascii=False)}")
    assert not wrong, "\n".join(wrong)


def test_the_same_people_where_several_weigh_the_same(both):
    """Their order is chance in Synapse."""
    for term in ("localhost", "m", "l"):
        found = {name: {u["user_id"] for u in server.seeker.ok("POST", SEARCH, {"search_term": term, "limit": 50})["results"]}
                 for name, server in both.items()}
        assert found["ganglion"] == found["synapse"], term
