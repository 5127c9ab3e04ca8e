"""Requests, many at a time, and what they took."""

import asyncio
import time

import aiohttp


class Client:
    """A session for one measurement; every answer must have the status that the case expects."""

    def __init__(self, side):
        self.side = side
        self.session = None
        self.turn = 0

    async def __aenter__(self):
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *exc):
        await self.session.close()

    def url(self):
        self.turn += 1
        return self.side.urls[self.turn % len(self.side.urls)]

    async def call(self, method, path, token=None, body=None, base=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, (base or self.url()) + path, json=body, headers=headers,
                                        timeout=aiohttp.ClientTimeout(total=120)) as answer:
            data = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{self.side.name}: {method} {path}: {answer.status} {data[:200]!r}")
            return data


async def timed(jobs, concurrency):
    """Runs coroutine functions, `concurrency` at a time; the seconds that each one took."""
    taken = []
    iterator = iter(jobs)

    async def work():
        for job in iterator:
            started = time.perf_counter()
            await job()
            taken.append(time.perf_counter() - started)

    await asyncio.gather(*[work() for _ in range(concurrency)])
    return taken
