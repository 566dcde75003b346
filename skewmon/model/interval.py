"""An interval that contains the truth; the value that everything here is made of."""

from dataclasses import dataclass
from typing import Self

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, init=False)
class Interval:
    """``[lower_ns, upper_ns]``, which contains the truth; arithmetic is exact and rounds nothing away."""

    lower_ns: int
    upper_ns: int

    def __init__(self, lower_ns: int, upper_ns: int) -> None:
        """Set the ends; quicker than a dataclass does, since each round makes some dozens for a node."""
        assert lower_ns <= upper_ns, (lower_ns, upper_ns)
        _set_lower(self, lower_ns)
        _set_upper(self, upper_ns)

    @classmethod
    def around(cls, estimate_ns: int, bound_ns: int) -> Self:
        """Return ``estimate ± bound``."""
        return cls(estimate_ns - bound_ns, estimate_ns + bound_ns)

    @property
    def estimate_ns(self) -> int:
        """The middle."""
        return (self.lower_ns + self.upper_ns) // 2

    @property
    def bound_ns(self) -> int:
        """Half the width, rounded up."""
        return -((self.lower_ns - self.upper_ns) // 2)

    @property
    def width_ns(self) -> int:
        """The distance of the ends."""
        return self.upper_ns - self.lower_ns

    @property
    def proven_ns(self) -> int:
        """The least distance from zero of any value inside: the proven part."""
        return max(0, self.lower_ns, -self.upper_ns)

    @property
    def furthest_ns(self) -> int:
        """The greatest distance from zero of any value inside: the part that cannot be excluded."""
        return max(self.upper_ns, -self.lower_ns)

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(self.lower_ns + other.lower_ns, self.upper_ns + other.upper_ns)

    def __sub__(self, other: "Interval") -> "Interval":
        return Interval(self.lower_ns - other.upper_ns, self.upper_ns - other.lower_ns)

    def __neg__(self) -> "Interval":
        return Interval(-self.upper_ns, -self.lower_ns)

    def shifted(self, by_ns: int) -> "Interval":
        """Return the interval moved by an exact amount."""
        return Interval(self.lower_ns + by_ns, self.upper_ns + by_ns)

    def widened(self, by_ns: int) -> "Interval":
        """Return the interval with ``by_ns`` ≥ 0 added at both ends."""
        assert by_ns >= 0, by_ns
        return Interval(self.lower_ns - by_ns, self.upper_ns + by_ns)

    def meet(self, other: "Interval") -> "Interval | None":
        """Return the values that both contain, or None if they are disjoint."""
        lower, upper = max(self.lower_ns, other.lower_ns), min(self.upper_ns, other.upper_ns)
        return Interval(lower, upper) if lower <= upper else None

    def hull(self, other: "Interval") -> "Interval":
        """Return the smallest interval that contains both."""
        return Interval(min(self.lower_ns, other.lower_ns), max(self.upper_ns, other.upper_ns))

    def __contains__(self, value_ns: int) -> bool:
        return self.lower_ns <= value_ns <= self.upper_ns


_set_lower = Interval.__dict__["lower_ns"].__set__
_set_upper = Interval.__dict__["upper_ns"].__set__
