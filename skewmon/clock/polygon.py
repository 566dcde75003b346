"""All straight lines that several bursts allow: a convex polygon of (offset, rate).

Each burst says that an oscillator's offset lay between two ends at one instant. Seen from a later instant it
confines offset and rate together to the band ``lower ≤ y + r·dt ≤ upper``; what all bands leave is a convex
polygon, cut out one half-plane at a time (Sutherland and Hodgman's clipping). Its corners give the extreme
offset, the extreme rate and every extrapolation.

Why floating point is safe here. Every band is widened by ``MARGIN_NS`` before it cuts. Offsets are taken
relative to an integer origin and are refused beyond ``REACH_NS``, so that no term exceeds 2**41 ns and one
operation errs by less than 2**-11 ns. A new corner lies on an edge, between corners on both sides of a limit;
whatever a cut removes violates the widened band but for the error of a few operations, and 128 cuts together
stay below a quarter of a nanosecond. The truth keeps a whole nanosecond's distance from every band.
"""

from math import ceil, floor
from typing import NamedTuple

#: What every band is widened by, so that rounding can never cut off the truth.
MARGIN_NS = 1.0

#: The largest relative offset and span times rate that the margin is good for (about eighteen minutes).
REACH_NS = 2**40

Corners = tuple[tuple[float, float], ...]


class Polygon(NamedTuple):
    """Corners (y, r): an offset in ns relative to ``origin_ns`` at ``at_ns``, and its rate; never empty."""

    at_ns: int
    origin_ns: int
    corners: Corners

    @classmethod
    def box(cls, at_ns: int, lower_ns: int, upper_ns: int, rho: float) -> "Polygon | None":
        """Return all lines with the offset between two ends and a rate up to ``rho``; None beyond reach."""
        origin_ns = (lower_ns + upper_ns) // 2
        y = upper_ns - origin_ns + MARGIN_NS
        if y > REACH_NS:
            return None
        return cls(at_ns, origin_ns, ((-y, -rho), (y, -rho), (y, rho), (-y, rho)))

    def clipped(self, dt_ns: int, lower_ns: int, upper_ns: int) -> "Polygon | None":
        """Return what a band ``dt_ns`` away leaves: self where it cuts nothing, None where it cuts all."""
        lower = lower_ns - self.origin_ns - MARGIN_NS
        upper = upper_ns - self.origin_ns + MARGIN_NS
        dt = float(dt_ns)
        corners = self.corners
        values = [y + r * dt for y, r in corners]
        if max(values) <= upper and min(values) >= lower:
            return self
        left = _between(corners, values, lower, upper)
        return Polygon(self.at_ns, self.origin_ns, left) if left else None

    def touches(self, dt_ns: int, lower_ns: int, upper_ns: int) -> bool:
        """Tell whether a band that has been clipped with is one of the sides."""
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


def _between(corners: Corners, values: list[float], lower: float, upper: float) -> Corners:
    """Return the part of a convex polygon whose ``values`` lie between two limits.

    Both half-planes at once: an edge that crosses both limits meets them in the order of its direction.
    """
    kept: list[tuple[float, float]] = []
    (y0, r0), v0 = corners[-1], values[-1]
    below0, above0 = v0 < lower, v0 > upper
    for (y1, r1), v1 in zip(corners, values, strict=True):
        below1, above1 = v1 < lower, v1 > upper
        if below0 and not below1:
            kept.append(_crossing(y0, r0, y1, r1, (lower - v0) / (v1 - v0)))
        if above0 != above1:
            kept.append(_crossing(y0, r0, y1, r1, (upper - v0) / (v1 - v0)))
        if below1 and not below0:
            kept.append(_crossing(y0, r0, y1, r1, (lower - v0) / (v1 - v0)))
        if not below1 and not above1:
            kept.append((y1, r1))
        y0, r0, v0, below0, above0 = y1, r1, v1, below1, above1
    return tuple(kept)


def _crossing(y0: float, r0: float, y1: float, r1: float, share: float) -> tuple[float, float]:
    return y0 + share * (y1 - y0), r0 + share * (r1 - r0)
