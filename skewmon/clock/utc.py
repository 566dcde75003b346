"""UTC from time servers that each claim to know it: agreement by majority, one vote an upstream.

Hypothesis H9: of the independent references, most are right within their own claims. Then UTC lies where more
than half of their intervals overlap. That is Marzullo's fault-tolerant intersection for as many liars as a
majority can bear; the place where *most* intervals overlap is narrower, but one liar inside the other
intervals could choose it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from skewmon.clock.interval import aged
from skewmon.clock.oscillator import Constraint, LearnedRate
from skewmon.clock.steps import month
from skewmon.model import NS_PER_S, Interval, UtcReason, UtcState

#: With two, either may be the liar.
LEAST_INDEPENDENT = 3

#: A leap second moves a clock by so much, and a smear by at most so much.
LEAP_NS = NS_PER_S

#: Servers announce a leap second on its day, and a smear may last for a day about it.
LEAP_NEAR_NS = 24 * 3600 * NS_PER_S


class Witness(NamedTuple):
    """One reference's claim: UTC minus the base at one instant, and the source that the claim rests on."""

    name: str
    utc: Interval
    upstream: str


class Agreement(NamedTuple):
    """The conclusion from all witnesses; ``split`` are those that a leap second sets apart."""

    state: UtcState
    utc: Interval | None
    reason: UtcReason | None = None
    falsetickers: frozenset[str] = frozenset()
    split: frozenset[str] = frozenset()


class ReferenceClock(NamedTuple):
    """UTC minus the base by one reference: its best reading, and the rate between UTC and the base.

    UTC is what ages here, not the server's clock: the base runs away from UTC at a rate that H2a and H2b
    bound, whatever the server's daemon does.
    """

    reading: Constraint
    learned: LearnedRate

    @classmethod
    def begun(cls, reading: Constraint) -> "ReferenceClock":
        """Return the clock after its first reading."""
        return cls(reading, LearnedRate((reading,)))

    def after(self, now: Constraint, *, steady: bool) -> "ReferenceClock":
        """Return this after one more reading; if that contradicts the past, the past is dropped.

        ``steady`` says that the base does not stand still unnoticed. Of the earlier reading, aged, and the
        new one the narrower is kept. They are not intersected: each is the server's claim of one moment.
        """
        known = self.utc_at(now.at_ns)
        if known.upper_ns < now.lower_ns or now.upper_ns < known.lower_ns:
            return ReferenceClock.begun(now)
        learned = self.learned.after(now, steady=steady)
        newer = now.upper_ns - now.lower_ns <= known.width_ns
        return ReferenceClock(now if newer else self.reading, learned)

    def without_rate(self) -> "ReferenceClock":
        """Return this without its rate, to be learned from the readings to come."""
        return ReferenceClock(self.reading, LearnedRate())

    def utc_at(self, at_ns: int) -> Interval:
        """Return UTC minus the base at an instant."""
        since_ns = at_ns - self.reading.at_ns
        return aged(self.reading, since_ns, self.learned.bounds(max(at_ns, self.reading.at_ns)))


def reading_of(utc: Interval, at_ns: int) -> Constraint:
    """Return what one exchange says of UTC minus the base."""
    return Constraint(at_ns, utc.lower_ns, utc.upper_ns)


def agree(witnesses: Sequence[Witness], *, leaping: bool = False) -> Agreement:
    """Return the UTC on which the witnesses agree; ``leaping`` says that a leap second is near."""
    if not witnesses:
        return Agreement(UtcState.NONE, None, UtcReason.NO_ANSWER)
    votes = _votes(witnesses)
    everything = _hull(votes)
    most = majority(votes)
    split = _split(witnesses, most) if leaping else frozenset()
    if split:
        return Agreement(UtcState.AMBIGUOUS, everything, UtcReason.LEAP, split=split)
    if len(votes) < LEAST_INDEPENDENT:
        shared = majority(votes, len(votes)) or everything
        return Agreement(UtcState.UNCONFIRMED, shared, UtcReason.FEW_REFERENCES)
    if most is None:
        return Agreement(UtcState.UNCONFIRMED, everything, UtcReason.NO_MAJORITY)
    wrong = frozenset(one.name for one in witnesses if one.utc.meet(most) is None)
    return Agreement(UtcState.CONFIRMED, most, falsetickers=wrong)


def is_leap_possible(at_ns: int, witnesses: Sequence[Interval]) -> bool:
    """Return whether by the witnesses a month of UTC ends within a day: leap seconds occur nowhere else.

    Their majority has the date, as one of them may be years off.
    """
    if not witnesses:
        return False
    utc = majority(witnesses) or _hull(witnesses)
    return month(at_ns + utc.lower_ns - LEAP_NEAR_NS) != month(at_ns + utc.upper_ns + LEAP_NEAR_NS)


def majority(intervals: Sequence[Interval], least: int | None = None) -> Interval | None:
    """Return the hull of all points that at least ``least`` intervals contain: more than half of them."""
    least = len(intervals) // 2 + 1 if least is None else least
    # At one point the intervals that begin there count before others end: ends are part of an interval.
    ends = [(one.lower_ns, -1) for one in intervals] + [(one.upper_ns, 1) for one in intervals]
    depth, lower_ns, upper_ns = 0, None, None
    for at_ns, end in sorted(ends):
        depth -= end
        if end < 0 and depth == least and lower_ns is None:
            lower_ns = at_ns
        if end > 0 and depth == least - 1:
            upper_ns = at_ns
    return None if lower_ns is None or upper_ns is None else Interval(lower_ns, upper_ns)


def upstreams(addresses: Mapping[str, str], followed: Mapping[str, str | None]) -> dict[str, str]:
    """Return the source that each reference's vote counts for.

    ``addresses`` are the references' own identifiers, ``followed`` those of their upstreams; None for a
    reference that has a clock of its own, as stratum 1 does. If an upstream is a reference itself, its own
    upstream counts, so that servers behind one other have one vote with it.
    """
    above = {addresses[name]: upper for name, upper in followed.items()}
    return {name: _root(addresses[name], above) for name in addresses}


def _root(start: str, above: Mapping[str, str | None]) -> str:
    line = [start]
    while (upper := above.get(line[-1])) is not None:
        if upper in line:  # servers that follow each other in a circle are one source
            return min(line[line.index(upper) :])
        line.append(upper)
    return line[-1]


def _votes(witnesses: Sequence[Witness]) -> list[Interval]:
    """Return one interval an upstream: the hull of its witnesses, which one that lies can only widen."""
    by_upstream: dict[str, list[Interval]] = {}
    for one in witnesses:
        by_upstream.setdefault(one.upstream, []).append(one.utc)
    return [_hull(same) for same in by_upstream.values()]


def _hull(intervals: Collection[Interval]) -> Interval:
    return Interval(min(one.lower_ns for one in intervals), max(one.upper_ns for one in intervals))


def _split(witnesses: Sequence[Witness], most: Interval | None) -> frozenset[str]:
    """Return the witnesses that a leap second may set apart: from the majority, or else from each other."""
    if most is not None:
        return frozenset(one.name for one in witnesses if 0 < (one.utc - most).proven_ns <= LEAP_NS)
    return frozenset(
        one.name
        for one in witnesses
        if any(0 < (one.utc - other.utc).proven_ns <= LEAP_NS for other in witnesses)
    )
