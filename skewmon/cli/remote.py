"""Asking a running daemon over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from skewmon.cli.readback import UnreadableStatusError, parsed
from skewmon.errors import ConfigError, Fault, SkewmonError, echoed
from skewmon.export.document import Status

if TYPE_CHECKING:
    import aiohttp

#: A daemon answers from memory; one that takes longer is stuck or far away.
TIMEOUT_S = 5.0

#: The status of ten thousand nodes is some 10 MiB.
MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024


class DaemonUnreachableError(SkewmonError):
    """No daemon answers at the URL."""


def base_of(url: str) -> str:
    """Return the URL of a daemon without a path's trailing slash; raise ConfigError where it is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(Fault(f"--url: expected a URL such as http://127.0.0.1:10061, found {echoed(url)}"))
    return url.rstrip("/")


async def status(base: str) -> Status:
    """Return what the daemon publishes now.

    Raises DaemonUnreachableError where nothing answers and UnreadableStatusError where something else does.
    """
    import aiohttp

    from skewmon.runtime import client

    limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            client.session(timeout=limit) as session,
            session.get(f"{base}/api/v1/status") as got,
        ):
            if got.status != 200:
                raise UnreadableStatusError(f"{base} answers {got.status} {got.reason}.")
            return parsed(await _body(got, base))
    except TimeoutError:
        raise DaemonUnreachableError(f"{base} did not answer within {TIMEOUT_S:g} s.") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DaemonUnreachableError(f"No daemon answers at {base}: {reason}.") from None


async def rounds(base: str, interval_s: float) -> AsyncGenerator[tuple[Status, str], None]:
    """Yield what the daemon publishes, again and again, and after a failure the last of it with the reason.

    Raises as ``status`` does where not even the first answer can be had.
    """
    last, fault = await status(base), ""
    while True:
        yield last, fault
        await asyncio.sleep(interval_s)
        try:
            last, fault = await status(base), ""
        except SkewmonError as error:
            fault = str(error)


async def _body(got: "aiohttp.ClientResponse", base: str) -> bytes:
    body = bytearray()
    async for piece in got.content.iter_chunked(CHUNK_BYTES):
        body += piece
        if len(body) > MAX_BYTES:
            raise UnreadableStatusError(f"{base} answers more than {MAX_BYTES >> 20} MiB.")
    return bytes(body)
