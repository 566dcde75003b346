"""Limits password guesses and reloads: a token bucket for each client."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Wrong passwords of one client that are checked at once, and its reloads. A person and a misconfigured
#: scraper stay below.
BURST = 10

#: After that, one a second: some 70 ms of a thread, and 86,400 guesses a day at a bcrypt hash. A reload may
#: run a program or query a server for its inventory.
PER_S = 1.0

#: Clients with a bucket; the least recently active one is dropped first.
CLIENTS_MAX = 4_096


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Attempts:
    """The attempts that each client has left; an attempt that succeeds is given back."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, client: str) -> bool:
        """Use up one attempt; return False if none is left."""
        bucket = self._refilled(client)
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def give_back(self, client: str) -> None:
        """Undo ``take``."""
        bucket = self._refilled(client)
        bucket.left = min(BURST, bucket.left + 1)

    def _refilled(self, client: str) -> _Bucket:
        now_s = self._now_s()
        bucket = self._buckets.setdefault(client, _Bucket(BURST, now_s))
        bucket.left = min(BURST, bucket.left + (now_s - bucket.at_s) * PER_S)
        bucket.at_s = now_s
        self._buckets.move_to_end(client)
        while len(self._buckets) > CLIENTS_MAX:
            self._buckets.popitem(last=False)
        return bucket
