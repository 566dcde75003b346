"""Nodes from a server that speaks Prometheus' HTTP service discovery."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from skewmon.config.limits import MAX_FILE_BYTES
from skewmon.config.schema import SourceSpec
from skewmon.config.secrets import SecretError, read_headers
from skewmon.errors import InventoryAwayError, InventoryError
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import Context
from skewmon.inventory.target_groups import add_groups
from skewmon.runtime import client
from skewmon.text import masked_text, masked_url

#: A server that takes longer than a round is not a live source.
TIMEOUT_S = 10.0

#: Characters of a server's text that a message repeats, such as the address of a redirect.
QUOTED_MAX = 200

#: Enough for http → https and a moved path; more is a loop.
MAX_REDIRECTS = 3


async def read(spec: SourceSpec, context: Context) -> Listing:
    """Return the targets that the server lists now."""
    assert spec.http_sd is not None
    named = masked_url(spec.http_sd)
    try:
        headers = read_headers(spec.headers_file) if spec.headers_file else {}
    except SecretError as error:
        raise InventoryError(f"{named} cannot be read: {error}") from None
    body = await _fetch(spec.http_sd, headers)
    try:
        groups = json.loads(body)
    except (ValueError, RecursionError):
        raise InventoryError(f"{named} did not answer with JSON") from None
    listing = Listing()
    try:
        add_groups(listing, groups, context.ssh)
        return listing.checked()
    except InventoryError as error:
        raise InventoryError(f"{named}: {error}") from None


async def _fetch(url: str, headers: Mapping[str, str]) -> bytes:
    """Return the body of a successful answer, at most MAX_FILE_BYTES of it.

    A request with headers of the user follows no redirect, which could carry them to another host.
    """
    named = masked_url(url)
    request: dict[str, Any] = {
        "headers": {"Accept": "application/json", **headers},
        "allow_redirects": not headers,
        "max_redirects": MAX_REDIRECTS,
    }
    try:
        async with (
            client.session(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as session,
            session.get(url, **request) as response,
        ):
            if response.status != 200:
                raise InventoryAwayError(f"{named} answered {_answer(response)}")
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


def _answer(response: aiohttp.ClientResponse) -> str:
    """Return the status of an answer, and the action that it suggests."""
    status = f"{response.status} {_plain(response.reason)}".rstrip()
    if response.status in {401, 403}:
        return f"{status}: it wants a login, see headers_file"
    if 300 <= response.status < 400 and "Location" in response.headers:
        return f"{status}: name the address behind the redirect, for headers_file is sent to no other host"
    return status


def _plain(text: object) -> str:
    """Return a text of a server or of the HTTP client, on one line and without secrets."""
    text = masked_text(str(text or ""))[:QUOTED_MAX]
    return "".join(character if character.isprintable() else "?" for character in text)
