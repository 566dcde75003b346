"""The worked examples of docs/measurement.md: ``python -m tests.culprit.examples`` prints them."""

from dataclasses import replace

from skewmon.clock.steps import Movement, MovementKind
from skewmon.culprit.against_utc import UtcLine
from skewmon.culprit.decide import decide, with_last_step
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.last_step import last_step
from skewmon.culprit.vote import Voters
from skewmon.model import NS_PER_S, Interval, Pair
from skewmon.text import exact as span
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.culprit.clocks import LIMIT_NS, SECOND, cluster, node

US = 1_000

RIGHT, OTHER = "192.0.2.1", "192.0.2.2"

#: Seconds ahead, the bound and the server of each clock.
EXAMPLES: dict[str, list[NodeEvidence]] = {
    "Five nodes, and one jumped": [
        node("n1", -0.000_012, RIGHT, bound_ns=40 * US),
        node("n2", 0.000_031, RIGHT, bound_ns=35 * US),
        node("n3", 70, OTHER, bound_ns=52 * US),
        node("n4", 0.004, RIGHT, bound_ns=60 * US),
        node("n5", -0.01, RIGHT, bound_ns=26_000 * US),
    ],
    "Three against two on two servers": [
        *(node(f"n{k}", 0, RIGHT, bound_ns=40 * US) for k in (1, 2)),
        *(node(f"n{k}", 5, OTHER, bound_ns=40 * US) for k in (3, 4, 5)),
    ],
    "Two nodes alone": [
        node("n1", 0, RIGHT, bound_ns=40 * US),
        node("n2", 70, OTHER, bound_ns=40 * US),
    ],
}

#: n2 of the last example jumped, before this instant of the base, by its distance from n1.
JUMP = Movement(MovementKind.STEP, 0, 20 * NS_PER_S, Interval.around(70 * SECOND, US))
#: UTC on the axis of the offsets, in the example with references.
UTC = Interval.around(0, 2_000_000)

BASE_WALL_NS = 1_790_000_000 * NS_PER_S


def lines_of(nodes: list[NodeEvidence]) -> list[str]:
    """Return each clock with the number of others that are proven beyond the line from it."""
    found = []
    for one in nodes:
        assert one.offset is not None
        assert one.status is not None
        against = Voters((other.offset for other in nodes if other.offset), LIMIT_NS).against(one.offset)
        ahead = f"{'-' if one.offset.estimate_ns < 0 else '+'}{span(abs(one.offset.estimate_ns))}"
        found.append(
            f"{one.name:<13} {ahead:>8} ± {span(one.offset.bound_ns):<6}  follows {one.status.source}  "
            f"apart from {against} of {len(nodes) - 1} others"
        )
    return found


def verdict_of(nodes: list[NodeEvidence], *, jumped: bool = False, utc: UtcLine | None = None) -> list[str]:
    """Return the verdict and its evidence, as ``check`` and the page have them."""
    by_name = cluster(*(one for one in nodes if one.name != ADMIN_BOX))
    admin = next((one for one in nodes if one.name == ADMIN_BOX), None)
    found = decide(by_name, LIMIT_NS, admin=admin, utc=utc)
    if jumped:
        one, other = (by_name[name].offset for name in ("n2", "n1"))
        assert one is not None
        assert other is not None
        step = last_step(Pair("n2", "n1", one - other), LIMIT_NS, {"n2": [JUMP]})
        found = with_last_step(found, step, BASE_WALL_NS, LIMIT_NS)
    return [f"{found.verdict}: {', '.join(found.culprits) or 'no node'}", found.evidence]


def blocks() -> list[tuple[str, list[str]]]:
    """Return the title and the lines of every example."""
    made = [
        (title, [*lines_of(nodes), *verdict_of(nodes, jumped=len(nodes) == 2)])
        for title, nodes in EXAMPLES.items()
    ]
    two = [*EXAMPLES["Two nodes alone"], node(ADMIN_BOX, -0.001, RIGHT, bound_ns=US)]
    by_utc = [
        replace(one, utc_offset=one.offset and one.offset - UTC)
        for one in EXAMPLES["Three against two on two servers"]
    ]
    return [
        *made,
        ("Two nodes, and an admin box that is synchronized", [*lines_of(two), *verdict_of(two)]),
        (
            "Three against two, and three references that confirm UTC to within 2 ms",
            [*lines_of(by_utc), *verdict_of(by_utc, utc=UtcLine(LIMIT_NS, 3))],
        ),
    ]


def main() -> None:
    """Print the examples as docs/measurement.md has them."""
    for title, lines in blocks():
        print(f"**{title}.**\n\n" + "\n".join(f"    {line}" for line in lines) + "\n")


if __name__ == "__main__":
    main()
