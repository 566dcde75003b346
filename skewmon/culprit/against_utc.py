"""The first row of the decision: clocks that confirmed UTC proves wrong, and clocks that it proves right."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.model import Utc, UtcState
from skewmon.text import at_least, exact, names
from skewmon.timesync.findings.evidence import NodeEvidence


@dataclass(frozen=True, slots=True)
class UtcLine:
    """The line that clocks must keep to confirmed UTC, and how many independent references agree on UTC."""

    limit_ns: int
    references: int

    @property
    def witnesses(self) -> str:
        """The references, in words."""
        return f"{self.references} independent references"


def utc_line(utc: Utc, limit_ns: int | None) -> UtcLine | None:
    """Return the line against UTC; None if there is none, or if UTC is not confirmed and decides nothing."""
    if limit_ns is None or utc.state is not UtcState.CONFIRMED:
        return None
    agreeing = (one for one in utc.references if one.agrees)
    return UtcLine(limit_ns, len({one.upstream or one.name for one in agreeing}))


@dataclass(frozen=True, slots=True)
class AgainstUtc:
    """The names that are proven beyond the line from UTC, and those that are proven within it."""

    wrong: tuple[str, ...] = ()
    right: frozenset[str] = frozenset()


def against_utc(clocks: Mapping[str, NodeEvidence], line: UtcLine | None) -> AgainstUtc:
    """Compare each clock with UTC; a clock whose interval contains the line is neither wrong nor right."""
    if line is None:
        return AgainstUtc()
    known = {name: one.utc_offset for name, one in clocks.items() if one.utc_offset is not None}
    return AgainstUtc(
        tuple(name for name, offset in known.items() if offset.proven_ns > line.limit_ns),
        frozenset(name for name, offset in known.items() if offset.furthest_ns <= line.limit_ns),
    )


def evidence(wrong: Mapping[str, NodeEvidence], line: UtcLine) -> str:
    """Return the sentence for nodes that are named by UTC."""
    if len(wrong) > 1:
        far = f"{names(tuple(wrong))} are provably more than {exact(line.limit_ns)} from UTC"
        return f"{far}, by {line.witnesses} that agree."
    ((name, node),) = wrong.items()
    assert node.utc_offset is not None, name
    side = "ahead of" if node.utc_offset.lower_ns > 0 else "behind"
    far = f"{name} is provably at least {at_least(node.utc_offset.proven_ns)} {side} UTC"
    return f"{far}, by {line.witnesses} that agree."


def protected(spared: tuple[str, ...], line: UtcLine) -> str:
    """Return the sentence for outliers of the vote that UTC proves right; nothing without any."""
    if not spared:
        return ""
    are = "is" if len(spared) == 1 else "are"
    return f"{names(spared)} {are} proven to be within {exact(line.limit_ns)} of UTC, so {are} not named."
