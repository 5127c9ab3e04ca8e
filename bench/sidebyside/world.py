"""Users and rooms of one side, made when they are first asked for."""

import itertools
from concurrent.futures import ThreadPoolExecutor

from .load import raw

CLIENT = "/_matrix/client/v3"
AT_ONCE = 6  # requests while preparing


class World:
    def __init__(self, side, scale):
        self.side, self.scale = side, scale
        self._users, self._made, self._ports = [], {}, itertools.cycle(side.ports)
        self.txn = itertools.count(1)

    # ---- making ----

    def each(self, function, items):
        """The results in order, a few at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(function, items))

    def once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def users(self, n):
        missing = range(len(self._users), n)
        self._users += self.each(lambda i: self.side.server.register(f"bench{i}"), missing)
        return self._users[:n]

    def user(self, name):
        return self.once(f"user {name}", lambda: self.side.server.register(name))

    @property
    def alice(self):
        return self.users(1)[0]

    def public_rooms(self, n, owner=None):
        owner = owner or self.alice
        return self.each(lambda _: owner.create_room(preset="public_chat"), range(n))

    def rooms(self):
        return self.once("rooms", lambda: self.public_rooms(self.scale(50)))

    def big_room(self):
        def make():
            room = self.alice.create_room(preset="public_chat", name="big")
            self.each(lambda user: user.join(room), self.users(self.scale(500))[1:])
            return room

        return self.once("big", make)

    def talked_room(self):
        def make():
            room = self.alice.create_room(preset="public_chat")
            for i in range(self.scale(200)):
                self.alice.send(room, f"message {i}")
            return room

        return self.once("talked", make)

    def reader(self):
        """A user of their own in fifty rooms, each with twenty messages."""
        def make():
            user, alice = self.user("reader"), self.alice
            self.each(lambda room: (user.join(room), [alice.send(room, f"message {i}") for i in range(20)]), self.rooms())
            return user

        return self.once("reader", make)

    def crowded(self):
        """A user of their own in a thousand rooms, of which nobody else is in any."""
        def make():
            user = self.user("crowded")
            return user, self.public_rooms(self.scale(1000), user)

        return self.once("crowded", make)

    def waiters(self):
        """A room and the fifty who wait in it."""
        def make():
            room = self.alice.create_room(preset="public_chat")
            users = self.users(self.scale(50) + 1)[1:]
            self.each(lambda user: user.join(room), users)
            return room, users

        return self.once("waiters", make)

    # ---- requests ----

    def request(self, method, path, token=None, body=None, times=1, port=None):
        return port or next(self._ports), raw(method, path, token, body), times

    def spread(self, method, path, token, times):
        """One read, many times, over all processes that serve clients."""
        ports = self.side.ports
        return [self.request(method, path, token, None, max(1, times // len(ports)), port) for port in ports]
