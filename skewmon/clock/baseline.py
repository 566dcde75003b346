"""The usual width of a node's bursts, and which burst was disturbed.

Eight exchanges mostly find a quiet moment. If they found none, because a processor was busy or a queue was
full, the node's earlier bursts show that narrower ones can be had, and a repeat within the round is worth it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from skewmon.model import Burst, Exchange, VantageStamps

#: The last bursts that make up the baseline: a path that becomes worse for good is accepted after half of
#: them.
REMEMBERED = 16

#: Fewer are not enough; the first ones after a connection are slower than all others.
FEWEST = 5

#: A burst this many times as wide as usual was disturbed: one in four on nodes with busy processors.
DISTURBED = 1.25


class BurstBaseline(NamedTuple):
    """The widths of a node's last bursts, oldest first; a value."""

    widths_ns: tuple[int, ...] = ()

    def after(self, width_ns: int) -> "BurstBaseline":
        """Return the same with one more burst."""
        return BurstBaseline((*self.widths_ns, width_ns)[-REMEMBERED:])

    @property
    def narrowest_ns(self) -> int:
        """The width of the narrowest one; 0 without any."""
        return min(self.widths_ns, default=0)

    @property
    def usual_ns(self) -> int:
        """The median of the widths; 0 without any."""
        return sorted(self.widths_ns)[len(self.widths_ns) // 2] if self.widths_ns else 0

    def disturbed(self, width_ns: int) -> bool:
        """Whether a burst is wider than those before it explain."""
        return len(self.widths_ns) >= FEWEST and width_ns > DISTURBED * self.usual_ns


def burst_width_ns(opening: Sequence[Exchange]) -> int:
    """Return the width of the oscillator's offset by the fastest request and the fastest reply of a burst.

    Against the vantage if there is one, else against the base. Ageing and quanta are left out: bursts of one
    node are compared with each other, and all have the same.
    """
    by: list[tuple[Exchange, Exchange | VantageStamps]]
    by = [(one, one.vantage) for one in opening if one.vantage] or [(one, one) for one in opening]
    forth = min(one.raw_in_ns - stamps.sent_ns for one, stamps in by if one.raw_in_ns is not None)
    back = max(one.raw_out_ns - stamps.received_ns for one, stamps in by if one.raw_out_ns is not None)
    return forth - back


def joined(first: Burst, again: Burst) -> Burst:
    """Return both bursts as one if the same program answered, otherwise the later one.

    Only for a node whose oscillator can be read: that is never stepped between the two.
    """
    if again.program is not first.program:
        return again
    return replace(again, opening=first.opening + again.opening)
