"""From the stamps of a vantage to its axis, and to a node's clock on it.

Every exchange that passes a vantage bounds two pairs of oscillators. Between the admin box's stamps lie the
vantage's: they bound the vantage minus the base, as widely as the path to it is long. Between the vantage's
stamps lie the node's readings: they bound the node minus the vantage, as narrowly as the node is near.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from skewmon.clock.burst import estimate
from skewmon.clock.history import History, HistoryUpdate, review
from skewmon.clock.interval import OSCILLATOR, UNKNOWN_RATE, WALL_RATE, RateBounds, aged, intersection
from skewmon.errors import ProbeError
from skewmon.model import (
    Axis,
    Burst,
    Estimate,
    Exchange,
    Interval,
    Measured,
    OnAxis,
    Outcome,
    Program,
    Quantum,
)


def stamped(burst: Burst) -> Burst | None:
    """Return a burst as its vantage stamped it; None if an exchange that is needed has no stamps."""
    if not burst.vantage:
        return None
    opening = on_vantage(burst.opening)
    closing = on_vantage((burst.closing,))[:1] if burst.closing is not None else (None,)
    if not opening or not closing:
        return None
    return Burst(burst.program, opening, closing[0], burst.vantage)


def on_vantage(exchanges: Iterable[Exchange]) -> tuple[Exchange, ...]:
    """Return the exchanges that have stamps of a vantage, with these in the place of the base's."""
    return tuple(
        replace(one, sent_ns=one.vantage.sent_ns, received_ns=one.vantage.received_ns, vantage=None)
        for one in exchanges
        if one.vantage is not None
    )


def vantage_offset(burst: Burst, at_ns: int, rate: RateBounds | None = None) -> Interval | None:
    """Return the node's RAW minus the vantage's at ``at_ns`` of the vantage's RAW.

    None if the node has no RAW, the vantage stamped no exchange, or the exchanges contradict each other.
    """
    exchanges = on_vantage(exchanges_of(burst))
    if burst.program.raw is None or not exchanges:
        return None
    return intersection(exchanges, burst.program, at_ns, OSCILLATOR, rate)


def exchanges_of(burst: Burst) -> tuple[Exchange, ...]:
    """Return all exchanges of a burst."""
    return burst.opening if burst.closing is None else (*burst.opening, burst.closing)


def vantage_exchanges(burst: Burst) -> tuple[Exchange, ...]:
    """Return the exchanges of a node as exchanges of the admin box with the vantage.

    The vantage read its clock when it passed the request on, and when the reply arrived.
    """
    return tuple(
        Exchange(
            one.sent_ns,
            one.received_ns,
            real_in_ns=0,
            real_out_ns=0,
            raw_in_ns=one.vantage.sent_ns,
            raw_out_ns=one.vantage.received_ns,
        )
        for one in exchanges_of(burst)
        if one.vantage is not None
    )


def vantage_program(program: Program) -> Program:
    """Return the program of a vantage with the resolution of its stamps.

    The stamps already err to the side that is safe for the node, which is the other one for the vantage.
    """
    raw = program.raw or Quantum()
    both_ns = raw.early_ns + raw.late_ns
    return replace(program, raw=Quantum(both_ns, both_ns))


class CommonOffset(NamedTuple):
    """The offset that most claims have in common, and the claims that exclude it, by their numbers."""

    offset: Interval | None
    dissenting: frozenset[int]


def common_offset(claims: Sequence[Interval | None]) -> CommonOffset:
    """Return the agreement of claims about one offset (Marzullo); None contradicts itself.

    More than half of the claims must meet. If several groups of the same size do, only the claims that are in
    all of them are kept, since either group may be the wrong one.
    """
    known = {number: claim for number, claim in enumerate(claims) if claim is not None}
    best = _best_spans(known.values())
    kept = {
        number: claim for number, claim in known.items() if all(claim.meet(span) is not None for span in best)
    }
    members = sum(claim.meet(best[0]) is not None for claim in known.values()) if best else 0
    if not kept or members * 2 <= len(claims):
        return CommonOffset(None, frozenset(range(len(claims))))
    offset = Interval(
        max(claim.lower_ns for claim in kept.values()), min(claim.upper_ns for claim in kept.values())
    )
    return CommonOffset(offset, frozenset(range(len(claims))) - kept.keys())


def _best_spans(claims: Collection[Interval]) -> list[Interval]:
    """Return the spans that the most claims contain."""
    opens, closes = 0, 1  # at one instant, spans open before others close
    edges = sorted([(one.lower_ns, opens) for one in claims] + [(one.upper_ns, closes) for one in claims])
    best, most, count = list[Interval](), 0, 0
    for (at_ns, kind), (until_ns, next_kind) in pairwise(edges):
        count += 1 if kind == opens else -1
        if kind == opens and next_kind == closes and count >= most:
            best = [*(best if count == most else []), Interval(at_ns, until_ns)]
            most = count
    return best


def common_instant(
    streams: Collection[tuple[Burst, Burst]], agreeing: Sequence[Exchange], program: Program, late_ns: int
) -> int:
    """Return an instant on an axis between the opening and the closing exchanges of all its nodes.

    Each of ``streams`` is a burst as the admin box and as the vantage stamped it; ``agreeing`` are all
    exchanges that bound the axis minus the base. By causality every value that these have in common takes an
    instant of the base that lies between the openings and the closings to one that does so on the axis. So
    no stream alone can move the instant to where the clock of another is not enclosed.

    The first such instant follows the openings directly. If other nodes were waited for since most of them,
    the last one is better, ``late_ns``, shortly before the closings.
    """
    opened_ns = max(burst.opening[-1].received_ns for burst, _ in streams)
    there = to_base(agreeing, program, opened_ns)
    if there is None:
        return late_ns
    early_ns = opened_ns + there.lower_ns
    since_ns = [early_ns - seen.opening[-1].received_ns for _, seen in streams]
    until_ns = [seen.closing.sent_ns - early_ns for _, seen in streams if seen.closing is not None]
    return early_ns if sum(since_ns) <= sum(until_ns) else late_ns


def on_axis(measured: Measured, seen: Burst, axis: Axis) -> Outcome | None:
    """Return a node as measured from its vantage; None if the stamps contradict the node or the base.

    A node without an oscillator of its own has failed if they contradict its wall clock, which was set
    meanwhile by less than the admin box sees: then H5 does not hold, nor any interval of this round.
    """
    try:
        local = OnAxis(axis, seen, estimate(seen, axis.at_ns))
    except ProbeError as error:
        return error.failed if seen.program.raw is None else None
    wide = on_base(local, measured.estimate, UNKNOWN_RATE)
    return Measured(measured.burst, wide, local) if wide is not None else None


def on_base(local: OnAxis, base: Estimate, rate: RateBounds) -> Estimate | None:
    """Return a node's estimate on the base, narrowed by the one on its axis; None if they contradict.

    The base's instant is known on the axis as widely as the axis is known on the base. Within that span the
    node's oscillator moves by its rate. Its correction may move faster, and so is taken from the readings
    that enclose the base's instant.
    """
    axis, seen = local.axis, local.estimate
    earliest_ns = base.at_ns + axis.to_base.lower_ns - axis.at_ns
    latest_ns = base.at_ns + axis.to_base.upper_ns - axis.at_ns
    followed, rate = (seen.wall, WALL_RATE) if seen.oscillator is None else (seen.oscillator, rate)
    there = aged(followed, earliest_ns, rate).hull(aged(followed, latest_ns, rate)) + axis.to_base
    if base.oscillator is None or base.correction is None:
        wall = base.wall.meet(there)
        return replace(base, wall=wall) if wall is not None else None
    oscillator = base.oscillator.meet(there)
    wall = base.wall.meet(oscillator + base.correction) if oscillator is not None else None
    return replace(base, wall=wall, oscillator=oscillator) if wall is not None else None


def to_base(exchanges: Iterable[Exchange], program: Program, at_ns: int) -> Interval | None:
    """Return a vantage minus the base at ``at_ns``; None if the exchanges contradict each other."""
    return intersection(exchanges, program, at_ns, OSCILLATOR)


def followed_vantage(
    history: History | None, burst: Burst, offset: Interval, at_ns: int, *, steady_base: bool
) -> tuple[History, HistoryUpdate]:
    """Return the history of a vantage's oscillator with one more round, and what follows for ``at_ns``.

    ``burst`` has the exchanges of all its streams and its own, which agree on ``offset``.
    """
    now = Estimate(at_ns, offset, 0, len(burst.opening), oscillator=offset, correction=Interval(0, 0))
    return review(history, burst, now, steady_base=steady_base)
