"""Offsets of clocks that are measured from more than one place.

An *axis* is one free oscillator that clocks are measured against: the admin box's base, or the
MONOTONIC_RAW of a vantage. Two clocks on one axis are compared there, exactly. Clocks on different axes are
compared on the base, where each is known as widely as its axis is.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from skewmon.errors import Failed
from skewmon.model.interval import Interval

#: The axis of the admin box itself; every other has the label of its vantage.
BASE = ""


@dataclass(frozen=True, slots=True)
class AxisOffset(Interval):
    """A clock's offset in a cluster that is measured from several axes.

    The two ends are relative to the cluster's reference. ``own`` is the same clock on its own axis, and
    ``common`` on the base; the zero of each line is arbitrary, and the same for all clocks on it. A machine
    that is measured from several axes has the axis None, and the common line is its own.
    """

    axis: str | None
    own: Interval
    common: Interval

    def __post_init__(self) -> None:
        assert self.lower_ns <= self.upper_ns, (self.lower_ns, self.upper_ns)

    def __sub__(self, other: Interval) -> Interval:
        """Return the pair's offset, on the line that both clocks share."""
        if not isinstance(other, AxisOffset):
            return Interval.__sub__(self, other)
        return self.own - other.own if self.axis == other.axis else self.common - other.common


@dataclass(frozen=True, slots=True)
class Axis:
    """The MONOTONIC_RAW of a vantage in one round.

    ``at_ns`` is the round's common instant on it, exactly; ``to_base`` is the axis minus the base at the
    base's common instant. Earlier offsets on an axis with another ``epoch`` prove nothing: the vantage slept.
    """

    label: str
    boot_id: str
    clocksource: str
    at_ns: int
    to_base: Interval
    epoch: int = 0

    @property
    def key(self) -> Hashable:
        """The value that identifies the oscillator, as long as it runs on."""
        return (self.label, self.boot_id, self.clocksource, self.epoch)


@dataclass(frozen=True, slots=True)
class VantageView:
    """One vantage after a round.

    ``to_base`` is its oscillator minus the base; None if nodes were not measured from there, with the reason
    in ``failed``. ``contradicting`` are the nodes whose stamps were dropped.
    """

    label: str
    to_base: Interval | None = None
    streams: int = 0
    failed: Failed | None = None
    contradicting: tuple[str, ...] = ()
