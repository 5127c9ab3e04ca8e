"""A whole server moves: from Synapse to Ganglion and back, with no conversion and the same tokens."""

from lib.server import Server, User


def log_in_on(server, user):
    """The same user and token, asked of whoever serves now."""
    return User(server, user.user_id, user.token, user.device_id)


def picture(user, room):
    """What a client sees of a room, without what is bound to differ."""
    def clean(event):
        event.get("unsigned", {}).pop("age", None)
        return event

    messages = user.messages(room, limit=100)
    state = sorted(user.ok("GET", f"/_matrix/client/v3/rooms/{room}/state"), key=lambda e: (e["type"], e["state_key"]))
    joined = user.sync()["rooms"]["join"][room]
    return {"messages": [clean(e) for e in messages["chunk"]], "state": [clean(e) for e in state],
            "timeline": [clean(e) for e in joined["timeline"]["events"]], "limited": joined["timeline"]["limited"],
            "sync_state": sorted((e["type"], e["state_key"], e["event_id"]) for e in joined["state"]["events"])}


def test_there_and_back(mixed):
    deployment = mixed("takeover", python={"main"}, monolith=True)
    deployment.start()
    server = Server(deployment)
    alice, bob = server.register("alice"), server.register("bob")
    rooms = {version: alice.create_room(room_version=version, preset="public_chat", name=f"version {version}", topic="old and new")
             for version in ("1", "6", "9", "10", "11", "12")}
    for room in rooms.values():
        bob.join(room)
        for i in range(12):
            (alice if i % 2 else bob).send(room, f"from Synapse {i}")
    before = {version: picture(bob, room) for version, room in rooms.items()}
    deployment.stop()

    deployment.python = set()
    deployment.forget_logs()
    deployment.start()
    alice, bob = log_in_on(server, alice), log_in_on(server, bob)
    assert bob.ok("GET", "/_matrix/client/v3/account/whoami")["device_id"] == bob.device_id
    for version, room in rooms.items():
        assert picture(bob, room) == before[version], version
    sent = {version: alice.send(room, "from Ganglion") for version, room in rooms.items()}
    new_room = alice.create_room(name="made by Ganglion", invite=[bob.user_id])
    bob.join(new_room)
    hello = bob.send(new_room, "hello from Ganglion")
    after = {version: picture(bob, room) for version, room in rooms.items()}
    assert deployment.complaints() == []
    deployment.stop()

    deployment.python = {"main"}
    deployment.forget_logs()
    deployment.start()
    for version, room in rooms.items():
        assert bob.messages(room, limit=1)["chunk"][0]["event_id"] == sent[version]
        assert picture(bob, room) == after[version], version
        alice.send(room, "from Synapse again")
    assert bob.messages(new_room, limit=1)["chunk"][0]["event_id"] == hello
    alice.send(new_room, "and Synapse goes on here")
    assert deployment.complaints() == []
