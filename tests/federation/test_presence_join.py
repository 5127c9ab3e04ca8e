"""Who is there is told to a server that has just come into a room, while it still writes the room down."""

from lib.wait import until


def test_both_sides_hear_at_the_join(home, other):
    alice, bob = home.register(), other.register()
    alice.sync()
    bob.sync()
    room = alice.create_room(preset="private_chat")
    alice.invite(room, bob)
    since = bob.sync()["next_batch"]
    until(lambda: room in bob.sync()["rooms"].get("invite", {}))
    bob.join(room)

    def told(answer):
        return [e for e in answer.get("presence", {}).get("events", [])
                if e["sender"] == alice.user_id and e["content"]["presence"] == "online"]

    bob.sync_until(told, since)
