"""Who plays in the demonstration: nodes with a fault each, and as many healthy ones as are asked for."""

from dataclasses import dataclass
from typing import Literal

from skewmon.demo.clock import ClockOrigin, SimulatedClock, Step

US = 1_000
MS = 1_000_000
S = 1_000_000_000

#: Long enough for a few healthy rounds to be seen first, short enough for an impatient visitor.
JUMP_AFTER_S = 12.0

#: The fault that etcd's users meet.
JUMP_NS = 70 * S

#: What a poor crystal does whose time daemon has died: 4.3 s a day.
DRIFT_PPB = 50_000

#: A satellite or a busy tunnel: the way back takes more than twice as long as the way there.
SLOW_THERE_S = 0.015
SLOW_BACK_S = 0.035

#: Healthy clocks are some tens of microseconds apart, as chrony keeps them in a data centre.
HEALTHY_OFFSETS_NS = (12 * US, -38 * US, 71 * US, -5 * US, 44 * US, -80 * US, 27 * US)


@dataclass(frozen=True, slots=True)
class Role:
    """One simulated node: its clock, its path and what to expect of it."""

    name: str
    story: str
    clock: SimulatedClock
    daemon: Literal["chronyd", "ntpd", "none"] = "chronyd"
    program: Literal["python3", "bash"] = "python3"
    there_s: float = 0.0
    back_s: float = 0.0
    reachable: bool = True


def cast(nodes: int, origin: ClockOrigin) -> tuple[Role, ...]:
    """Return so many nodes: first those with a story, then healthy ones."""
    told = (
        Role("n1", "healthy", _healthy(0, origin)),
        Role("n2", "healthy, on ntpd", _healthy(1, origin), daemon="ntpd"),
        Role(
            "n3",
            f"jumps {JUMP_NS // S} s ahead {JUMP_AFTER_S:g} s after the start; its chronyd notices nothing",
            SimulatedClock(origin, HEALTHY_OFFSETS_NS[2], steps=(Step(JUMP_AFTER_S, JUMP_NS),)),
        ),
        Role(
            "n4",
            f"drifts by {DRIFT_PPB // 1000} ppm: nobody keeps its time",
            SimulatedClock(origin, 4 * MS, drift_ppb=DRIFT_PPB),
            daemon="none",
        ),
        Role(
            "n5",
            "healthy, at the end of a slow and lopsided path",
            _healthy(4, origin),
            there_s=SLOW_THERE_S,
            back_s=SLOW_BACK_S,
        ),
        Role("n6", "down: nothing listens there", _healthy(5, origin), reachable=False),
        Role("n7", "healthy, with nothing but bash to read its clock", _healthy(6, origin), program="bash"),
    )
    more = (Role(f"n{number}", "healthy", _healthy(number, origin)) for number in range(8, nodes + 1))
    return (*told[:nodes], *more)


def _healthy(number: int, origin: ClockOrigin) -> SimulatedClock:
    return SimulatedClock(origin, HEALTHY_OFFSETS_NS[number % len(HEALTHY_OFFSETS_NS)])
