"""Basic auth against bcrypt hashes, off the event loop, without telling which names exist."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor

import bcrypt

#: Outcomes that are remembered; as many as exporter-toolkit remembers. A scraper asks every few seconds.
OUTCOMES_MAX = 100

#: Passwords that are checked or wait to be; each takes some 70 ms of one thread.
PENDING_MAX = 16

#: bcrypt reads no further, and its library refuses more.
PASSWORD_BYTES_MAX = 72


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class BasicAuth:
    """Decides on Authorization headers; remembers outcomes under a key that reveals no password."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._salt = secrets.token_bytes(32)
        self._outcomes: OrderedDict[bytes, bool] = OrderedDict()
        self._pending = 0

    async def admits(self, users: Mapping[str, bytes], header: str) -> bool:
        """Return whether an Authorization header names one of the users, of whom there are some, rightly."""
        credentials = _credentials(header)
        if credentials is None:
            return False
        name, password = credentials
        # A name that does not exist is checked against another's hash, so that the answer takes as long.
        digest = users.get(name) or next(iter(users.values()))
        key = self._key(name, digest, password)
        if key not in self._outcomes:
            self._remember(key, matches=await self._matches(password, digest))
        return self._outcomes[key] and name in users

    async def _matches(self, password: bytes, digest: bytes) -> bool:
        if self._pending >= PENDING_MAX:
            raise BusyError
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, bcrypt.checkpw, password, digest)
        finally:
            self._pending -= 1

    def _key(self, name: str, digest: bytes, password: bytes) -> bytes:
        parts = (name.encode("utf-8", "replace"), digest, password)
        return hashlib.blake2b(b"".join(len(p).to_bytes(4) + p for p in parts), key=self._salt).digest()

    def _remember(self, key: bytes, *, matches: bool) -> None:
        self._outcomes[key] = matches
        while len(self._outcomes) > OUTCOMES_MAX:
            self._outcomes.popitem(last=False)


def _credentials(header: str) -> tuple[str, bytes] | None:
    """Return name and password of a well-formed header."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    if not colon or len(password) > PASSWORD_BYTES_MAX or b"\0" in password:
        return None
    return name.decode("utf-8", "replace"), password
