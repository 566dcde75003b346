"""The form of every response: headers, compression, and errors as one readable line."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Executor
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from prometheus_client.exposition import gzip_accepted

from skewmon.export.published import Compressed, Publication
from skewmon.runtime.containment import Where, contained

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Every path, listed in the response to an unknown one.
PATHS = (
    "/",
    "/node/NAME",
    "/events",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/-/reload (POST or PUT)",
    "/api/v1/status",
    "/api/v1/clusters/NAME/pairs",
    "/api/v1/events",
    "/api/v1/history",
    "/api/v1/stream",
    "/config",
    "/sd",
)

#: The page loads only its own style and script, and no page may frame it.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


#: Retry-After for a client without a slot or with too many requests.
RETRY_AFTER_S = 10

#: Sent at once. aiohttp would hand over the whole body, and asyncio keep a copy for each slow reader.
PIECE_BYTES = 64 * 1024


class Body(Payload):
    """A body that is sent piece by piece, each after the client has taken those before."""

    _value: tuple[bytes, ...]

    def __init__(self, *parts: bytes) -> None:
        super().__init__(parts, headers={"Content-Type": "application/octet-stream"})
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the body."""
        for value in self._value:
            part = memoryview(value)
            for start in range(0, len(part), PIECE_BYTES):
                await writer.write(part[start : start + PIECE_BYTES])


def general_headers(response: web.StreamResponse) -> None:
    """Add the headers of every response; by default, responses are not cached."""
    response.headers.update(SECURITY_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["Server"] = "skewmon"


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Complete a response of the application just before it is sent."""
    general_headers(response)


@web.middleware
async def explain_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in words: as JSON below /api/, else as text.

    A handler's unexpected error costs its own request; an OSError means that the client has left.
    """
    try:
        with contained(Where.HTTP, passing=(web.HTTPException, OSError), path=request.path):
            return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        response = fault(request, refusal.status, _words(refusal))
        if "Allow" in refusal.headers:
            response.headers["Allow"] = refusal.headers["Allow"]
        return response
    if request.writer.output_size:
        raise ConnectionError("The response has begun and cannot be replaced; the connection is closed.")
    return fault(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "An internal error; skewmon's log has the details."
    )


def fault(request: web.Request, status: int, message: str) -> web.Response:
    """Return an error response with its reason."""
    if request.path.startswith("/api/"):
        text = json.dumps({"error": message})
        return web.Response(status=status, text=text, content_type="application/json")
    return web.Response(status=status, text=f"{message}\n")


def busy(request: web.Request, message: str, status: int = HTTPStatus.SERVICE_UNAVAILABLE) -> web.Response:
    """Return a temporary error, and end the connection: its slot is needed."""
    response = fault(request, status, message)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    response.force_close()
    return response


def _words(refusal: web.HTTPException) -> str:
    if isinstance(refusal, web.HTTPNotFound):
        return "There is nothing at this path. Paths: " + ", ".join(PATHS)
    if isinstance(refusal, web.HTTPMethodNotAllowed):
        allowed = " or ".join(sorted(refusal.allowed_methods))
        return f"This path does not answer {refusal.method}; use {allowed}."
    return f"{refusal.reason}."


async def rendered(
    request: web.Request,
    publication: Publication,
    key: Hashable,
    render: Callable[[], bytes],
    rest: bytes = b"",
) -> web.Response:
    """Return a body of the publication and ``rest``, compressed if the client accepts it."""
    if not gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        return web.Response(body=Body(await publication.once(key, render), rest))
    body = await publication.compressed(key, render)
    return web.Response(body=Body(*body.pieces(rest)), headers={hdrs.CONTENT_ENCODING: "gzip"})


async def rendered_once(
    request: web.Request, executor: Executor, render: Callable[[], bytes]
) -> web.Response:
    """Return a body of this request alone, compressed if the client accepts it."""
    loop = asyncio.get_running_loop()
    if not gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        return web.Response(body=Body(await loop.run_in_executor(executor, render)))
    body = await loop.run_in_executor(executor, lambda: Compressed(render()).pieces())
    return web.Response(body=Body(*body), headers={hdrs.CONTENT_ENCODING: "gzip"})
