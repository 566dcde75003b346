"""The nodes of the demonstration: some with a fault each, then as many healthy ones as requested."""

from dataclasses import dataclass
from typing import Literal

from skewmon.demo.clock import ClockOrigin, SimulatedClock, Step

US = 1_000
MS = 1_000_000
S = 1_000_000_000

#: A few healthy rounds come first; an impatient user waits no longer.
JUMP_AFTER_S = 12.0

#: A step as users of etcd report it.
JUMP_NS = 70 * S

#: A poor crystal without a time daemon: 4.3 s a day.
DRIFT_PPB = 50_000

#: A satellite link or a busy tunnel: replies take more than twice as long as requests.
SLOW_THERE_S = 0.015
SLOW_BACK_S = 0.035

#: Healthy clocks are some tens of microseconds apart, as chrony keeps them in a data centre.
HEALTHY_OFFSETS_NS = (12 * US, -38 * US, 71 * US, -5 * US, 44 * US, -80 * US, 27 * US)

#: Enough for pairs that show how near each other the nodes of a site are known.
SITE_NODES = 3


@dataclass(frozen=True, slots=True)
class SimulatedNode:
    """One simulated node: its clock, its network path, and its behavior in one sentence."""

    name: str
    story: str
    clock: SimulatedClock
    daemon: Literal["chronyd", "ntpd", "none"] = "chronyd"
    program: Literal["python3", "bash"] = "python3"
    there_s: float = 0.0
    back_s: float = 0.0
    reachable: bool = True


def simulated_nodes(number: int, origin: ClockOrigin) -> tuple[SimulatedNode, ...]:
    """Return ``number`` nodes: first those with a fault, then healthy ones."""
    faulty = (
        SimulatedNode("n1", "healthy", _healthy(0, origin)),
        SimulatedNode("n2", "healthy, on ntpd", _healthy(1, origin), daemon="ntpd"),
        SimulatedNode(
            "n3",
            f"jumps {JUMP_NS // S} s ahead {JUMP_AFTER_S:g} s after the start; its chronyd notices nothing",
            SimulatedClock(origin, HEALTHY_OFFSETS_NS[2], steps=(Step(JUMP_AFTER_S, JUMP_NS),)),
        ),
        SimulatedNode(
            "n4",
            f"drifts by {DRIFT_PPB // 1000} ppm: it has no time daemon",
            SimulatedClock(origin, 4 * MS, drift_ppb=DRIFT_PPB),
            daemon="none",
        ),
        SimulatedNode(
            "n5",
            "healthy, at the end of a slow and lopsided path",
            _healthy(4, origin),
            there_s=SLOW_THERE_S,
            back_s=SLOW_BACK_S,
        ),
        SimulatedNode("n6", "down: nothing listens there", _healthy(5, origin), reachable=False),
        SimulatedNode(
            "n7", "healthy, with nothing but bash to read its clock", _healthy(6, origin), program="bash"
        ),
    )
    more = (SimulatedNode(f"n{one}", "healthy", _healthy(one, origin)) for one in range(8, number + 1))
    return (*faulty[:number], *more)


def site_nodes(origin: ClockOrigin) -> tuple[SimulatedNode, ...]:
    """Return the nodes of the second site."""
    story = "healthy, at a second site, behind a bastion that is 40 ms away each way"
    return tuple(SimulatedNode(f"s{one}", story, _healthy(one, origin)) for one in range(1, SITE_NODES + 1))


def _healthy(number: int, origin: ClockOrigin) -> SimulatedClock:
    return SimulatedClock(origin, HEALTHY_OFFSETS_NS[number % len(HEALTHY_OFFSETS_NS)])
