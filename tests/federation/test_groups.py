"""Communities: made on one server, seen, joined and shown from another."""

import pytest

from lib.rooms import refused
from lib.server import quote
from lib.wait import until

CLIENT = "/_matrix/client/r0"
FED = "/_matrix/federation/v1"
CONFIG = {"ganglion": {"groups": True}, "enable_group_creation": True}


def running(name, kind, own, authority):
    with own.running(name, monolith=kind == "monolith", authority=authority, extra_config=CONFIG) as server:
        yield server


@pytest.fixture(scope="module")
def here(kind, own, authority):
    yield from running("groups_here", kind, own, authority)


@pytest.fixture(scope="module")
def there(kind, own, authority):
    yield from running("groups_there", kind, own, authority)


_names = iter(range(10 ** 6))


class Group:
    def __init__(self, server, **profile):
        self.server, self.admin = server, server.register()
        self.id = self.admin.ok("POST", f"{CLIENT}/create_group", {"localpart": f"g{next(_names)}", "profile": profile})["group_id"]

    def path(self, *parts):
        return "/".join([f"{CLIENT}/groups/{quote(self.id)}", *map(quote, parts)])

    def get(self, user, *parts):
        return user.call("GET", self.path(*parts))

    def put(self, user, body, *parts):
        return user.call("PUT", self.path(*parts), body)

    def done(self, user, body, *parts):
        answer = self.put(user, body, *parts)
        assert answer.status == 200, (parts, answer)
        return answer.json

    def invite(self, user):
        assert self.done(self.admin, {}, "admin", "users", "invite", user.user_id) == {"state": "invite"}

    def members(self, user):
        answer = self.get(user, "users")
        assert answer.status == 200, answer
        return {u["user_id"]: u for u in answer.json["chunk"]}


@pytest.fixture
def group(here):
    return Group(here, name="Tea", short_description="who drinks", avatar_url="mxc://a/b", long_description="tea")


def joined_groups(user):
    return user.ok("GET", f"{CLIENT}/joined_groups")["groups"]


def in_sync(user, since=None):
    return user.sync(since).get("groups", {})


def other_workers(server):
    return [server.worker_url("generic_worker1"), server.worker_url("generic_worker2")] if not server.monolith else [None]


# ---- on one server ----

def test_making_a_group(here, group):
    assert group.get(group.admin, "profile").json == {"name": "Tea", "short_description": "who drinks", "avatar_url": "mxc://a/b",
                                                      "long_description": "tea", "is_openly_joinable": False}
    assert joined_groups(group.admin) == [group.id]
    assert group.members(group.admin)[group.admin.user_id]["is_privileged"] is True
    name = group.id[1:].split(":")[0]
    refused(group.admin.call("POST", f"{CLIENT}/create_group", {"localpart": name}), 400)
    for bad in ({}, {"localpart": "Ä"}, {"localpart": 5}, {"localpart": "x" * 300}, {"localpart": "ok", "profile": 5},
                {"localpart": "ok", "profile": {"name": 5}}):
        refused(group.admin.call("POST", f"{CLIENT}/create_group", bad), 400)


def test_profile_and_who_may_change_it(here, group):
    other = here.register()
    refused(other.call("POST", group.path("profile"), {"name": "Coffee"}), 403, "M_FORBIDDEN")
    group.admin.ok("POST", group.path("profile"), {"name": "Coffee", "avatar_url": None})
    got = group.get(other, "profile").json
    assert got["name"] == "Coffee" and got["avatar_url"] is None and got["short_description"] == "who drinks"
    refused(other.call("GET", f"{CLIENT}/groups/{quote('+none:' + here.name)}/profile"), 404)
    refused(other.call("GET", f"{CLIENT}/groups/nonsense/profile"), 400)


def test_invited_and_joined(here, group):
    bob = here.register()
    since = bob.sync()["next_batch"]
    group.invite(bob)
    found, since = bob.sync_until(lambda a: a.get("groups", {}).get("invite", {}).get(group.id), since)
    assert found == {"profile": {"name": "Tea", "avatar_url": "mxc://a/b"}, "inviter": group.admin.user_id}
    assert [u["user_id"] for u in group.get(group.admin, "invited_users").json["chunk"]] == [bob.user_id]
    refused(group.get(bob, "invited_users"), 403)
    assert joined_groups(bob) == []
    group.done(bob, {}, "self", "accept_invite")
    found, since = bob.sync_until(lambda a: group.id in a.get("groups", {}).get("join", {}), since)
    for base in other_workers(here):
        until(lambda: bob.ok("GET", f"{CLIENT}/joined_groups", base=base)["groups"] == [group.id])
    assert set(group.members(group.admin)) == {group.admin.user_id, bob.user_id}
    refused(group.put(group.admin, {}, "admin", "users", "invite", bob.user_id), 400)
    group.done(bob, {}, "self", "leave")
    found, since = bob.sync_until(lambda a: group.id in a.get("groups", {}).get("leave", {}), since)
    assert set(group.members(group.admin)) == {group.admin.user_id} and joined_groups(bob) == []
    assert group.id not in str(in_sync(bob))


def test_who_is_not_invited(here, group):
    bob = here.register()
    refused(group.put(bob, {}, "self", "accept_invite"), 403)
    refused(group.put(bob, {}, "self", "join"), 403)
    refused(group.put(bob, {}, "admin", "users", "invite", bob.user_id), 403)
    refused(group.put(group.admin, {"m.join_policy": {"type": "ajar"}}, "settings", "m.join_policy"), 400)
    group.done(group.admin, {"m.join_policy": {"type": "open"}}, "settings", "m.join_policy")
    assert group.get(bob, "profile").json["is_openly_joinable"] is True
    group.done(bob, {}, "self", "join")
    assert joined_groups(bob) == [group.id]
    group.done(group.admin, {}, "admin", "users", "remove", bob.user_id)
    assert joined_groups(bob) == [] and bob.user_id not in group.members(group.admin)


def test_rooms_categories_and_roles(here, group):
    alice, bob = group.admin, here.register()
    public, private = alice.create_room(preset="public_chat", name="public"), alice.create_room(name="private")
    group.done(alice, {"m.visibility": {"type": "public"}}, "admin", "rooms", public)
    group.done(alice, {"m.visibility": {"type": "private"}}, "admin", "rooms", private)
    refused(group.put(alice, {"m.visibility": {"type": "secret"}}, "admin", "rooms", public), 400)
    refused(group.put(bob, {}, "admin", "rooms", public), 403)
    until(lambda: len(group.get(alice, "rooms").json["chunk"]) == 2)
    seen = group.get(bob, "rooms").json["chunk"]
    assert [(r["room_id"], r["name"], r["is_public"]) for r in seen] == [(public, "public", True)]
    group.done(alice, {"profile": {"name": "Fruit"}}, "categories", "fruit")
    group.done(alice, {"profile": {"name": "Boss"}, "m.visibility": {"type": "private"}}, "roles", "boss")
    assert group.get(alice, "categories", "").json == {"categories": {"fruit": {"profile": {"name": "Fruit"}, "is_public": True}}}
    assert group.get(alice, "roles", "boss").json == {"profile": {"name": "Boss"}, "is_public": False}
    refused(group.get(alice, "roles", "none"), 404)
    group.done(alice, {"order": 5}, "summary", "categories", "fruit", "rooms", public)
    group.done(alice, {}, "summary", "roles", "boss", "users", alice.user_id)
    refused(group.put(alice, {}, "summary", "categories", "none", "rooms", public), 400)
    refused(group.put(alice, {}, "summary", "users", bob.user_id), 400)
    summary = group.get(bob, "summary").json
    assert summary["profile"]["name"] == "Tea" and summary["user"]["is_publicised"] is False
    assert [(r["room_id"], r["category_id"], r["order"]) for r in summary["rooms_section"]["rooms"]] == [(public, "fruit", 5)]
    assert [(u["user_id"], u["role_id"]) for u in summary["users_section"]["users"]] == [(alice.user_id, "boss")]
    assert set(summary["rooms_section"]["categories"]) == {"fruit"} and summary["users_section"]["roles"] == {}
    assert group.get(alice, "summary").json["users_section"]["roles"]["boss"]["profile"] == {"name": "Boss"}
    alice.ok("DELETE", group.path("summary", "categories", "fruit", "rooms", public))
    alice.ok("DELETE", group.path("categories", "fruit"))
    alice.ok("DELETE", group.path("admin", "rooms", private))
    group.done(alice, {"type": "private"}, "admin", "rooms", public, "config", "m.visibility")
    assert group.get(alice, "summary").json["rooms_section"]["rooms"] == [] and group.get(bob, "rooms").json["chunk"] == []


def test_publicity(here, group):
    bob = here.register()
    show = lambda user, value: group.done(user, {"publicise": value}, "self", "update_publicity")
    assert bob.ok("GET", f"{CLIENT}/publicised_groups/{quote(group.admin.user_id)}") == {"groups": []}
    show(group.admin, True)
    assert bob.ok("GET", f"{CLIENT}/publicised_groups/{quote(group.admin.user_id)}") == {"groups": [group.id]}
    assert bob.ok("POST", f"{CLIENT}/publicised_groups", {"user_ids": [group.admin.user_id, bob.user_id]}) == \
        {"users": {group.admin.user_id: [group.id], bob.user_id: []}}
    assert group.get(group.admin, "summary").json["user"]["is_publicised"] is True
    show(group.admin, False)
    assert bob.ok("GET", f"{CLIENT}/publicised_groups/{quote(group.admin.user_id)}") == {"groups": []}
    refused(group.put(bob, {"publicise": 5}, "self", "update_publicity"), 400)
    refused(bob.call("POST", f"{CLIENT}/publicised_groups", {"user_ids": 5}), 400)


# ---- between two servers ----

def test_created_here_joined_and_read_there(here, there, group):
    zoe = there.register("zoe-" + group.id[1:].split(":")[0])
    zoe.ok("PUT", f"/_matrix/client/v3/profile/{quote(zoe.user_id)}/displayname", {"displayname": "Zoë"})
    assert group.get(zoe, "profile").json["name"] == "Tea"
    since = zoe.sync()["next_batch"]
    group.invite(zoe)
    found, since = zoe.sync_until(lambda a: a.get("groups", {}).get("invite", {}).get(group.id), since)
    assert found["inviter"] == group.admin.user_id and found["profile"]["name"] == "Tea"
    group.done(zoe, {}, "self", "accept_invite")
    zoe.sync_until(lambda a: group.id in a.get("groups", {}).get("join", {}), since)
    assert joined_groups(zoe) == [group.id]
    member = group.members(zoe)[zoe.user_id]
    assert member["displayname"] == "Zoë" and member["attestation"]["user_id"] == zoe.user_id
    assert set(group.members(group.admin)) == {group.admin.user_id, zoe.user_id}
    room = group.admin.create_room(preset="public_chat", name="ours")
    group.done(group.admin, {"m.visibility": {"type": "private"}}, "admin", "rooms", room)
    until(lambda: [r["room_id"] for r in group.get(zoe, "rooms").json["chunk"]] == [room])
    refused(group.put(zoe, {}, "admin", "rooms", room), 403, "M_FORBIDDEN")
    # shown there, read here
    group.done(zoe, {"publicise": True}, "self", "update_publicity")
    assert group.admin.ok("GET", f"{CLIENT}/publicised_groups/{quote(zoe.user_id)}") == {"groups": [group.id]}
    assert group.admin.ok("POST", f"{CLIENT}/publicised_groups", {"user_ids": [zoe.user_id]}) == {"users": {zoe.user_id: [group.id]}}
    summary = group.get(zoe, "summary").json
    assert summary["user"]["is_publicised"] is True and summary["user"]["membership"] == "join"
    # put out here, heard there
    since = zoe.sync()["next_batch"]
    group.done(group.admin, {}, "admin", "users", "remove", zoe.user_id)
    zoe.sync_until(lambda a: group.id in a.get("groups", {}).get("leave", {}), since)
    assert joined_groups(zoe) == []


def test_an_open_group_is_joined_from_there_and_left(here, there, group):
    zoe = there.register()
    refused(group.put(zoe, {}, "self", "join"), 403)
    group.done(group.admin, {"m.join_policy": {"type": "open"}}, "settings", "m.join_policy")
    group.done(zoe, {}, "self", "join")
    assert zoe.user_id in group.members(group.admin)
    group.done(zoe, {}, "self", "leave")
    assert zoe.user_id not in group.members(group.admin) and joined_groups(zoe) == []


# ---- a server that lies ----

def attestation(remote, group_id, user_id, valid_for=86400000):
    import time
    from signedjson.sign import sign_json
    return sign_json({"group_id": group_id, "user_id": user_id, "valid_until_ms": int(time.time() * 1000) + valid_for},
                     remote.name, remote.key)


def fed(remote, server, method, path, body=None):
    return remote.call(method, server.name, f"{FED}/{path}", body)


def test_forged_attestations(here, remote, remotes, group):
    group.done(group.admin, {"m.join_policy": {"type": "open"}}, "settings", "m.join_policy")
    zoe, stranger = remote.user("zoe"), remotes()
    path = f"groups/{quote(group.id)}/users/{quote(zoe)}/join"
    refused(fed(stranger, here, "POST", path, {"attestation": attestation(remote, group.id, zoe)}), 403, "M_FORBIDDEN")
    good = attestation(remote, group.id, zoe)
    for bad in (None, 5, {}, {**good, "valid_until_ms": good["valid_until_ms"] + 1}, attestation(remote, group.id, zoe, -1),
                attestation(remote, "+other:" + here.name, zoe), attestation(remote, group.id, remote.user("x")),
                attestation(stranger, group.id, zoe), {k: v for k, v in good.items() if k != "signatures"}):
        answer = fed(remote, here, "POST", path, {"attestation": bad})
        assert answer.status in (400, 401, 403), (bad, answer)
    assert zoe not in group.members(group.admin)
    answer = fed(remote, here, "POST", path, {"attestation": good})
    assert answer.status == 200 and answer.json["attestation"]["signatures"][here.name], answer
    assert zoe in group.members(group.admin)
    # the same person is not believed for ever
    renew = f"groups/{quote(group.id)}/renew_attestation/{quote(zoe)}"
    refused(fed(remote, here, "POST", renew, {"attestation": attestation(stranger, group.id, zoe)}), 400, "M_UNAUTHORIZED")
    assert fed(remote, here, "POST", renew, {"attestation": attestation(remote, group.id, zoe, 3600000)}).status == 200
    here.sql(f"UPDATE ganglion.group_users SET valid_until = 1 WHERE user_id = '{zoe}'")
    assert zoe not in group.members(group.admin)


def test_speaking_for_others(here, remote, group):
    admin = quote(group.admin.user_id)
    refused(fed(remote, here, "POST", f"groups/{quote(group.id)}/profile?requester_user_id={admin}", {"name": "mine"}), 403)
    refused(fed(remote, here, "POST", f"groups/{quote(group.id)}/profile", {"name": "mine"}), 400)
    refused(fed(remote, here, "POST", f"groups/local/{quote(group.id)}/users/{admin}/remove", {}), 403)
    refused(fed(remote, here, "GET", f"groups/{quote('+x:' + remote.name)}/profile?requester_user_id={quote(remote.user('z'))}"), 400)
    assert fed(remote, here, "GET", f"groups/{quote(group.id)}/profile?requester_user_id={quote(remote.user('z'))}").json["name"] == "Tea"
    assert fed(remote, here, "POST", "get_groups_publicised", {"user_ids": [group.admin.user_id]}).json == \
        {"users": {group.admin.user_id: []}}
    assert joined_groups(group.admin) == [group.id]


def test_a_server_that_answers_nonsense(here, remote):
    alice = here.register()
    gid = quote("+x:" + remote.name)
    remote.on("GET", f"{FED}/groups/.*", (200, []))
    refused(alice.call("GET", f"{CLIENT}/groups/{gid}/profile"), 502)
    remote.on("POST", f"{FED}/groups/.*/join", (200, {"attestation": {}}))
    refused(alice.call("PUT", f"{CLIENT}/groups/{gid}/self/join", {}), 400)
    assert joined_groups(alice) == []
    remote.on("POST", f"{FED}/get_groups_publicised", (200, {"users": {remote.user("z"): ["+a:b.test", 5, "nonsense"], alice.user_id: ["+a:b.test"]}}))
    assert alice.ok("GET", f"{CLIENT}/publicised_groups/{quote(remote.user('z'))}") == {"groups": ["+a:b.test"]}
    assert joined_groups(alice) == []


# ---- where there are none ----

def test_off(home):
    alice = home.register()
    assert joined_groups(alice) == []
    assert alice.ok("POST", f"{CLIENT}/publicised_groups", {"user_ids": [alice.user_id]}) == {"users": {alice.user_id: []}}
    refused(alice.call("GET", f"{CLIENT}/groups/{quote('+a:' + home.name)}/profile"), 404, "M_UNRECOGNIZED")
    assert home.sql("SELECT to_regclass('ganglion.groups')") == [[""]]
