"""Time servers that skewmon queries itself, and what they agree on: UTC."""

from dataclasses import dataclass
from enum import StrEnum

from skewmon.model.interval import Interval


class UtcState(StrEnum):
    """Whether UTC is known, from the servers' agreement."""

    CONFIRMED = "confirmed"  # a majority of at least three independent references agree
    UNCONFIRMED = "unconfirmed"  # shown, and decides nothing
    AMBIGUOUS = "ambiguous"  # the references apply a leap second at different times
    NONE = "none"  # no reference is configured, or none has answered


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """One reference after a round.

    ``offset`` is the reference's clock minus UTC as the references agree on it, with its own claim of error;
    None if it is not a reference now, and then ``reason`` says why. ``upstream`` is the source that its vote
    counts for.
    """

    name: str
    offset: Interval | None = None
    success: bool = False
    stratum: int | None = None
    falseticker: bool = False
    reason: str = ""
    upstream: str = ""


@dataclass(frozen=True, slots=True)
class Utc:
    """UTC as the references give it at the common instant of a round.

    ``offset`` is UTC minus the base. ``reason`` is why it is not confirmed, in words; empty if it is.
    """

    state: UtcState = UtcState.NONE
    offset: Interval | None = None
    reason: str = ""
    references: tuple[ReferenceView, ...] = ()


NO_UTC = Utc()
