"""Names of hosts become addresses, with a bounded number of threads and no longer than the caller waits.

Lookups are those of getaddrinfo(3), so that skewmon resolves a node's name as ssh(1) does:
/etc/hosts, DNS with the search list, and every other module of nsswitch.conf (systemd-resolved, mDNS, SSSD).
An asynchronous DNS library such as aiodns needs no thread, but it supports none of these modules: names that
ssh resolves would not resolve here.

getaddrinfo blocks its thread and cannot be canceled: with a name server that is gone, for 10 s and more.
``loop.getaddrinfo`` would block the few threads of the loop that also read files, and the end of the program
would wait for them. Here each lookup under way has a daemon thread, and counts until it really ends, whether
or not its caller still waits. At most LOOKUPS_AT_ONCE run; the others wait in an order in which names that
fail cannot starve names that resolve (see ``Rank``). Addresses in numbers are never looked up.
"""

import asyncio
import errno
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

#: Threads for lookups. With those of the loop (32 at most), the journal, the exporter and Apprise, the
#: process stays below 80 in all and far below the unit's TasksMax=256. A working name server answers in
#: milliseconds.
LOOKUPS_AT_ONCE = 40

#: Names whose last result is remembered; ten times the nodes of a large cluster.
MAX_REMEMBERED = 100_000

#: /etc/hosts is read for its names only. Beyond this it is a block list, not a list of nodes.
MAX_HOSTS_BYTES = 1024 * 1024

HOSTS = Path("/etc/hosts")

#: Family and address of one place to connect to.
Place = tuple[int, Any]


class Rank(IntEnum):
    """How soon a name is looked up, the soonest first."""

    LISTED = 0  # in /etc/hosts: answered without any server
    RESOLVED = 1  # resolved last time
    NEW = 2
    FAILED = 3  # did not resolve last time


#: A name of each rank is looked up only while fewer lookups than this are under way. So a name that is likely
#: to resolve finds a free thread, however many lookups of worse ranks hang.
LIMITS = {Rank.LISTED: LOOKUPS_AT_ONCE, Rank.RESOLVED: 32, Rank.NEW: 24, Rank.FAILED: 8}


class LookupTimeoutError(TimeoutError):
    """A name was not resolved in time; ``ahead`` other lookups hang if it did not even begin."""

    def __init__(self, ahead: int = 0) -> None:
        self.ahead = ahead
        super().__init__()


@dataclass(slots=True, eq=False)
class _Lookup:
    """One name that is looked up, or waits to be, for one or more callers."""

    name: str
    answer: "asyncio.Future[list[Place]]"
    callers: int = 0
    begun: bool = False


class Resolver:
    """Looks names up, a bounded number at once; ``resolver`` returns the one of the process."""

    def __init__(self, look_up: Callable[[str], list[Place]] | None = None) -> None:
        self._look_up = look_up or _look_up
        self._lookups: dict[str, _Lookup] = {}
        self._waiting: dict[Rank, dict[str, _Lookup]] = {rank: {} for rank in Rank}
        self._resolved: dict[str, bool] = {}
        self._hosts = _HostsFile()
        self.under_way = 0

    async def places(self, address: str, port: int, timeout_s: float | None = None) -> list[Place]:
        """Return the places at which a host listens, in the order to try.

        Raises socket.gaierror if the name has no address, UnicodeError if it cannot be a name, another
        OSError if this machine lacks something, LookupTimeoutError after ``timeout_s``.
        """
        try:
            found = _look_up(address, socket.AI_NUMERICHOST)
        except socket.gaierror:
            found = await self._answer(address, timeout_s)
        return [(family, (place[0], port, *place[2:])) for family, place in found]

    async def _answer(self, name: str, timeout_s: float | None) -> list[Place]:
        lookup = self._lookups.get(name) or self._enqueue(name)
        lookup.callers += 1
        self._begin_lookups()
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(lookup.answer)
        except TimeoutError:
            raise LookupTimeoutError(0 if lookup.begun else self.under_way) from None
        finally:
            lookup.callers -= 1
            if not lookup.callers and not lookup.begun:
                self._forget(lookup)

    def _enqueue(self, name: str) -> _Lookup:
        lookup = _Lookup(name, asyncio.get_running_loop().create_future())
        self._lookups[name] = self._waiting[self._rank(name)][name] = lookup
        return lookup

    def _forget(self, lookup: _Lookup) -> None:
        """Take a lookup off the list, and out of the queue if it waits there."""
        self._lookups.pop(lookup.name, None)
        for queue in self._waiting.values():
            queue.pop(lookup.name, None)

    def _rank(self, name: str) -> Rank:
        if name.lower().rstrip(".") in self._hosts.names():
            return Rank.LISTED
        match self._resolved.get(name):
            case None:
                return Rank.NEW
            case True:
                return Rank.RESOLVED
        return Rank.FAILED

    def _begin_lookups(self) -> None:
        """Begin every lookup that its rank allows, the best rank first."""
        for rank, queue in self._waiting.items():
            while queue and self.under_way < LIMITS[rank]:
                self._begin(queue.pop(next(iter(queue))))

    def _begin(self, lookup: _Lookup) -> None:
        loop = asyncio.get_running_loop()
        lookup.begun = True
        self.under_way += 1

        def run() -> None:
            try:
                result: list[Place] | Exception = self._look_up(lookup.name)
            except (OSError, UnicodeError) as error:
                result = error
            with suppress(RuntimeError):  # the loop is closed, and no caller waits any more
                loop.call_soon_threadsafe(self._end, lookup, result)

        try:
            threading.Thread(target=run, name="lookup", daemon=True).start()
        except RuntimeError:  # "can't start new thread"
            loop.call_soon(self._end, lookup, OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))

    def _end(self, lookup: _Lookup, result: list[Place] | Exception) -> None:
        self.under_way -= 1
        self._forget(lookup)
        if isinstance(result, Exception):
            lookup.answer.set_exception(result)
            lookup.answer.exception()  # retrieved here as well: every caller may have given up
        else:
            lookup.answer.set_result(result)
        if isinstance(result, list | socket.gaierror):  # a local shortage proves nothing about the name
            self._remember(lookup.name, resolved=isinstance(result, list))
        self._begin_lookups()

    def _remember(self, name: str, *, resolved: bool) -> None:
        self._resolved.pop(name, None)
        self._resolved[name] = resolved
        if len(self._resolved) > MAX_REMEMBERED:
            del self._resolved[next(iter(self._resolved))]


class _HostsFile:
    """The names of /etc/hosts, read again when the file changes; only a hint for the order of lookups."""

    def __init__(self) -> None:
        self._stamp_ns = -1
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """Return every name of the file, in lower case; the last known ones if it cannot be read now."""
        with suppress(OSError):
            stamp_ns = HOSTS.stat().st_mtime_ns
            if stamp_ns != self._stamp_ns:
                with HOSTS.open("rb") as file:
                    lines = file.read(MAX_HOSTS_BYTES).decode("utf-8", "replace").lower().splitlines()
                self._names = frozenset(name for line in lines for name in line.partition("#")[0].split()[1:])
                self._stamp_ns = stamp_ns
        return self._names


_RESOLVERS: "WeakKeyDictionary[asyncio.AbstractEventLoop, Resolver]" = WeakKeyDictionary()


def resolver() -> Resolver:
    """Return the resolver of the running loop, the only one of the process, which so has one bound."""
    return _RESOLVERS.setdefault(asyncio.get_running_loop(), Resolver())


def no_descriptor_left() -> OSError | None:
    """Return the system's error if this process cannot open one more file, or None if it can."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error if error.errno in {errno.EMFILE, errno.ENFILE} else None
    return None


def _look_up(address: str, flags: int = 0) -> list[Place]:
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        # Without a free descriptor neither /etc/hosts nor a name server can be read, which is reported as an
        # unknown name.
        lack = None if flags & socket.AI_NUMERICHOST else no_descriptor_left()
        raise lack or error from None
    return [(family, place) for family, _, _, _, place in found]
