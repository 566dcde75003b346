"""``skewmon doctor``: the page's address and certificate, and the receivers."""

import asyncio
import os
from collections.abc import AsyncIterator

from yarl import URL

from skewmon.cli.diagnosis import Check, fault, ok
from skewmon.config.address import parse_listen
from skewmon.config.paths import CREDENTIAL
from skewmon.config.schema import Config
from skewmon.errors import ListenError
from skewmon.notify.receiver import ReceiverConfig, shown, targets_of

#: A receiver, or the daemon's own page, that takes longer to accept a connection is as good as down.
CONNECT_S = 5.0


async def page_checks(config: Config) -> AsyncIterator[Check]:
    """Yield whether the address of the page is free, or a daemon answers there."""
    from skewmon.export.listener import bound

    listen = parse_listen(config.web.listen)
    try:
        for socket in await bound(listen.host or None, listen.port):
            socket.close()
    except (OSError, ListenError) as error:
        if (
            await _accepts(URL.build(scheme="http", host=listen.host or "127.0.0.1", port=listen.port))
            is None
        ):
            yield ok("page", f"A program listens at {listen}; skewmon health says whether it is the daemon.")
        else:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            yield fault("page", f"{listen} cannot be listened at: {reason}.", "Change web.listen.")
    else:
        yield ok("page", f"{listen} is free.")


async def receiver_checks(config: Config) -> AsyncIterator[Check]:
    """Yield whether each receiver accepts a connection; nothing is sent."""
    targets = targets_of(config.alerts)
    if not targets:
        yield ok("alerts", "No receiver is configured; alerts are shown and exported.")
    for target in targets:
        yield await _receiver_check(target)


async def _receiver_check(target: ReceiverConfig) -> Check:
    for path in (target.url_file, target.headers_file):
        if path and not path.startswith(CREDENTIAL) and not os.access(path, os.R_OK):
            return fault(f"{target.kind} {path}", "The file cannot be read.", "Correct the path or its mode.")
    if not target.url:
        return ok(target.kind, "Its address is a secret; skewmon alerts test sends it an alert.")
    name = f"{target.kind} {shown(target.url)}"
    reason = await _accepts(URL(target.url))
    if reason is not None:
        return fault(name, f"It does not accept a connection: {reason}.", "Start it, or correct its URL.")
    return ok(name, "It accepts a connection; skewmon alerts test sends it an alert.")


async def _accepts(url: URL) -> str | None:
    """Return None if a server accepts a TCP connection, else the reason."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(url.host, url.port)
    except TimeoutError:
        return f"no answer within {CONNECT_S:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    writer.close()
    return None
