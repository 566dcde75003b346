"""Alerts, stores and receivers for tests of notifiers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

from aiohttp import web

from skewmon.alert.alerts import Alert, Key
from skewmon.model import NS_PER_S
from skewmon.notify.receiver import Delivery, Result

NOW_NS = 1_795_351_187_123_456_789  # 2026-11-22T12:39:47.123Z
STARTED_NS = NOW_NS - 90 * NS_PER_S


def firing(node: str | None = "etcd3", cluster: str = "prod") -> Alert:
    """Return an alert that fires."""
    key = Key(cluster, "skew", "critical", node)
    return Alert(key, STARTED_NS, None, "The clock is wrong.", "At least 70 s.", "skewmon probe etcd3 -v")


def by_key(*alerts: Alert) -> dict[Key, Alert]:
    """Return alerts that fire, as receivers look them up."""
    return {alert.key: alert for alert in alerts}


def ended(alert: Alert) -> Alert:
    """Return the same alert after its end."""
    return replace(alert, ended_wall_ns=NOW_NS)


@dataclass
class Receiver:
    """A real HTTP server with given answers, by default 200, that keeps the requests."""

    url: str = ""
    answers: list[Callable[[web.Request], Awaitable[web.StreamResponse]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    date_ns: int | None = None  # the time of its clock; None: the real time

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and give the next answer; the last one is repeated."""
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        response = await self._answer(request)
        if self.date_ns is not None:
            response.headers["Date"] = formatdate(self.date_ns / NS_PER_S, usegmt=True)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if not self.answers:
            return web.Response()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    def answer_with(self, *statuses: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        """Answer with these statuses, one a request."""
        for status in statuses:

            async def answer(request: web.Request, status: int = status) -> web.StreamResponse:
                return web.Response(status=status, text=text, headers=headers)

            self.answers.append(answer)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """Run a receiver on a free loopback port."""
    found = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        found.url = f"http://127.0.0.1:{port}"
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[str]:
    """Run a TCP server that answers every connection with these bytes and closes it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@dataclass
class Scripted:
    """A notifier with given answers; the last one is repeated."""

    name: str = "scripted"
    receiver: str = "a test"
    identity: str = "scripted-1"
    repeats: bool = False
    heartbeat: bool = False
    answers: list[Delivery] = field(default_factory=lambda: [Delivery(Result.OK)])
    takes_s: float = 0.0
    sent: list[tuple[float, tuple[Alert, ...]]] = field(default_factory=list)

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """Keep the alerts and the time, and answer."""
        self.sent.append((asyncio.get_running_loop().time(), tuple(alerts)))
        await asyncio.sleep(self.takes_s)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
