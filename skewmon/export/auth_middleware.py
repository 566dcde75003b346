"""Admits requests: checks the password, then the connection slot, then the page that sent it."""

from concurrent.futures import Executor
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from skewmon.export.auth import BasicAuth, BusyError, TooManyAttemptsError
from skewmon.export.clients import requesting_client
from skewmon.export.connection import HttpConnection
from skewmon.export.responses import Handler, busy, fault
from skewmon.export.web_file import WebFile

#: Values of a browser's Sec-Fetch-Site header that stand for skewmon's own pages or for the user.
_OWN_SITES = frozenset({"same-origin", "none"})

_READING = frozenset({"GET", "HEAD"})


class AuthMiddleware:
    """Requires a password if the web file has users; refuses changes that other sites' pages request."""

    def __init__(self, web_file: WebFile, executor: Executor) -> None:
        self._web_file = web_file
        self._auth = BasicAuth(executor)

    def middleware(self) -> Middleware:
        """Return the middleware that runs before every handler."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = await self._refusal(request)
            return refusal or await handler(request)

        return guard

    async def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the response to a request that is refused, else None."""
        refusal = await self._unauthorized(request)
        if refusal is not None:
            return refusal
        if isinstance(request.protocol, HttpConnection) and not request.protocol.admit():
            return busy(request, "Too many requests are being answered.")
        if request.method not in _READING and _foreign(request):
            return fault(request, HTTPStatus.FORBIDDEN, "A page of another site may not do this.")
        return None

    async def _unauthorized(self, request: web.Request) -> web.Response | None:
        users = self._web_file.config.users
        if not users:
            return None
        client = requesting_client(request)
        try:
            if await self._auth.admits(users, request.headers.get("Authorization", ""), client):
                return None
        except BusyError:
            return busy(request, "Too many passwords wait to be checked.")
        except TooManyAttemptsError:
            return busy(request, "Too many wrong passwords.", HTTPStatus.TOO_MANY_REQUESTS)
        response = fault(request, HTTPStatus.UNAUTHORIZED, "Name and password are needed.")
        response.headers["WWW-Authenticate"] = 'Basic realm="skewmon", charset="UTF-8"'
        response.force_close()
        return response


def _foreign(request: web.Request) -> bool:
    """Return whether a page of another site sent the request; other programs than browsers may send any.

    A browser's own comparison of the sites counts first: a proxy may have changed the Host.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _OWN_SITES
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.host.lower()
