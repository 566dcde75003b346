"""A scale for microseconds and minutes alike: even near zero, logarithmic beyond."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from skewmon.export.document import ClusterStatus, interval, skew_thresholds
from skewmon.model import Interval, Threshold, Verdict

#: The scale is even up to this part of the lowest line and grows with the logarithm beyond it.
_EVEN_PART = 0.01

#: The scale reaches this far beyond the highest line, so that there is room to be over it.
_BEYOND = 3.0

#: The line of a cluster that has none, so that its scale has a size.
_NO_LINE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to -1 … 1; the same for all drawings of a cluster."""

    even_ns: float
    furthest: float

    @classmethod
    def of(cls, lines: tuple[Threshold, ...], offsets: Iterable[Interval]) -> "Scale":
        """Return a scale that has room for every line and every offset."""
        limits = [line.limit_ns for line in lines if line.limit_ns > 0] or [_NO_LINE_NS]
        even_ns = min(limits) * _EVEN_PART
        furthest_ns = max(max(limits) * _BEYOND, *(offset.furthest_ns for offset in offsets), 1)
        return cls(even_ns, math.log1p(furthest_ns / even_ns))

    @classmethod
    def of_cluster(cls, one: ClusterStatus) -> "Scale":
        """Return the scale of a cluster's newest round."""
        offsets = (interval(node["offset"]) for node in one["nodes"] if node["offset"])
        return cls.of(skew_thresholds(one["thresholds"]), offsets)

    def place(self, value_ns: float) -> float:
        """Return the place of a value: 0 is the middle, 1 the end ahead."""
        return math.copysign(math.log1p(abs(value_ns) / self.even_ns), value_ns) / self.furthest

    @property
    def furthest_ns(self) -> float:
        """The value at the end."""
        return math.expm1(self.furthest) * self.even_ns


def judged(offset: Interval | None, lines: tuple[Threshold, ...]) -> Verdict:
    """Return the highest severity that an offset provably exceeds, else ok, ambiguous or unknown."""
    if offset is None:
        return Verdict.UNKNOWN
    passed = {line.severity for line in lines if offset.proven_ns > line.limit_ns}
    if passed:
        return Verdict.CRITICAL if "critical" in passed else Verdict.WARNING
    below = all(offset.furthest_ns < line.limit_ns for line in lines)
    return Verdict.OK if below else Verdict.AMBIGUOUS
