"""The time that a round, or a reply, may take for one node, and the failure of a node that takes longer."""

import math
from dataclasses import dataclass

from skewmon.errors import Reason
from skewmon.model import NS_PER_S, Failed

#: A round waits this share of its interval for the burst of a node, and as long again for the exchange that
#: closes it: 2.25 s by default, seven round trips over a geostationary satellite.
SHARE = 0.15

#: No configuration has a shorter interval.
SHORTEST_S = 1.0

#: At short intervals a node far away still needs half a second, but the round must end before the next one.
FLOOR_S = 0.5
FLOOR_SHARE = 0.4

#: At long intervals nothing is gained beyond the five seconds after which a reply counts as lost.
CEILING_S = 6.0

#: No exchange is begun that would end in the last part: round trips vary, and a burst that is cut is lost.
MARGIN = 0.25

#: A clock with a resolution of one second is searched for its tick, in two rows of requests of up to 2 s.
SEARCH_S = 4.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits for the answers of a program, seconds.

    Between login and hello lie the login shell, its rc files and the start of an interpreter. A reply that
    takes longer than five seconds is no use for a clock; geostationary links need some 0.7 s.
    """

    hello_s: float = 20.0
    reply_s: float = 5.0


PATIENT = Patience()


@dataclass(frozen=True, slots=True)
class Budget:
    """The time that a round waits for one node.

    After its first exchange, a node gets no more than are expected to end within ``ask_s``. A node whose
    burst has not ended within ``late_s`` is late: the round closes without it.
    """

    ask_s: float = CEILING_S * (1 - MARGIN)
    late_s: float = math.inf

    @classmethod
    def of_interval(cls, interval_s: float) -> "Budget":
        """Return the budget of rounds that follow each other at an interval."""
        interval_s = max(interval_s, SHORTEST_S)
        late_s = min(CEILING_S, max(SHARE * interval_s, min(FLOOR_S, FLOOR_SHARE * interval_s)))
        return cls(late_s * (1 - MARGIN), late_s)

    @classmethod
    def patient(cls, ask_s: float) -> "Budget":
        """Return the budget of rounds that a person waits for: no node is late, only a reply may be lost."""
        return cls(min(ask_s, CEILING_S * (1 - MARGIN)))

    def wait_s(self, slowest_ns: int | None, *, is_coarse: bool) -> float:
        """Return how long to wait for a node's burst, given the slowest round trip of its last one.

        A node that would be late again gets its burst all the same, to notice when it is quicker, but the
        round does not wait: a slow node stretches one round and not each.
        """
        limit_s = self.late_s + SEARCH_S if is_coarse else self.late_s
        return limit_s if slowest_ns is None or slowest_ns <= limit_s * NS_PER_S else 0.0


def late(budget: Budget, slowest_ns: int | None) -> Failed:
    """Return the failure of a node that had not answered when its round closed."""
    last = "" if slowest_ns is None else f" Its last answers took up to {slowest_ns / NS_PER_S:.2g} s each."
    return Failed(
        Reason.LATE,
        f"The round closed without it; at this interval it waits {budget.late_s:.2g} s for a node.{last}",
        "Look for load on the node and loss on the way to it; a longer interval gives every node more time.",
    )
