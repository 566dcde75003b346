"""One POST to a receiver, with limits on its time and its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from skewmon.model import NS_PER_S
from skewmon.notify.receiver import Delivery, DeliveryReason, Result
from skewmon.text import masked_text

#: A person waits for the alert, so a slow receiver is given up and retried.
REQUEST_TIMEOUT_S = 10.0

#: Bytes read of an answer: enough for an error message, and memory stays bounded.
ANSWER_BYTES_MAX = 4096

#: Characters quoted of an answer.
ANSWER_QUOTED_MAX = 200

#: Temporary failures among the 4xx: Request Timeout, Too Early, Too Many Requests.
_TEMPORARY = {408: DeliveryReason.TIMEOUT, 425: DeliveryReason.RATE_LIMITED, 429: DeliveryReason.RATE_LIMITED}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the resulting delivery, the HTTP status, and the receiver's time."""

    delivery: Delivery
    status: int | None = None
    date_ns: int | None = None


async def post(
    session: aiohttp.ClientSession, url: str, body: Any, headers: Mapping[str, str] | None = None
) -> Reply:
    """POST ``body`` as JSON and return the result; raise nothing but cancellation."""
    try:
        async with session.post(
            url,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            allow_redirects=False,  # a redirect could carry alerts and headers to another host
            timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        ) as answer:
            text = await _read(answer)
            return Reply(_judge(answer.status, text), answer.status, _date_ns(answer))
    except TimeoutError:
        return Reply(
            Delivery(Result.RETRY, DeliveryReason.TIMEOUT, f"no answer within {REQUEST_TIMEOUT_S:g} s")
        )
    except aiohttp.ClientSSLError as fault:
        return Reply(Delivery(Result.RETRY, DeliveryReason.TLS, _plain(fault)))
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        return Reply(Delivery(Result.GIVE_UP, DeliveryReason.REFUSED, "the URL is unusable"))
    except aiohttp.ClientResponseError:
        return Reply(Delivery(Result.RETRY, DeliveryReason.GARBLED_REPLY, "the answer is not HTTP"))
    except (aiohttp.ClientError, OSError) as fault:
        return Reply(Delivery(Result.RETRY, DeliveryReason.CONNECTION, _plain(fault)))


def _date_ns(answer: aiohttp.ClientResponse) -> int | None:
    """Return the instant of the Date header, which is whole seconds, or None."""
    try:
        return round(parsedate_to_datetime(answer.headers["Date"]).timestamp()) * NS_PER_S
    except (KeyError, ValueError, OverflowError):
        return None


async def _read(answer: aiohttp.ClientResponse) -> str:
    """Read the start of an answer, up to the limit."""
    text = b""
    while len(text) < ANSWER_BYTES_MAX:
        piece = await answer.content.read(ANSWER_BYTES_MAX - len(text))
        if not piece:
            break
        text += piece
    words = " ".join(text.decode(errors="replace").split())[:ANSWER_QUOTED_MAX]
    return masked_text(words)  # error pages repeat the address that was asked for


def _judge(status: int, text: str) -> Delivery:
    detail = f"HTTP {status}" + (f": {text}" if text else "")
    if 200 <= status < 300:
        return Delivery(Result.OK, None, f"HTTP {status}")
    if 300 <= status < 400:
        return Delivery(
            Result.GIVE_UP, DeliveryReason.REDIRECTED, f"HTTP {status}: redirects are not followed"
        )
    if status in _TEMPORARY:
        return Delivery(Result.RETRY, _TEMPORARY[status], detail)
    if status >= 500:
        return Delivery(Result.RETRY, DeliveryReason.SERVER_ERROR, detail)
    return Delivery(Result.GIVE_UP, DeliveryReason.REFUSED, detail)


def _plain(fault: Exception) -> str:
    """Return the text of a fault; aiohttp's connection faults name host and port, never path or user."""
    return str(fault) or type(fault).__name__
