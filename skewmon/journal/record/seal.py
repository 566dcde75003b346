"""Seals: a hash over the rows of an hour and the seal before it, so that no row changes unnoticed.

The chain has one link for each sealed hour. A link is kept for ever (some 250 bytes); its rows are removed
when they are too old, and the link says from which hours on rows are kept, so that rows that are missing
without having been too old are noticed.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from skewmon.model.record import ClusterRow, Period

#: The seal before the first one.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One sealed hour: the digests of its minutes and of the hour itself, and the seal over all of it.

    ``minutes_from`` and ``hours_from`` are the first numbers of the chain whose minutes and hours are kept.
    """

    number: int
    start_s: int
    minutes_from: int
    hours_from: int
    minutes: str
    hour: str
    seal: str

    def expected(self, before: str) -> str:
        """Return the seal that follows from the rest and the seal before."""
        return digest(
            [[before, self.number, self.start_s, self.minutes_from, self.hours_from, self.minutes, self.hour]]
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """The result: what is wrong, how much was checked, and the newest seal."""

    faults: tuple[str, ...] = ()
    sealed: int = 0
    hours: int = 0
    minutes_of: int = 0  # the hours whose minutes were checked
    newest: ChainLink | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found to be changed or removed."""
        return not self.faults


def sealed(
    number: int, hour: Period, minutes: Iterable[Period], kept: tuple[int, int], before: str
) -> ChainLink:
    """Return the link of an hour; ``kept`` are the first numbers whose minutes and hours are kept."""
    link = ChainLink(number, hour.start_s, *kept, digest_of(minutes), digest_of([hour]), "")
    return ChainLink(number, hour.start_s, *kept, link.minutes, link.hour, link.expected(before))


def digest_of(periods: Iterable[Period]) -> str:
    """Return the hash over all rows of some periods, oldest first."""
    return digest(row for period in periods for row in canonical(period))


def canonical(period: Period) -> Iterable[list[object]]:
    """Yield every row of a period, with names, in one order that depends on nothing else."""
    for name, cluster in sorted(period.clusters.items()):
        yield [period.start_s, period.length_s, name, *_cluster(cluster)]
        for node_name, node in sorted(cluster.nodes.items()):
            yield [
                *(node_name, node.offset, node.utc, node.measured, node.missed, node.named),
                *(node.measured_ms, node.missed_ms, node.sources, sorted(node.lines.items())),
            ]


def _cluster(row: ClusterRow) -> list[object]:
    return [
        *(row.skew, row.rounds, row.verdict_ms, row.confirmed_ms, row.configs, row.judged, row.references),
        sorted(row.lines.items()),
    ]


def digest(rows: Iterable[list[object]]) -> str:
    """Return the SHA-256 over rows as JSON, one a line."""
    hashed = hashlib.sha256()
    for row in rows:
        hashed.update(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    return hashed.hexdigest()
