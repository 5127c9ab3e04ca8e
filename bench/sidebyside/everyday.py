"""The small things of a client's day: what is said beside messages, and the looks at rooms and people."""

import itertools

from lib.server import quote

from .cases import Case, read
from .world import CLIENT


def one_room(world):
    """Of fifty members, with two hundred messages, the last ones of a thread."""
    def make():
        room, alice = world.alice.create_room(preset="public_chat", name="a room of fifty", topic="everyday"), world.alice
        world.each(lambda user: user.join(room), world.users(world.scale(50))[1:])
        events = [alice.send(room, f"message {i} of bananas") for i in range(world.scale(200))]
        root = events[len(events) // 2]
        for i in range(20):
            alice.ok("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/thread{i}",
                     {"msgtype": "m.text", "body": f"answer {i}", "m.relates_to": {"rel_type": "m.thread", "event_id": root}})
        return room, events, root

    return world.once("everyday", make)




def people(world):
    """Who does something, in turn: the members of that room."""
    one_room(world)
    return itertools.cycle(world.users(world.scale(50)))


def write(method, path_of, body_of):
    """path_of(world, user, number) and body_of(number): each request is another one, of another user."""
    def requests(world, n):
        users, numbers = people(world), (next(world.txn) for _ in range(n))
        return [world.request(method, path_of(world, user := next(users), number), user.token, body_of(number)) for number in numbers]

    return requests


def in_room(rest):
    return lambda world, user, number: f"{CLIENT}/rooms/{quote(one_room(world)[0])}/{rest(world, user, number)}"


def of_user(rest):
    return lambda world, user, number: f"{CLIENT}/user/{quote(user.user_id)}/{rest(number)}"


def event(world, number):
    events = one_room(world)[1]
    return quote(events[number % len(events)])


def by_alice(make):
    """make(world, n): paths and bodies of what only the room's creator may do."""
    def requests(world, n):
        return [world.request(method, path, world.alice.token, body) for method, path, body in make(world, n)]

    return requests


def topics(world, n):
    path = f"{CLIENT}/rooms/{quote(one_room(world)[0])}/state/m.room.topic/"
    return [("PUT", path, {"topic": f"topic {next(world.txn)}"}) for _ in range(n)]


def redactions(world, n):
    room = one_room(world)[0]
    sent = world.each(lambda i: world.alice.send(room, f"to be taken back {i}"), range(n))
    return [("PUT", f"{CLIENT}/rooms/{quote(room)}/redact/{quote(e)}/r{next(world.txn)}", {}) for e in sent]


def invites(world, n):
    users = world.users(2)
    return [("POST", f"{CLIENT}/rooms/{quote(room)}/invite", {"user_id": users[1].user_id}) for room in world.public_rooms(n)]


def leaves(world, n):
    user = world.user("leaver")
    rooms = world.public_rooms(n, world.user("host"))
    world.each(user.join, rooms)
    return [world.request("POST", f"{CLIENT}/rooms/{quote(room)}/leave", user.token, {}) for room in rooms]


def searches(world, n):
    one_room(world)
    words = {"search_categories": {"room_events": {"search_term": "bananas", "order_by": "recent"}}}
    return [world.request("POST", f"{CLIENT}/search", world.alice.token, words) for _ in range(n)]


READS, WRITES = ((100, 20), (800, 60), 4), ((100, 20), (400, 60), 4)

# Where `at_main` is set, Synapse's other workers do not answer unless they are that stream's writer.
CASES = {
    "state of a room": Case(by_alice(topics), (50, 10), (300, 40), 4),
    "redact": Case(by_alice(redactions), (50, 10), (200, 30), 4),
    "invite": Case(by_alice(invites), (50, 10), (200, 30), 4),
    "leave": Case(leaves, (50, 10), (200, 30), 4),
    "receipt": Case(write("POST", in_room(lambda w, u, i: f"receipt/m.read/{event(w, i)}"), lambda i: {}), *WRITES, at_main=True),
    "typing": Case(write("PUT", in_room(lambda w, u, i: f"typing/{quote(u.user_id)}"), lambda i: {"typing": i % 2 == 0, "timeout": 30000}),
                   *WRITES, at_main=True),
    "account data": Case(write("PUT", of_user(lambda i: "account_data/org.example.bench"), lambda i: {"number": i}), *WRITES, at_main=True),
    "tag": Case(write("PUT", lambda w, u, i: f"{CLIENT}/user/{quote(u.user_id)}/rooms/{quote(one_room(w)[0])}/tags/u.bench", lambda i: {"order": 0.5}),
                *WRITES, at_main=True),
    "presence": Case(write("PUT", lambda w, u, i: f"{CLIENT}/presence/{quote(u.user_id)}/status", lambda i: {"presence": "online", "status_msg": f"{i}"}),
                     *WRITES, at_main=True),
    "filter": Case(write("POST", of_user(lambda i: "filter"), lambda i: {"room": {"timeline": {"limit": i}}}), *WRITES, at_main=True),
    "event": Case(read(lambda w: f"{CLIENT}/rooms/{quote(one_room(w)[0])}/event/{event(w, 7)}"), *READS),
    "context": Case(read(lambda w: f"{CLIENT}/rooms/{quote(one_room(w)[0])}/context/{event(w, 20)}?limit=20"), *READS),
    "thread": Case(read(lambda w: f"/_matrix/client/v1/rooms/{quote(one_room(w)[0])}/relations/{quote(one_room(w)[2])}/m.thread?limit=20"), *READS),
    "threads": Case(read(lambda w: f"/_matrix/client/v1/rooms/{quote(one_room(w)[0])}/threads"), *READS),
    "search": Case(searches, (50, 10), (200, 30), 4),
    "publicRooms": Case(read(lambda w: f"{CLIENT}/publicRooms?limit=20"), (50, 10), (300, 30), 4),
    "joined_rooms": Case(read(lambda w: f"{CLIENT}/joined_rooms"), *READS),
    "profile": Case(read(lambda w: f"{CLIENT}/profile/{quote(w.users(2)[1].user_id)}"), *READS),
    "push rules": Case(read(lambda w: f"{CLIENT}/pushrules/"), *READS),
    "devices": Case(read(lambda w: f"{CLIENT}/devices"), *READS),
}
