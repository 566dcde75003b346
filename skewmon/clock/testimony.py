"""Where true time lies by the word of those who say that they know it: claims by intersection.

A synchronized daemon states how far its clock may be from true time. Around the measured offset that bound
makes an interval which holds true time, if the daemon is right. What the most upstreams allow in common is
where they testify that it lies (Marzullo's algorithm; RFC 5905 section 11.2.1 selects servers by it). Each
upstream has one voice, shared by its followers: fifty nodes of one wrong server are one witness.

This is testimony, not proof: it decides where offsets alone cannot, and only where two upstreams or more that
know nothing of each other agree.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from skewmon.model import Interval

#: One upstream that agrees with itself is one word against the other clocks.
MIN_UPSTREAMS = 2


class Witness(NamedTuple):
    """One clock that claims to be right: from whom it has the time, and where true time lies by its word."""

    name: str
    upstream: str
    truth: Interval  # on the axis of the offsets


class Testimony(NamedTuple):
    """What a majority of the upstreams agrees on."""

    truth: Interval
    agreeing: tuple[Witness, ...]  # of these
    upstreams: int  # that agree
    heard: int  # upstreams in all


def hear(witnesses: Collection[Witness]) -> Testimony | None:
    """Return what more than half of the upstreams, and at least two, testify; None where they do not agree.

    Where several stretches have equally many voices, true time lies in one of them: they are returned as one.
    """
    followers = Counter(witness.upstream for witness in witnesses)
    if len(followers) < MIN_UPSTREAMS:
        return None
    most, truth = _most_allowed(witnesses, followers)
    agreeing = tuple(witness for witness in witnesses if witness.truth.meet(truth))
    spoken = Counter(witness.upstream for witness in agreeing)
    # An upstream whose followers mostly say otherwise is none that agrees, though it lends a part of a voice.
    whole = {upstream for upstream, count in spoken.items() if count * 2 > followers[upstream]}
    if most * 2 <= len(followers) or len(whole) * 2 <= len(followers) or len(whole) < MIN_UPSTREAMS:
        return None
    said = tuple(witness for witness in agreeing if witness.upstream in whole)
    return Testimony(truth, said, len(whole), len(followers))


def _most_allowed(witnesses: Collection[Witness], followers: Counter[str]) -> tuple[Fraction, Interval]:
    """Return the most voices that any instant has, and the stretch of all instants that have them."""
    ends = sorted(_ends(witnesses, followers))
    voices = list(accumulate(change for _, _, change in ends))
    most = max(voices)
    begins = ends[voices.index(most)][0]
    last = len(voices) - 1 - voices[::-1].index(most)
    return most, Interval(begins, ends[last + 1][0])


def _ends(witnesses: Collection[Witness], followers: Counter[str]) -> Iterator[tuple[int, bool, Fraction]]:
    """Yield where each witness's interval begins and ends; at one instant beginnings stand first."""
    for witness in witnesses:
        voice = Fraction(1, followers[witness.upstream])
        yield witness.truth.lower_ns, False, voice
        yield witness.truth.upper_ns, True, -voice
