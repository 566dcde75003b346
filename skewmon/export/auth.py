"""Basic auth against bcrypt hashes, off the event loop, without revealing which names exist."""

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections import Counter, OrderedDict
from collections.abc import Mapping
from concurrent.futures import Executor

import bcrypt

from skewmon.export.attempts import Attempts

#: Valid passwords in the cache: one for each user, and a few for hashes that changed. Wrong ones never evict
#: them, so guesses never delay a scraper.
RIGHT_MAX = 100

#: Wrong passwords in the cache: a misconfigured scraper repeats its own every few seconds.
WRONG_MAX = 1_000

#: Passwords that are checked or wait to be; each takes some 70 ms of one thread.
PENDING_MAX = 16

#: Of those, one client may have this many, so the first check of another's takes a third of a second.
PENDING_PER_CLIENT_MAX = 4

#: bcrypt reads no further, and its library refuses more.
PASSWORD_BYTES_MAX = 72


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class TooManyAttemptsError(Exception):
    """This client has guessed too often."""


class BasicAuth:
    """Checks Authorization headers; caches results under a key that reveals no password."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._salt = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._pending: Counter[str] = Counter()
        self._attempts = Attempts(lambda: asyncio.get_running_loop().time())

    async def admits(self, users: Mapping[str, bytes], header: str, client: str) -> bool:
        """Return whether a header has the name and password of one of the users (at least one).

        Raise TooManyAttemptsError or BusyError if that would need another check; a password that was right
        before needs none.
        """
        credentials = _credentials(header)
        if credentials is None:
            return False
        name, password = credentials
        # An unknown name is checked against another's hash, so the answer takes as long.
        digest = users.get(name) or next(iter(users.values()))
        known = name in users
        key = self._key(name, digest, password, known=known)
        for outcomes, right in ((self._right, True), (self._wrong, False)):
            if key in outcomes:
                outcomes.move_to_end(key)
                return right
        check = self._checks.get(key)
        if check is None:
            self._reserve(client)
            check = asyncio.create_task(self._check(key, password, digest, client, known=known))
            self._checks[key] = check
        return await asyncio.shield(check)  # a client that leaves stops no other one's check

    def _reserve(self, client: str) -> None:
        """Count a check that begins; raise if this client, or all of them, have too many."""
        if self._pending[client] >= PENDING_PER_CLIENT_MAX or not self._attempts.take(client):
            raise TooManyAttemptsError
        if self._pending.total() >= PENDING_MAX:
            self._attempts.give_back(client)
            raise BusyError
        self._pending[client] += 1

    async def _check(self, key: bytes, password: bytes, digest: bytes, client: str, *, known: bool) -> bool:
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._executor, bcrypt.checkpw, password, digest) and known
        finally:
            del self._checks[key]
            self._pending[client] -= 1
            self._pending += Counter()  # drops clients without a check
        if right:
            self._attempts.give_back(client)
            _remember(self._right, key, RIGHT_MAX)
        else:
            _remember(self._wrong, key, WRONG_MAX)
        return right

    def _key(self, name: str, digest: bytes, password: bytes, *, known: bool) -> bytes:
        # A name that the file gains later may have the hash that it was checked against before.
        parts = (str(known).encode(), name.encode("utf-8", "replace"), digest, password)
        return hashlib.blake2b(b"".join(len(p).to_bytes(4) + p for p in parts), key=self._salt).digest()


def _remember(outcomes: OrderedDict[bytes, None], key: bytes, most: int) -> None:
    outcomes[key] = None
    while len(outcomes) > most:
        outcomes.popitem(last=False)


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
