"""As many exchanges as the question needs: when a burst of ``samples: auto`` may stop.

A node's interval contains its clock after any number of exchanges; further ones only narrow it. So a burst
that stops early can hide nothing but precision. It stops once no further exchange could be of use:

- for a verdict: in its last round the node was near no line (``near_line``), and no clock that would bring it
  near one has moved since, but by ordinary steering (``near_changed``);
- for the published bound: that of a pair could narrow by no more than a tenth of the lowest line;
- for the history: rates and drift rest on the narrowest bursts of the last minutes, and this one is hardly
  wider than usual.

Everything else gets the whole burst: a new node, a node near a line, a moved clock, a disturbed burst.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeVar

from skewmon.clock.baseline import BurstBaseline, burst_width_ns
from skewmon.clock.interval import RHO_WALL_PPB, WALL, age_slack_ns, intersection
from skewmon.model import Burst, Exchange, Interval

#: Exchanges of a whole burst: of eight, one is nearly always quiet each way.
WHOLE_BURST = 8

#: Rounds with whole bursts at the beginning of a node's history: two measure its rate.
NEW_ROUNDS = 2

#: The end of a pair may be further by this part of the lowest line, and lines within it count as near.
PART_OF_LINE = 10

#: A burst is narrow enough for the history up to this multiple of the usual width. The narrowest width would
#: be no measure: it is the luck of one burst in sixteen, and the next ones would make many exchanges for it.
WIDTHS = 1.5


Enough = Callable[[Sequence[Exchange]], bool]

Key = TypeVar("Key", bound=Hashable)


def never(_: Sequence[Exchange]) -> bool:
    """Return False: a burst has its full number of exchanges."""
    return False


class BurstGoal(NamedTuple):
    """The lines of a node's clusters, lowest first, and its wall clock minus the base in its last round."""

    lines_ns: tuple[int, ...]
    wall: Interval
    at_ns: int


def is_enough(goal: BurstGoal, before: BurstBaseline, exchanges: Sequence[Exchange]) -> bool:
    """Return whether these exchanges suffice, by the widths of the bursts before.

    A single one may suffice: the first after a pause is slower than the next ones, but can be narrow enough.
    """
    if exchanges[-1].raw_in_ns is None:
        return False
    width_ns = burst_width_ns(exchanges)
    # All of the excess may be on one side, and a pair has it twice.
    excess_ns = 2 * (width_ns - before.narrowest_ns)
    if width_ns > WIDTHS * before.usual_ns or excess_ns > goal.lines_ns[0] // PART_OF_LINE:
        return False
    return is_expected(exchanges[-1], goal.wall, goal.at_ns)


def is_expected(latest: Exchange, wall: Interval, at_ns: int) -> bool:
    """Return whether a wall clock can still be where an earlier round had it, but for ordinary steering."""
    slack_ns = age_slack_ns(latest.received_ns - at_ns, RHO_WALL_PPB)
    lower_ns, upper_ns = latest.real_out_ns - latest.received_ns, latest.real_in_ns - latest.sent_ns
    return wall.lower_ns - slack_ns <= upper_ns and lower_ns <= wall.upper_ns + slack_ns


def near_changed(
    latest: Mapping[Key, Exchange], changed: Iterable[Burst], lines_ns: Iterable[int], now_ns: int
) -> set[Key]:
    """Return the nodes whose distance to a clock that has changed may be near one of the lines.

    By their last exchanges. ``changed`` are the bursts of clocks that are not where the last round had them,
    or were not in it. Pairs without such a clock were near no line in that round, and still are not.
    """
    moved = [wall for burst in changed if (wall := _wall_of(burst, now_ns)) is not None]
    if not moved:
        return set()
    walls = {key: wall for key, one in latest.items() if (wall := _wall_at(one, now_ns)) is not None}
    return {key for line_ns in lines_ns for key in near_line(walls, line_ns, line_ns // PART_OF_LINE, moved)}


def _wall_of(burst: Burst, now_ns: int) -> Interval | None:
    """Return the wall clock minus the base by a burst, or by its last exchange if it moved before that.

    None if that contradicts itself: the clock was stepped within it, or the node lies.
    """
    for exchanges in (burst.opening, burst.opening[-1:]):
        wall = intersection(exchanges, burst.program, now_ns, WALL)
        if wall is not None:
            return wall
    return None


def _wall_at(latest: Exchange, now_ns: int) -> Interval | None:
    """Return the wall clock minus the base by one exchange, aged; None if that contradicts itself."""
    slack_ns = age_slack_ns(now_ns - latest.received_ns, RHO_WALL_PPB)
    lower_ns = latest.real_out_ns - latest.received_ns - slack_ns
    upper_ns = latest.real_in_ns - latest.sent_ns + slack_ns
    return Interval(lower_ns, upper_ns) if lower_ns <= upper_ns else None


def near_line(
    offsets: Mapping[Key, Interval], limit_ns: int, margin_ns: int, to: Iterable[Interval] | None = None
) -> set[Key]:
    """Return the nodes of pairs whose distance may be a limit, or may lie within ``margin_ns`` of it.

    The pairs are those of a node with one of ``to``, by default with any other node.
    """
    ordered = sorted(offsets.values() if to is None else to, key=lambda one: one.lower_ns)
    lower = [one.lower_ns for one in ordered]
    highest = list(accumulate((one.upper_ns for one in ordered), max))

    def reaches(begin_ns: int, end_ns: int) -> bool:
        """Whether an interval of some node meets this span."""
        count = bisect_right(lower, end_ns)
        return count > 0 and highest[count - 1] >= begin_ns

    near, far = limit_ns - margin_ns, limit_ns + margin_ns
    return {
        name
        for name, one in offsets.items()
        if reaches(one.lower_ns + near, one.upper_ns + far)
        or reaches(one.lower_ns - far, one.upper_ns - near)
    }
