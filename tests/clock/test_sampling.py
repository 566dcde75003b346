"""A burst may stop early only if no further exchange could be of use."""

from random import Random

import pytest

from skewmon.clock.baseline import BurstBaseline
from skewmon.clock.sampling import BurstGoal, is_enough, near_changed, near_line
from skewmon.model import NS_PER_S, Burst, Exchange, Interval, Program, Quantum
from tests.clock.simulator import MS, US

AT_NS = 10**15
AHEAD_NS = 1_790_000_000 * NS_PER_S
USUAL = (100 * US, 150 * US, 900 * US)
GOAL = BurstGoal((50 * MS,), Interval.around(AHEAD_NS, 100 * US), AT_NS)


def exchange(width_ns: int, *, ahead_ns: int = AHEAD_NS, raw: bool = True) -> Exchange:
    """Return an exchange a second after the last round."""
    sent = AT_NS + NS_PER_S
    middle = sent + width_ns // 2
    read, real = (middle if raw else None), middle + ahead_ns
    return Exchange(sent, sent + width_ns, real, real, read, read, read, read)


@pytest.mark.parametrize(
    ("exchanges", "widths_ns", "goal", "enough"),
    [
        ([exchange(200 * US)], USUAL, GOAL, True),
        ([exchange(226 * US)] * 7, USUAL, GOAL, False),
        ([exchange(500 * US), exchange(200 * US)], USUAL, GOAL, True),
        ([exchange(48 * MS)] * 7, (45 * MS,), GOAL, False),
        ([exchange(47 * MS)] * 2, (45 * MS,), GOAL, True),
        ([exchange(200 * US, ahead_ns=AHEAD_NS + 20 * MS)] * 7, USUAL, GOAL, False),
        ([exchange(200 * US, ahead_ns=AHEAD_NS - 20 * MS)] * 7, USUAL, GOAL, False),
        ([exchange(200 * US, raw=False)] * 7, USUAL, GOAL, False),
        ([exchange(200 * US)] * 7, (), GOAL, False),
    ],
    ids=[
        "usual",
        "disturbed",
        "one was quiet",
        "could narrow by more than a twentieth of the line",
        "could narrow by less",
        "moved ahead",
        "moved back",
        "no oscillator",
        "new",
    ],
)
def test_the_rule(
    exchanges: list[Exchange], widths_ns: tuple[int, ...], goal: BurstGoal, *, enough: bool
) -> None:
    """As docs/measurement.md states it."""
    assert is_enough(goal, BurstBaseline(widths_ns), exchanges) is enough


def test_nodes_near_a_line_are_those_of_all_pairs() -> None:
    """The short way finds what a comparison of all pairs finds."""
    dice = Random(16)
    found = 0
    for _ in range(300):
        offsets = {
            f"n{number}": Interval.around(dice.randrange(-200, 200), dice.randrange(20))
            for number in range(12)
        }
        limit_ns, margin_ns = dice.randrange(150), dice.randrange(20)
        expected = {
            name
            for name, one in offsets.items()
            for other in offsets.values()
            for side in (limit_ns, -limit_ns)
            if (one - other).widened(margin_ns).meet(Interval(side, side))
        }
        assert near_line(offsets, limit_ns, margin_ns) == expected
        found += 0 < len(expected) < len(offsets)
    assert found > 100


@pytest.mark.parametrize(
    ("ahead_ns", "near"),
    [(0, set()), (30 * MS, set()), (50 * MS, {"n1"}), (80 * MS, {"n2"}), (NS_PER_S, set())],
)
def test_only_pairs_with_a_clock_that_changed_are_looked_at(ahead_ns: int, near: set[str]) -> None:
    """The others were near no line in the last round, whatever a wide exchange of this one leaves open."""
    latest = {"n1": exchange(20 * MS), "n2": exchange(20 * MS, ahead_ns=AHEAD_NS + 30 * MS)}
    for before_ns in (ahead_ns, -NS_PER_S):  # the clock moved before the burst, or within it
        opening = tuple(exchange(MS, ahead_ns=AHEAD_NS + one) for one in (before_ns, ahead_ns))
        changed = Burst(Program("python3", raw=Quantum(0, 1)), opening)
        assert near_changed(latest, [changed], [50 * MS], AT_NS + 2 * NS_PER_S) == near
