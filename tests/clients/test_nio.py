"""matrix-nio with encryption over the split: two users at two workers."""

import asyncio

import nio

PASSWORD = "a good password"


class Person:
    """A client that keeps what it has heard."""

    def __init__(self, server, user, worker, store):
        store.mkdir()
        config = nio.AsyncClientConfig(store_sync_tokens=True, encryption_enabled=True)
        self.client = nio.AsyncClient(server.worker_url(worker), user.user_id, store_path=str(store), config=config)
        self.user_id, self.heard = user.user_id, {}
        self.client.add_event_callback(self.hear, nio.Event)

    def hear(self, room, event):
        self.heard[event.event_id] = event

    async def begin(self):
        answer = await self.client.login(PASSWORD)
        assert isinstance(answer, nio.LoginResponse), answer
        await self.sync()

    async def sync(self, timeout=0):
        answer = await self.client.sync(timeout=timeout, full_state=not self.client.next_batch)
        assert isinstance(answer, nio.SyncResponse), answer
        for work, needed in ((self.client.keys_upload, self.client.should_upload_keys), (self.client.keys_query, self.client.should_query_keys)):
            if needed:
                await work()
        if self.client.should_claim_keys:
            await self.client.keys_claim(self.client.get_users_for_key_claiming())
        await self.client.send_to_device_messages()

    async def until(self, condition, seconds=20):
        end = asyncio.get_running_loop().time() + seconds
        while not (found := condition()):
            assert asyncio.get_running_loop().time() < end, "not seen"
            await self.sync(timeout=1000)
        return found

    async def send(self, room, **content):
        answer = await self.client.room_send(room, "m.room.message", {"msgtype": "m.text", **content}, ignore_unverified_devices=False)
        assert isinstance(answer, nio.RoomSendResponse), answer
        return answer.event_id

    async def hears(self, event_id):
        return await self.until(lambda: self.heard.get(event_id))


async def verify(one, other):
    """Short strings that both compare, device with device."""
    device = next(iter(one.client.device_store.active_user_devices(other.user_id)))
    await one.client.start_key_verification(device)
    his = await other.until(lambda: next(iter(other.client.key_verifications.values()), None))
    await other.client.accept_key_verification(his.transaction_id)
    mine = one.client.key_verifications[his.transaction_id]
    await one.until(lambda: mine.chosen_key_agreement)
    await other.until(lambda: his.established_sas)
    await one.until(lambda: mine.established_sas)
    assert mine.get_emoji() == his.get_emoji()
    await one.client.confirm_short_auth_string(mine.transaction_id)
    await other.client.confirm_short_auth_string(his.transaction_id)
    await one.until(lambda: mine.verified)
    await other.until(lambda: his.verified)


async def talk(one, other, name):
    answer = await one.client.room_create(name=name, invite=[other.user_id], initial_state=[nio.EnableEncryptionBuilder().as_dict()])
    room = answer.room_id
    await other.until(lambda: room in other.client.invited_rooms)
    assert isinstance(await other.client.join(room), nio.JoinResponse)
    await one.until(lambda: room in one.client.rooms and other.user_id in one.client.rooms[room].users)
    await other.until(lambda: room in other.client.rooms and other.client.rooms[room].encrypted)
    await one.until(lambda: list(one.client.device_store.active_user_devices(other.user_id)))
    await verify(one, other)
    return room


async def conversation(server, one, other):
    await one.begin()
    await other.begin()
    room = await talk(one, other, "By nio")
    first = await one.send(room, body="first")
    heard = await other.hears(first)
    assert (type(heard), heard.body, heard.decrypted, heard.verified) == (nio.RoomMessageText, "first", True, True)
    edit = await one.send(room, body="* better", **{"m.new_content": {"msgtype": "m.text", "body": "better"},
                                                    "m.relates_to": {"rel_type": "m.replace", "event_id": first}})
    assert (await other.hears(edit)).source["content"]["m.relates_to"]["event_id"] == first
    threaded = await other.send(room, body="in the thread", **{"m.relates_to": {"rel_type": "m.thread", "event_id": first}})
    assert (await one.hears(threaded)).body == "in the thread"
    await one.client.room_redact(room, edit)
    await other.until(lambda: any(isinstance(e, nio.RedactionEvent) and e.redacts == edit for e in other.heard.values()))
    sent = [await other.send(room, body=f"message {i}") for i in range(25)]
    await one.hears(sent[-1])
    await page_back(one, room, [first, threaded, *sent])


async def page_back(person, room, wanted):
    found, token = [], person.client.next_batch
    while token:
        page = await person.client.room_messages(room, token, limit=10)
        assert isinstance(page, nio.RoomMessagesResponse), page
        found += [e.event_id for e in page.chunk]
        token = page.end
    assert len(set(found)) == len(found)
    assert [e for e in reversed(found) if e in wanted] == wanted


def test_two_users_compare_strings_and_talk_in_secret(server, tmp_path):
    async def all_of_it():
        people = [Person(server, server.register(password=PASSWORD), f"generic_worker{i}", tmp_path / str(i)) for i in (1, 2)]
        try:
            await conversation(server, *people)
        finally:
            for person in people:
                await person.client.close()

    asyncio.run(all_of_it())
