"""LISTEN TARGET SECONDS: a way to Redis on which all that it says arrives later, in order, and to some processes later than
to others. They then hear of each other as late and as unevenly as on a machine that has much else to do: a test that reads
at one what another has written, and does not wait, fails always instead of once in a hundred runs."""

import asyncio
import itertools
import sys

SHARES = (1, 0.1, 0.6)  # of the delay, for each connection in turn


async def forward(reader, writer):
    """What is asked goes on at once."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def back(reader, writer, delay):
    loop, queue = asyncio.get_running_loop(), asyncio.Queue()

    async def listen():
        try:
            while data := await reader.read(65536):
                queue.put_nowait((loop.time() + delay, data))
        except OSError:
            pass
        queue.put_nowait((0, b""))

    listening = asyncio.create_task(listen())
    try:
        while True:
            when, data = await queue.get()
            if not data:
                break
            await asyncio.sleep(max(0, when - loop.time()))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        listening.cancel()
        writer.close()


async def main(listen, target, delay):
    shares = itertools.cycle(SHARES)

    async def client(reader, writer):
        late = delay * next(shares)
        try:
            other, there = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(forward(reader, there), back(other, writer, late))

    server = await asyncio.start_server(client, "127.0.0.1", listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
