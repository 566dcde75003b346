"""The HTTP server: publishes one snapshot each round and answers requests from it."""

import errno
import os
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from skewmon.config.address import Listen, parse_listen
from skewmon.errors import ConfigError, Fault, ListenError
from skewmon.export.api import Api
from skewmon.export.auth_middleware import AuthMiddleware
from skewmon.export.connection import note_whole_requests
from skewmon.export.listener import HttpListener
from skewmon.export.operations import Operations
from skewmon.export.page.handlers import PageHandlers
from skewmon.export.page.runbook import RunbookHandlers
from skewmon.export.pairs import PairExport
from skewmon.export.published import Callbacks, DaemonStats, Published
from skewmon.export.responses import add_headers, explain_faults
from skewmon.export.stream import Stream
from skewmon.export.turns import turns
from skewmon.export.web_file import WebFile
from skewmon.model import Snapshot

#: No handler reads the body of a request.
REQUEST_BYTES_MAX = 4_096

#: The previous process is still ending, or the network is not up yet.
MAY_PASS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL}

#: Time for responses in progress at the end; systemd waits twenty seconds, users less.
SHUTDOWN_S = 2.0

#: Metrics are rendered while another thread selects pairs; more would only take turns.
THREADS = 2

#: Guessing passwords costs at most one core, and rendering never waits for it.
PASSWORD_THREADS = 1


class Exporter:
    """Publishes snapshots over HTTP.

    All methods are called in the event loop; nothing that grows with the number of nodes runs in it.
    """

    def __init__(
        self,
        callbacks: Callbacks | None = None,
        *,
        pairs: PairExport = "auto",
        web_config_file: str | None = None,
    ) -> None:
        self._web_file = WebFile(web_config_file)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="export")
        self._passwords = ThreadPoolExecutor(PASSWORD_THREADS, thread_name_prefix="password")
        self._published = Published(self._executor, pairs)
        self._stream = Stream()
        callbacks = callbacks or Callbacks()
        self._api = Api(self._published, callbacks, self._stream)
        app = web.Application(
            middlewares=[
                note_whole_requests,
                turns(),
                explain_faults,
                AuthMiddleware(self._web_file, self._passwords).middleware(),
            ],
            client_max_size=REQUEST_BYTES_MAX,
        )
        app.on_response_prepare.append(add_headers)
        app.add_routes(PageHandlers(self._published, callbacks).routes())
        app.add_routes(RunbookHandlers().routes())
        app.add_routes(Operations(self._published, callbacks).routes())
        app.add_routes(self._api.routes())
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
        self._listener = HttpListener()

    async def start(self, *addresses: str) -> tuple[str, ...]:
        """Listen at ``host:port``, ``:port`` or ``[address]:port``; return the addresses.

        Raise ConfigError if an address is not available, ListenError if that may be temporary.
        """
        await self._runner.setup()
        server = self._runner.server
        assert server is not None, "it is there from setup to cleanup"
        for address in addresses:
            await self._listen(server, _parsed(address))
        return tuple(str(Listen(*bound)) for bound in self._listener.addresses)

    def url(self, address: str) -> str:
        """Return the address of the page for an address that ``start`` returned.

        A socket that listens on every address has no address to connect to; the host's name stands in.
        """
        listen = _parsed(address)
        anywhere = listen.host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
        scheme = "http" if self._web_file.listener_context is None else "https"
        return f"{scheme}://{Listen(socket.gethostname(), listen.port) if anywhere else listen}/"

    async def _listen(self, server: web.Server, listen: Listen) -> None:
        try:
            await self._listener.open(
                server, listen.host or None, listen.port, self._web_file.listener_context
            )
        except OSError as error:
            passing = isinstance(error, socket.gaierror) or error.errno in MAY_PASS
            reason = "no such host" if isinstance(error, socket.gaierror) else _reason(error, listen.port)
            message = f"cannot listen at {listen}: {reason}"
            raise (ListenError(message) if passing else ConfigError(Fault(message))) from None

    def export_pairs(self, pairs: PairExport) -> None:
        """Change which pairs become series, from the next round on."""
        self._published.pairs = pairs

    def publish(self, snapshot: Snapshot, stats: DaemonStats | None = None) -> None:
        """Publish the results of one round in place of the last ones."""
        self._published.replace(snapshot, stats or DaemonStats())
        self._stream.send(self._api.round_event)

    async def stop(self) -> None:
        """Stop listening and end every connection, open streams too."""
        self._stream.close()
        await self._listener.close()
        await self._runner.cleanup()
        for executor in (self._executor, self._passwords):
            executor.shutdown(wait=False, cancel_futures=True)


def _parsed(address: str) -> Listen:
    try:
        return parse_listen(address)
    except ValueError as error:
        raise ConfigError(Fault(str(error))) from None


def _reason(error: OSError, port: int) -> str:
    """Return the reason, and how to find the owner of a busy port; asyncio's text repeats the address."""
    holder = f" (find its owner: ss -ltnp 'sport = :{port}')" if error.errno == errno.EADDRINUSE else ""
    return os.strerror(error.errno).lower() + holder if error.errno else str(error)
