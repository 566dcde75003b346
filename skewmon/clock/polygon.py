"""All straight lines that several bursts allow: a convex polygon of (offset, rate).

Each burst encloses an oscillator's offset at one instant. Seen from a later instant it confines offset and
rate together to the band ``lower ≤ y + r·dt ≤ upper``; all bands together leave a convex polygon, cut out one
half-plane at a time (Sutherland and Hodgman's clipping). Its corners give the extreme offset, the extreme
rate and every extrapolation.

Why floating point is safe here. Every band is widened by ``MARGIN_NS`` before it cuts. Offsets are taken
relative to an integer origin and are refused beyond ``REACH_NS``, so that no term exceeds 2**41 ns and one
operation errs by less than 2**-11 ns. A new corner lies on an edge, between corners on both sides of a limit;
every point that a cut removes violates the widened band but for the error of a few operations, and 128 cuts
together stay below a quarter of a nanosecond. The truth keeps a nanosecond's distance from every band.
"""

from collections.abc import Iterable
from math import ceil, floor
from typing import NamedTuple

from skewmon.clock.interval import RateBounds
from skewmon.model import NS_PER_S

#: Every band is widened by this, so that rounding can never cut off the truth.
MARGIN_NS = 1.0

#: The largest relative offset and span times rate that the margin is good for (about eighteen minutes).
REACH_NS = 2**40

#: A burst's constraint: ``dt_ns`` away the offset lay between ``lower_ns`` and ``upper_ns``.
Band = tuple[int, int, int]

Corner = tuple[float, float]
Corners = tuple[Corner, ...]


class Polygon(NamedTuple):
    """Corners (y, r): an offset in ns relative to ``origin_ns`` at ``at_ns``, and its rate; never empty."""

    at_ns: int
    origin_ns: int
    corners: Corners

    @classmethod
    def box(cls, at_ns: int, lower_ns: int, upper_ns: int, rate: RateBounds) -> "Polygon | None":
        """Return all lines with the offset between two ends and such a rate; None beyond reach."""
        origin_ns = (lower_ns + upper_ns) // 2
        y = upper_ns - origin_ns + MARGIN_NS
        if y > REACH_NS:
            return None
        slowest, fastest = rate.lower_ppb / NS_PER_S, rate.upper_ppb / NS_PER_S
        return cls(at_ns, origin_ns, ((-y, slowest), (y, slowest), (y, fastest), (-y, fastest)))

    def clipped(self, bands: Iterable[Band]) -> "Polygon | None":
        """Return the part inside all bands; None if nothing is left."""
        corners = self.corners
        for dt_ns, lower_ns, upper_ns in bands:
            corners = _between(
                corners, dt_ns, lower_ns - self.origin_ns - MARGIN_NS, upper_ns - self.origin_ns + MARGIN_NS
            )
            if not corners:
                return None
        return Polygon(self.at_ns, self.origin_ns, corners)

    def touches(self, band: Band) -> bool:
        """Whether a band that has been clipped with is one of the sides."""
        dt_ns, lower_ns, upper_ns = band
        dt = float(dt_ns)
        values = [y + r * dt for y, r in self.corners]
        return max(values) > upper_ns - self.origin_ns or min(values) < lower_ns - self.origin_ns

    def offset_ns(self, dt_ns: int = 0) -> tuple[int, int]:
        """Return the least and the greatest offset ``dt_ns`` later, rounded outwards."""
        dt = float(dt_ns)
        values = [y + r * dt for y, r in self.corners]
        return self.origin_ns + floor(min(values)), self.origin_ns + ceil(max(values))

    def rate(self) -> tuple[float, float]:
        """Return the least and the greatest rate."""
        rates = [r for _, r in self.corners]
        return min(rates), max(rates)


def _between(corners: Corners, dt_ns: int, lower: float, upper: float) -> Corners:
    """Return the part of a convex polygon that lies between two limits ``dt_ns`` away.

    Both half-planes at once: an edge may come in over the limit that its start lies beyond, and go out over
    the one that its end lies beyond.
    """
    dt = float(dt_ns)
    values = [y + r * dt for y, r in corners]
    if max(values) <= upper and min(values) >= lower:
        return corners
    kept: list[Corner] = []
    start, start_value = corners[-1], values[-1]
    start_beyond = lower if start_value < lower else upper if start_value > upper else None
    for end, end_value in zip(corners, values, strict=True):
        end_beyond = lower if end_value < lower else upper if end_value > upper else None
        if start_beyond != end_beyond:
            span = end_value - start_value
            if start_beyond is not None:
                kept.append(_crossing(start, end, (start_beyond - start_value) / span))
            if end_beyond is not None:
                kept.append(_crossing(start, end, (end_beyond - start_value) / span))
        if end_beyond is None:
            kept.append(end)
        start, start_value, start_beyond = end, end_value, end_beyond
    return tuple(kept)


def _crossing(start: Corner, end: Corner, share: float) -> Corner:
    (y0, r0), (y1, r1) = start, end
    return y0 + share * (y1 - y0), r0 + share * (r1 - r0)
