"""A small bridge on mautrix with many ghosts: they register, enter a room and speak; what users say comes to the bridge.

GANGLION_GHOSTS: how many; 1,000, and fewer on a sanitized build."""

import asyncio
import os
import time

import pytest

mautrix = pytest.importorskip("mautrix.appservice")
stores = pytest.importorskip("mautrix.appservice.state_store")
types = pytest.importorskip("mautrix.types")

SLOW = "asan" in os.environ.get("GANGLION_BUILD", "")
GHOSTS = int(os.environ.get("GANGLION_GHOSTS") or (100 if SLOW else 1000))
AT_ONCE = 20
PATIENCE = 120  # seconds


class Small:
    """The bridge: keeps what it is told."""

    def __init__(self, server, registered, folder):
        self.messages, self.joined = {}, set()
        self.app = mautrix.AppService(server=server.base_url, domain=server.name, as_token=registered["as_token"],
                                      hs_token=registered["hs_token"], bot_localpart=registered["sender_localpart"], id=registered["id"],
                                      state_store=stores.FileASStateStore(os.path.join(folder, "mautrix.json"), binary=False), ephemeral_events=True)
        self.app.matrix_event_handler(self.on_event)

    async def on_event(self, event):
        if event.type == types.EventType.ROOM_MESSAGE:
            self.messages[event.event_id] = (event.sender, event.content.body)
        elif event.type == types.EventType.ROOM_MEMBER and event.content.membership == types.Membership.JOIN:
            self.joined.add(event.state_key)

    async def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, (len(self.messages), len(self.joined))
            await asyncio.sleep(0.05)


async def each(names, do):
    """A few at a time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(name):
        async with turn:
            return await do(name)

    return await asyncio.gather(*(one(name) for name in names))


async def run(server, registered, folder):
    bridge = Small(server, registered, folder)
    await bridge.app.start("127.0.0.1", int(registered["url"].rsplit(":", 1)[1]))
    try:
        bridge.app.ready = True
        bot = bridge.app.intent
        await bot.ensure_registered()
        assert await bridge.app.ping_self("hello") >= 0
        alice = server.register()
        room = await bot.create_room(name="A bridged channel", invitees=[alice.user_id])
        alice.join(room)
        ghosts = [f"@_bridge_ghost{i}:{server.name}" for i in range(GHOSTS)]

        async def enter(ghost):
            intent = bot.user(ghost)
            await intent.ensure_joined(room)
            return await intent.send_text(room, f"I am {ghost}")

        sent = await each(ghosts, enter)
        said = await asyncio.to_thread(alice.send, room, "welcome, all of you")
        await bridge.until(lambda: said in bridge.messages and set(ghosts) <= bridge.joined and set(sent) <= set(bridge.messages))
        assert bridge.messages[said] == (alice.user_id, "welcome, all of you")
        members = await bot.get_joined_members(room)
        assert set(members) == {alice.user_id, bot.mxid, *ghosts}
    finally:
        await bridge.app.stop()


def test_many_ghosts(server, bridged, folder):
    asyncio.run(run(server, bridged[0], folder))
    assert server.sql("SELECT count(*) FROM users WHERE appservice_id = 'bridge' AND name LIKE '@\\_bridge\\_ghost%'") == [[str(GHOSTS)]]
    # As with Synapse: of their own invites, and of nothing else.
    assert server.sql("SELECT count(*) FROM event_push_actions a JOIN events e USING (event_id) WHERE a.user_id LIKE '@\\_bridge\\_ghost%'"
                      " AND e.type <> 'm.room.member'") == [["0"]]
