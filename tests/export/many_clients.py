"""Many clients at one address, in a process of their own: idle, slow and streaming, and back when closed."""

import asyncio
import contextlib
import json
import resource
import sys

#: Between the end of a connection and the next attempt of its client.
PAUSE_S = 2.0

#: Between two bytes of a slow header.
DRIP_S = 1.0

#: Requests for streams that wait for their answer; more would push each other out of their pending slots.
STREAMS_AT_ONCE = 20

STREAM = b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n"


class ManyClients:
    """The clients, and the counts of their connections."""

    def __init__(self, address: str, host: str, port: int, header: bytes) -> None:
        self._address = address
        self._place = (host, port)
        self._header = header
        self._streaming = asyncio.Semaphore(STREAMS_AT_ONCE)
        self.counts = {"opened": 0, "closed": 0, "streams": 0, "refused_streams": 0, "retry_after": 0}

    async def run(self, idle: int, slow: int, streams: int) -> None:
        """Keep so many clients of each kind; print a line once all have been there."""
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(self._again(self._stream))
            while self.counts["streams"] + self.counts["refused_streams"] < streams:
                await asyncio.sleep(0.01)
            for count, client in ((slow, self._slow), (idle, self._idle)):
                for _ in range(count):
                    group.create_task(self._again(client))
            while self.counts["opened"] < streams + slow + idle:
                await asyncio.sleep(0.01)
            print("complete", flush=True)

    async def _again(self, client) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await client()
            await asyncio.sleep(PAUSE_S)

    @contextlib.asynccontextmanager
    async def _connection(self):
        reader, writer = await asyncio.open_connection(*self._place, local_addr=(self._address, 0))
        self.counts["opened"] += 1
        try:
            yield reader, writer
        finally:
            self.counts["closed"] += 1
            writer.close()

    async def _idle(self) -> None:
        """Stay idle; every other client sends one request first."""
        async with self._connection() as (reader, writer):
            if self.counts["opened"] % 2:
                writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n" + self._header + b"\r\n")
            await reader.read()

    async def _slow(self) -> None:
        """Send a header that never ends."""
        async with self._connection() as (reader, writer):
            writer.write(b"GET /metrics HTTP/1.1\r\nX: ")
            ended = asyncio.ensure_future(reader.read())
            try:
                while not ended.done():
                    await asyncio.wait([ended], timeout=DRIP_S)
                    writer.write(b"x")
            finally:
                ended.cancel()

    async def _stream(self) -> None:
        """Read a stream to its end, if the server grants one."""
        async with contextlib.AsyncExitStack() as stack:
            async with self._streaming:
                reader, writer = await stack.enter_async_context(self._connection())
                writer.write(STREAM + self._header + b"\r\n")
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            self.counts["streams"] += b" 200 " in head
            self.counts["refused_streams"] += b" 503 " in head
            self.counts["retry_after"] += b" 503 " in head and b"retry-after: " in head
            while await reader.read(1 << 16):
                pass


async def main() -> None:
    """Run the clients that the argument describes, until the standard input ends; print its counts."""
    plan = json.loads(sys.argv[1])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = ManyClients(plan["address"], plan["host"], plan["port"], plan["header"].encode())
    running = asyncio.create_task(clients.run(plan["idle"], plan["slow"], plan["streams"]))
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(clients.counts))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    asyncio.run(main())
