"""Who is let in."""

from concurrent.futures import Executor
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from skewmon.export.answers import Handler, fault
from skewmon.export.auth import BasicAuth, BusyError
from skewmon.export.web_file import WebFile

#: Where a browser says that a page asks, only these are of our own making.
_OWN_SITES = frozenset({"same-origin", "none"})

_READING = frozenset({"GET", "HEAD"})


class Guard:
    """Asks for a password where the web file has users, and lets no foreign page act in a user's name."""

    def __init__(self, web_file: WebFile, executor: Executor) -> None:
        self._web_file = web_file
        self._auth = BasicAuth(executor)

    def middleware(self) -> Middleware:
        """Return what stands before every handler."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = await self._refusal(request)
            return refusal or await handler(request)

        return guard

    async def _refusal(self, request: web.Request) -> web.Response | None:
        users = self._web_file.config.users
        try:
            admitted = not users or await self._auth.admits(users, request.headers.get("Authorization", ""))
        except BusyError:
            return fault(request, HTTPStatus.SERVICE_UNAVAILABLE, "Too many passwords wait to be checked.")
        if not admitted:
            response = fault(request, HTTPStatus.UNAUTHORIZED, "Name and password are needed.")
            response.headers["WWW-Authenticate"] = 'Basic realm="skewmon", charset="UTF-8"'
            return response
        if request.method not in _READING and _foreign(request):
            return fault(request, HTTPStatus.FORBIDDEN, "A page of another site may not do this.")
        return None


def _foreign(request: web.Request) -> bool:
    """Return whether a page of another site asks; what is no browser says nothing and may ask.

    Where the browser itself has compared the sites, its word counts: a proxy may have changed the Host.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _OWN_SITES
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.host.lower()
