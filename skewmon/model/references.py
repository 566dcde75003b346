"""Time servers that skewmon queries itself, and what they agree on: UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from skewmon.model.interval import Interval


@dataclass(frozen=True, slots=True)
class TimeServer:
    """One NTP server to query for UTC, and how often; also ``from_vantages`` that stamp for nodes."""

    name: str
    address: str
    port: int = 123
    interval_s: float = 64.0
    from_vantages: bool = False


class UtcState(StrEnum):
    """Whether UTC is known, from the servers' agreement."""

    CONFIRMED = "confirmed"  # a majority of at least three independent references agree
    UNCONFIRMED = "unconfirmed"  # shown, and decides nothing
    AMBIGUOUS = "ambiguous"  # the references apply a leap second at different times
    NONE = "none"  # no reference is configured, or none can be used


class UtcReason(StrEnum):
    """Why UTC is not confirmed."""

    NO_ANSWER = "no-answer"  # no configured reference can be used now
    FEW_REFERENCES = "few-references"  # fewer than three that are independent of each other
    NO_MAJORITY = "no-majority"  # more than half would have to agree
    LEAP = "leap"


class ReferenceFault(StrEnum):
    """Why a reply was not used, or why a reference gives no time at present."""

    NAME_NOT_RESOLVED = "name-not-resolved"
    NO_ROUTE = "no-route"
    TOO_MANY_OPEN_FILES = "too-many-open-files"  # this process has no descriptor left for the request
    REFUSED = "refused"  # its machine says that no server listens there
    SILENCE = "silence"
    MALFORMED = "malformed"  # not a reply of NTP version 3 or 4
    SPOOFED = "spoofed"  # does not repeat the random timestamp of the request
    DUPLICATE = "duplicate"  # answers a request that was answered already
    KISS_DENY = "kiss-deny"
    KISS_RSTR = "kiss-rstr"
    KISS_RATE = "kiss-rate"
    KISS_OTHER = "kiss-other"
    UNSYNCHRONIZED = "unsynchronized"  # leap indicator 3: it does not know the time
    STRATUM_16 = "stratum-16"
    FREE_RUNNING = "free-running"  # below stratum 1, and follows its own oscillator alone
    ORPHAN = "orphan"  # the head of an orphan subnet: it lost its servers, and serves its own oscillator
    WRONG_ERA = "wrong-era"  # a time before this program was written
    TOO_FAR = "too-far"  # its own claim of error exceeds what NTP accepts at all
    CONTRADICTORY = "contradictory"  # its stamps are further apart than the round trip
    LEAP_SMEAR = "leap-smear"  # it spreads a leap second that others insert at once
    INTERNAL_ERROR = "internal-error"


@dataclass(frozen=True, slots=True)
class ReferenceView:
    """One reference after a round.

    ``offset`` is the reference's time minus UTC as the references agree on it, with its own claim of error;
    None if it is not a reference now, and then ``reason`` says why. ``upstream`` is the source that its vote
    counts for. ``rejected`` counts replies that were not used, since the start. ``early_leap`` says that it
    announces a leap second while none can be near.
    """

    name: str
    offset: Interval | None = None
    success: bool = False
    stratum: int | None = None
    falseticker: bool = False
    reason: str = ""
    upstream: str = ""
    address: str = ""
    round_trip_ns: int | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    early_leap: bool = False

    @property
    def agrees(self) -> bool:
        """Whether it is one of those that confirm UTC; for a while also by the reply before a lost one."""
        return self.offset is not None and not self.falseticker


@dataclass(frozen=True, slots=True)
class Utc:
    """UTC as the references give it at the common instant of a round.

    ``offset`` is UTC minus the base. ``reason`` is why it is not confirmed, a UtcReason; empty if it is.
    """

    state: UtcState = UtcState.NONE
    offset: Interval | None = None
    reason: str = ""
    references: tuple[ReferenceView, ...] = ()


NO_UTC = Utc()
