"""The answers of one node in a round."""

from dataclasses import dataclass

from skewmon.errors import Failed
from skewmon.model.axes import Axis
from skewmon.model.interval import Interval


@dataclass(frozen=True, slots=True)
class Quantum:
    """How far a reading may lie from the clock it was taken of: clock ∈ [reading − early, reading + late].

    A clock that rounds down has ``early_ns`` 0 and ``late_ns`` its resolution; a float rounded to nearest
    has both.
    """

    early_ns: int = 0
    late_ns: int = 1


@dataclass(frozen=True, slots=True)
class Program:
    """The node-side program that answers: which rung of the ladder, on which kernel, with which clocks.

    ``installed`` is the version of the restricted account's program; empty if skewmon sent its script.
    """

    probe: str
    boot_id: str = ""
    clocksource: str = ""
    real: Quantum = Quantum()
    raw: Quantum | None = None
    mono: Quantum | None = None
    boot: Quantum | None = None
    installed: str = ""


@dataclass(frozen=True, slots=True)
class VantageStamps:
    """When one exchange passed its vantage, on the vantage's MONOTONIC_RAW.

    They err to the safe side like the stamps on the base: ``sent_ns`` is at or before the departure of the
    request to the node, ``received_ns`` at or after the arrival of the reply's last byte. The resolution of
    the vantage's clock is already taken into account.
    """

    sent_ns: int
    received_ns: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its reply.

    ``sent_ns`` is at or before the departure of the request, ``received_ns`` at or after the arrival of
    the reply's last byte, both on the base. On the node REALTIME and MONOTONIC_RAW are read on the way in
    (real_in, raw_in), then MONOTONIC and BOOTTIME, then RAW and REALTIME again on the way out, in that order.
    A program with a single clock repeats its only reading. ``vantage`` is set if the exchange went through a
    vantage and both of its stamps are known.
    """

    sent_ns: int
    received_ns: int
    real_in_ns: int
    real_out_ns: int
    raw_in_ns: int | None = None
    raw_out_ns: int | None = None
    mono_ns: int | None = None
    boot_ns: int | None = None
    vantage: VantageStamps | None = None

    @property
    def round_trip_ns(self) -> int:
        """The time between departure and arrival, the node's own turn included."""
        return self.received_ns - self.sent_ns


@dataclass(frozen=True, slots=True)
class Burst:
    """One node's exchanges of a round: those before the common instant and one after it.

    ``vantage`` is the label of the vantage that stamped them, empty if the admin box alone did.
    """

    program: Program
    opening: tuple[Exchange, ...]
    closing: Exchange | None = None
    vantage: str = ""


@dataclass(frozen=True, slots=True)
class VantageReading:
    """A vantage's own clocks in a round.

    ``burst`` holds the relay program's exchanges with the admin box: the stamps are on the base, the
    readings are the vantage's clocks, as if it was a node. Its program has the boot id and the clocksource.
    ``streams`` is the number of connections that the relay carries.
    """

    label: str
    burst: Burst
    streams: int = 0

    @property
    def slept_ns(self) -> int | None:
        """The time slept since the boot, to the width of the reads: BOOTTIME minus MONOTONIC."""
        last = self.burst.closing or self.burst.opening[-1]
        return None if last.boot_ns is None or last.mono_ns is None else last.boot_ns - last.mono_ns


@dataclass(frozen=True, slots=True)
class Estimate:
    """One node's clocks at the instant ``at_ns`` of the base.

    ``wall`` is REALTIME minus the base. If RAW can be read, it is the sum of ``oscillator`` (RAW minus the
    base: smooth, never stepped) and ``correction`` (REALTIME minus RAW, read on the node itself).
    """

    at_ns: int
    wall: Interval
    round_trip_ns: int
    samples: int
    oscillator: Interval | None = None
    correction: Interval | None = None


@dataclass(frozen=True, slots=True)
class OnAxis:
    """The same node as its vantage sees it: stamps and instants are on the axis, and no jump is between."""

    axis: Axis
    burst: Burst
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Measured:
    """A node that answered in this round; ``local`` is set if it is measured from a vantage."""

    burst: Burst
    estimate: Estimate
    local: OnAxis | None = None


Outcome = Measured | Failed
