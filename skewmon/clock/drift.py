"""How fast a node's clock runs away: the oscillator, the daemon's correction of it, and the sum of both.

The correction is read on the node (MONOTONIC − RAW) and known to parts per billion after a few rounds; if the
last of them ran at another rate than the rest, today's may lie anywhere between the two. The oscillator's
rate comes from all lines that its history allows if they are alike (BOUNDED: every burst must be met; rests
on H1 to H4 and H6), else from the lines through the last minute's bursts (BOUNDED: the mean rate since), else
from a weighted least-squares fit of the bursts' middles (STATISTICAL: assumes that the path's asymmetry is
noise), else from the bounds of H2b. Only meaningful rates are published.
"""

from collections.abc import Sequence
from statistics import median_low
from typing import NamedTuple

from skewmon.clock.chord import bent, chord, shows_no_bend
from skewmon.clock.history import History
from skewmon.clock.line import WINDOW, Track, is_random, line
from skewmon.clock.rate import LEAST_SAMPLES, Basis, Rate, Rates
from skewmon.clock.steps import Movement, MovementKind
from skewmon.clock.wander import Plausible
from skewmon.model import NS_PER_S, Burst, Interval

#: Corrections this far from the usual one are a slew.
SLEW_PPB = 50_000

#: Until the usual correction is known, only more than a kernel's frequency register can hold is a slew.
UNKNOWN_USUAL_PPB = 550_000

#: Rounds that make up the usual correction, and after which a lasting change becomes the usual one.
USUAL_ROUNDS = 33

#: Readings of the correction closer together than this bound its rate too loosely.
LEAST_SPAN_NS = NS_PER_S

#: Of these rounds every fourth counts, once there are a few.
USUAL_EVERY = 4

#: Rounds from one kept reading of the correction to the next.
ANCHOR_ROUNDS = 8

#: An oscillator whose rate changed faster than H6 allows is calm again after so long: fans and loads that
#: move a crystal come and go within minutes.
CALM_AFTER_NS = 15 * 60 * NS_PER_S


class Anchor(NamedTuple):
    """One reading of the correction: when by the node's RAW, and between which ends."""

    at_ns: int
    raw_lower_ns: int
    raw_upper_ns: int
    lower_ns: int
    upper_ns: int


class Steering(NamedTuple):
    """The corrections that a node's daemon made to its clock; newest first.

    Behind the newest anchor only every eighth is kept, so that the last one is at most WINDOW rounds old.
    """

    anchors: tuple[Anchor, ...] = ()
    usual: tuple[int, ...] = ()  # ppb, of every fourth round without a slew
    slewing_rounds: int = 0
    latest_ppb: Interval | None = None  # between the two latest readings
    rounds: int = 0  # from the first anchor to the newest

    @property
    def slew_ppb(self) -> Interval | None:
        """The latest rate as long as it is a slew."""
        return self.latest_ppb if self.slewing_rounds else None


NOTHING_SEEN = Steering()


def anchor_of(burst: Burst) -> Anchor | None:
    """Return MONOTONIC − RAW at the end of a burst; None if the node cannot read both."""
    last, program = burst.closing or burst.opening[-1], burst.program
    if program.mono is None or program.raw is None:
        return None
    if last.mono_ns is None or last.raw_in_ns is None or last.raw_out_ns is None:
        return None
    raw_lower_ns = last.raw_in_ns - program.raw.early_ns
    raw_upper_ns = last.raw_out_ns + program.raw.late_ns
    return Anchor(
        last.sent_ns,
        raw_lower_ns,
        raw_upper_ns,
        last.mono_ns - program.mono.early_ns - raw_upper_ns,
        last.mono_ns + program.mono.late_ns - raw_lower_ns,
    )


def rate_between(before: Anchor, after: Anchor) -> Interval:
    """Return the mean rate of the correction between two readings in ppb, rounded outwards."""
    least, most = after.lower_ns - before.upper_ns, after.upper_ns - before.lower_ns
    shortest = after.raw_lower_ns - before.raw_upper_ns
    longest = after.raw_upper_ns - before.raw_lower_ns
    assert shortest > 0, "readings in the order of their instants"
    return Interval(
        least * NS_PER_S // (longest if least > 0 else shortest),
        -(-most * NS_PER_S // (shortest if most > 0 else longest)),
    )


def steer(steering: Steering, burst: Burst) -> tuple[Steering, Movement | None]:
    """Return the steering after one more burst, and a SLEW if one has begun; each is reported once."""
    anchor = anchor_of(burst)
    if anchor is None:
        return NOTHING_SEEN, None
    if not steering.anchors:
        return Steering((anchor,), steering.usual), None
    previous = steering.anchors[0]
    if anchor.raw_lower_ns - previous.raw_upper_ns < LEAST_SPAN_NS:
        return steering, None
    rate = rate_between(previous, anchor)
    if not _is_unusual(rate, steering.usual):
        return _trimmed(steering, anchor, rate), None
    if steering.slewing_rounds >= USUAL_ROUNDS:
        return Steering((anchor,), (rate.estimate_ns,)), None
    began = None
    if not steering.slewing_rounds:
        began = Movement(MovementKind.SLEW, previous.at_ns, anchor.at_ns, rate_ppb=rate)
    return Steering((anchor,), steering.usual, steering.slewing_rounds + 1, rate), began


def _is_unusual(rate: Interval, usual: Sequence[int]) -> bool:
    """Return whether a rate of the correction is a slew, by those of the rounds before."""
    if len(usual) < LEAST_SAMPLES:
        return _away_ppb(rate, 0) > UNKNOWN_USUAL_PPB
    if rate.lower_ns - min(usual) <= SLEW_PPB and max(usual) - rate.upper_ns <= SLEW_PPB:
        return False  # near all of them, and their median
    return _away_ppb(rate, median_low(usual)) > SLEW_PPB


def _away_ppb(rate: Interval, usual_ppb: int) -> int:
    """Return by how much a rate differs from another one at the least, ahead or behind."""
    return max(rate.lower_ns - usual_ppb, usual_ppb - rate.upper_ns)


def _trimmed(steering: Steering, anchor: Anchor, rate: Interval) -> Steering:
    """Return the steering after a round without a slew."""
    usual = steering.usual
    if len(usual) < LEAST_SAMPLES or steering.rounds % USUAL_EVERY == 0:
        usual = (rate.estimate_ns, *usual)[: 1 + USUAL_ROUNDS // USUAL_EVERY]
    if steering.slewing_rounds:
        return Steering((anchor,), usual)
    kept = steering.anchors[steering.rounds % ANCHOR_ROUNDS > 0 :]
    anchors = (anchor, *kept)[: 1 + WINDOW // ANCHOR_ROUNDS]
    return Steering(anchors, usual, 0, rate, steering.rounds + 1)


def rates(steering: Steering, bursts: int, oscillator: Rate | None) -> Rates:
    """Return the three rates of a node, with that of its oscillator after so many bursts."""
    correction = None
    if len(steering.anchors) > 1 and steering.latest_ppb is not None:
        ppb = _correction_ppb(steering.anchors, steering.latest_ppb)
        samples = max(bursts, min(steering.rounds + 1, WINDOW))  # exact after two readings
        correction = Rate(ppb.lower_ns / 1e9, ppb.upper_ns / 1e9, Basis.BOUNDED, samples)
    net = correction.chained(oscillator) if oscillator and correction else None
    return Rates(oscillator, correction, net, steering.slew_ppb)


class FittedRate(NamedTuple):
    """The rate of an oscillator, and whether it is so calm (H6) that it may be held for some rounds."""

    rate: Rate | None
    is_calm: bool = False


def oscillator_rate(history: History, plausible: Plausible | None, track: Track) -> FittedRate:
    """Return the rate of the oscillator by the narrowest means that are meaningful.

    All lines that the history allows if the rate is calm (H6), the mean of the last minute otherwise; for a
    rate that changes too fast for either, its bounds by H2b. ``track`` is of the oscillator.
    """
    calm, fitted = None, fit(track)
    if plausible is not None:
        calm = Rate(plausible.rate_lower, plausible.rate_upper, Basis.BOUNDED, history.calm_bursts)
        if not _is_young(history) and not _is_restless(history, calm, fitted):
            rate = calm if calm.meaningful else _of_last_minutes(history, calm, fitted, track)
            return FittedRate(rate, not _has_wandered(history))
    return FittedRate(_of_last_minutes(history, calm, fitted, track))


def _of_last_minutes(history: History, calm: Rate | None, fitted: Rate | None, track: Track) -> Rate | None:
    """Return the rate of an oscillator that all lines of its history do not give."""
    recent = _recent(track)
    if recent is not None and recent.meaningful:
        return recent
    bounds = history.learned.bounds(history.proven.at_ns)
    learned = Rate(bounds.lower_ppb / 1e9, bounds.upper_ppb / 1e9, Basis.BOUNDED, history.bursts)
    return next((rate for rate in (fitted, calm, learned) if rate and rate.meaningful), fitted or calm)


def _is_young(history: History) -> bool:
    """Return whether the history could not have been contradicted yet by a rate that changes fast."""
    return bool(history.constraints) and shows_no_bend(history.constraints[0].at_ns, history.proven)


def _is_restless(history: History, calm: Rate, fitted: Rate | None) -> bool:
    """Return whether the last bursts follow the rate better than the whole history does.

    That follows a rate that changes faster than H6 allows late, until the next contradiction.
    """
    if fitted is None or not fitted.meaningful:
        return False
    if _has_wandered(history):
        return True
    return fitted.upper < calm.lower or calm.upper < fitted.lower


def _has_wandered(history: History) -> bool:
    """Return whether bursts contradicted H6 not long ago."""
    wandered_ns = history.wandered_ns
    return wandered_ns is not None and history.proven.at_ns - wandered_ns < CALM_AFTER_NS


def _recent(track: Track) -> Rate | None:
    """Return the mean rate of the last minute."""
    mean = chord(track.points, LEAST_SAMPLES)
    return None if mean is None else Rate(mean.lower, mean.upper, Basis.BOUNDED, mean.samples)


def _correction_ppb(anchors: Sequence[Anchor], latest: Interval) -> Interval:
    """Return the mean rate of the correction, extended to the latest round's if that differs."""
    mean = rate_between(anchors[-1], anchors[0])
    apart = latest.lower_ns > mean.upper_ns or mean.lower_ns > latest.upper_ns
    return mean.hull(latest) if apart else mean


def fit(track: Track) -> Rate | None:
    """Return the rate of a weighted straight line through a track at 99.9 % confidence.

    The oldest bursts are dropped until the rest scatters about its line like noise, so that a bend in the
    past does not pass for today's rate.
    """
    count = track.length
    while count >= LEAST_SAMPLES:
        slope, half, above = line(track)
        if is_random(above):
            half += bent(track.point(0).at_ns - track.point(count - 1).at_ns)
            return Rate(slope - half, slope + half, Basis.STATISTICAL, count)
        count = count * 3 // 4
        track = track.newest(count)
    return None
