"""Reading the status of a running daemon over HTTP, checked, so that its rounds are drawn like one's own.

Fields that an older daemon leaves out are filled in.
"""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from skewmon.errors import ConfigError, Fault, SkewmonError, echoed
from skewmon.export.document import IntervalStatus, Status, sentence
from skewmon.export.status import SCHEMA

if TYPE_CHECKING:
    import aiohttp

#: A daemon answers from memory; one that takes longer is stuck or far away.
TIMEOUT_S = 5.0

#: The status of ten thousand nodes is some 10 MiB.
MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 256 * 1024

#: Fields of a cluster and of a node that were added to schema 1, each with its value if it is absent.
ADDED_TO_CLUSTERS: dict[str, Any] = {"culprit_evidence": None, "thresholds": [], "interval_seconds": 0.0}
ADDED_TO_NODES: dict[str, Any] = {"last_success": None}


class DaemonUnreachableError(SkewmonError):
    """No daemon answers at the URL."""


def base_of(url: str) -> str:
    """Return the URL of a daemon without a trailing slash; raise ConfigError if it is not a URL."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(Fault(f"--url: expected a URL such as http://127.0.0.1:10061, found {echoed(url)}"))
    return url.rstrip("/")


async def status(base: str) -> Status:
    """Return the daemon's present document.

    Raises DaemonUnreachableError if nothing answers, and UnreadableStatusError if another program does.
    """
    return parsed(await _get(base, "/api/v1/status"))


async def fetch(base: str, path: str) -> dict[str, Any]:
    """Return another JSON object of the daemon, unchecked; raise as ``status`` does."""
    try:
        document = json.loads(await _get(base, path), parse_constant=_finite, parse_float=_finite)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UnreadableStatusError("The answer is not that of a skewmon daemon.")
    return document


async def _get(base: str, path: str) -> bytes:
    import aiohttp

    from skewmon.runtime import client

    limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            client.session(timeout=limit) as session,
            session.get(f"{base}{path}") as got,
        ):
            if got.status != 200:
                raise UnreadableStatusError(f"{base} answers {got.status} {got.reason}.")
            return await _body(got, base)
    except aiohttp.ClientConnectorCertificateError as error:
        raise DaemonUnreachableError(
            f"{base} has a certificate that is not trusted: {error.certificate_error}. "
            "Name the authority that signed it: --ca-file FILE"
        ) from None
    except TimeoutError:
        raise DaemonUnreachableError(f"{base} did not answer within {TIMEOUT_S:g} s.") from None
    except (aiohttp.ClientError, ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DaemonUnreachableError(f"No daemon answers at {base}: {reason}.") from None


async def rounds(base: str, interval_s: float) -> AsyncGenerator[tuple[Status, str], None]:
    """Yield the daemon's document again and again; after a failure the last one, with the reason.

    Raises as ``status`` does if the first query fails.
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


class UnreadableStatusError(SkewmonError):
    """The answer is not the JSON of a skewmon that this one understands."""


def parsed(text: bytes) -> Status:
    """Return the document of a daemon; raise UnreadableStatusError if it is not one."""
    try:
        document = json.loads(text, parse_constant=_finite, parse_float=_finite)
        if document["schema"] != SCHEMA:
            raise UnreadableStatusError(
                f"The daemon speaks schema {echoed(document['schema'])}, not {SCHEMA}."
            )
        for cluster in document["clusters"]:
            _complete(cluster)
        status = TypeAdapter(Status).validate_python(document)
        _check(status)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise UnreadableStatusError("The answer is not the status of a skewmon daemon.") from None
    return status


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _complete(cluster: dict[str, Any]) -> None:
    """Fill in the fields that a daemon of an earlier version leaves out."""
    for key, value in ADDED_TO_CLUSTERS.items():
        cluster.setdefault(key, value)
    for node in cluster["nodes"]:
        for key, value in ADDED_TO_NODES.items():
            node.setdefault(key, value)
    offsets = {node["name"]: node["offset"] for node in cluster["nodes"]}
    pair = cluster["worst_pair"]
    if pair and "seconds" not in pair:
        one, other = offsets[pair["node"]], offsets[pair["peer"]]
        pair["seconds"] = one["seconds"] - other["seconds"]
        pair["lower"], pair["upper"] = one["lower"] - other["upper"], one["upper"] - other["lower"]
    missing = [node["name"] for node in cluster["nodes"] if not node["measured"]]
    if "message" not in cluster:
        cluster["message"] = sentence(cluster, cluster["thresholds"], missing)  # type: ignore[arg-type] # checked next


def _check(status: Status) -> None:
    """Raise ValueError if an instant or an interval is invalid."""
    datetime.fromisoformat(status["time"])
    for cluster in status["clusters"]:
        datetime.fromisoformat(cluster["round"]["at"])
    if any(ends["lower"] > ends["upper"] for ends in _intervals(status)):
        raise ValueError("an interval whose ends are exchanged")


def _intervals(status: Status) -> Iterator[IntervalStatus]:
    for cluster in status["clusters"]:
        for node in cluster["nodes"]:
            if node["offset"]:
                yield node["offset"]
            if node["admin_offset"]:
                yield node["admin_offset"]
