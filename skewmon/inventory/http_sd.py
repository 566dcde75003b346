"""Nodes from a server that speaks Prometheus' HTTP service discovery."""

import json

import aiohttp

from skewmon.config.limits import MAX_FILE_BYTES
from skewmon.config.schema import SourceSpec
from skewmon.errors import InventoryAwayError, InventoryError
from skewmon.inventory.settings import Context
from skewmon.inventory.target_groups import nodes_of
from skewmon.model import Node
from skewmon.runtime import client
from skewmon.text import masked_text, masked_url

#: A list that takes longer than a round is no live source.
TIMEOUT_S = 10.0

#: Characters of a server's own words that a message repeats, such as the address of a redirect.
WORDS_MAX = 200

#: Enough for http → https and a moved path; more is a loop.
MAX_REDIRECTS = 3


async def read(spec: SourceSpec, context: Context) -> list[Node]:
    """Return the nodes that the server lists now."""
    assert spec.http_sd is not None
    named = masked_url(spec.http_sd)
    body = await _fetch(spec.http_sd)
    try:
        groups = json.loads(body)
    except (ValueError, RecursionError):
        raise InventoryError(f"{named} did not answer with JSON") from None
    try:
        return nodes_of(groups, context.ssh)
    except InventoryError as error:
        raise InventoryError(f"{named}: {error}") from None


async def _fetch(url: str) -> bytes:
    """Return the body of a successful answer, at most MAX_FILE_BYTES of it."""
    named = masked_url(url)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            client.session(timeout=timeout) as session,
            session.get(url, headers={"Accept": "application/json"}, max_redirects=MAX_REDIRECTS) as response,
        ):
            if response.status != 200:
                answer = f"{response.status} {_plain(response.reason)}".rstrip()
                raise InventoryAwayError(f"{named} answered {answer}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                body += chunk
                if len(body) > MAX_FILE_BYTES:
                    raise InventoryError(f"{named} sent more than {MAX_FILE_BYTES // 2**20} MiB")
            return bytes(body)
    except TimeoutError:
        raise InventoryAwayError(f"{named} did not answer within {TIMEOUT_S:g} s") from None
    except aiohttp.ClientError as error:
        raise InventoryAwayError(f"{named} cannot be read: {_plain(error)}") from None


def _plain(words: object) -> str:
    """Return the words of a server or of the client about it, on one line and without secrets."""
    text = masked_text(str(words or ""))[:WORDS_MAX]
    return "".join(character if character.isprintable() else "?" for character in text)
