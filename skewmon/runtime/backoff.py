"""Pauses between attempts: exponential, bounded, and random, so that many clients do not return at once."""

import random
from dataclasses import dataclass

#: Doublings after which any limit is reached; more would overflow a float.
DOUBLINGS_MAX = 16


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first pause, doubled with each failure up to the limit; ``jitter`` is the share that is random."""

    first_s: float
    limit_s: float
    jitter: float = 0.5

    def pause_s(self, failures: int, rng: random.Random | None = None) -> float:
        """Return the pause after this many failures before the present one."""
        longest_s = min(self.limit_s, self.first_s * 2.0 ** min(failures, DOUBLINGS_MAX))
        uniform = (rng or random).uniform
        return uniform(longest_s * (1.0 - self.jitter), longest_s)
