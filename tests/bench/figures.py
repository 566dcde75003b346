"""The figures of one daemon with so many nodes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Figures:
    """What one daemon took, from its start to its last round."""

    connect_s: float = 0.0
    connect_cpu_s: float = 0.0
    round_s: float = 0.0
    cpu_s: float = 0.0
    bound_s: float = 0.0
    resident_bytes: int = 0
    growth_bytes: float = 0.0
