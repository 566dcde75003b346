"""How Python and the C library hold the daemon's memory."""

import ctypes
import gc
from contextlib import suppress

#: Python searches for garbage cycles after every 700 new containers, and a round of a thousand nodes makes
#: tens of thousands that need no search. Each search would fall into a burst, and some walk through the whole
#: state. Real cycles are rare: a traceback now and then.
COLLECT_AFTER = 50_000

#: A round holds fewer new containers for each node until it is committed, and the last round's go then. So no
#: round alone starts a search, which would walk through all of them. Cycles of as many may wait: some 20 KiB
#: a node.
COLLECT_AFTER_PER_NODE = 200

#: The parameters of mallopt(3), which Python has no names for.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
M_ARENA_MAX = -8

#: glibc gives a freed block back at once if it is larger than this. Without a setting, the limit
#: rises to the largest block that was ever freed, up to 32 MiB: the text of each scrape then leaves a hole.
GIVE_BACK_BYTES = 2**20

#: glibc opens a pool for each thread, up to eight a processor, and each keeps holes of its own. Python's lock
#: already makes most allocations wait for each other, so further pools would save little.
POOLS = 1


def collect_seldom() -> None:
    """Let Python search for garbage cycles less often, and never through objects of the start."""
    gc.freeze()
    collect_by(0)


def collect_by(nodes: int) -> None:
    """Let Python search for garbage cycles as seldom as this number of nodes requires."""
    gc.set_threshold(max(COLLECT_AFTER, nodes * COLLECT_AFTER_PER_NODE), *gc.get_threshold()[1:])


def give_back() -> None:
    """Let glibc return freed memory to the system; other C libraries have no such setting and need none."""
    with suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, POOLS)
        mallopt(M_MMAP_THRESHOLD, GIVE_BACK_BYTES)
        mallopt(M_TRIM_THRESHOLD, GIVE_BACK_BYTES)
