"""The order of clocks in which those that agree stand together."""

from collections.abc import Mapping
from itertools import groupby

from skewmon.export.document import ClusterStatus, NodeStatus, skew_thresholds
from skewmon.model import Interval

#: Clocks of a camp are ordered in steps of this part of the lowest line, and by name within one, so that
#: noise does not reorder them every round.
_STEPS_A_LINE = 4

#: The line of a cluster without a skew line: half a second splits no healthy cluster.
_NO_LINE_NS = 500_000_000

Measurement = tuple[NodeStatus, Interval]


def camps(one: ClusterStatus, offsets: Mapping[str, Interval]) -> list[list[Measurement]]:
    """Return the measured nodes from behind to ahead, split at each gap proven wider than the line.

    ``offsets`` are those of the round: the difference of two is that of the pair, on the axis that they
    share. Within a camp, clocks with wide bounds come last: pairs that may be ambiguous are a block, too.
    """
    lines = skew_thresholds(one["thresholds"])
    limit_ns = next((line.limit_ns for line in lines if line.limit_ns > 0), _NO_LINE_NS)
    measured = [(node, offsets[node["name"]]) for node in one["nodes"] if node["name"] in offsets]
    found: list[list[Measurement]] = []
    reach_ns = 0
    for node, offset in sorted(measured, key=lambda each: each[1].lower_ns):
        if not found or offset.lower_ns - reach_ns > limit_ns:
            found.append([])
            reach_ns = offset.upper_ns
        found[-1].append((node, offset))
        reach_ns = max(reach_ns, offset.upper_ns)
    step_ns = max(1, limit_ns // _STEPS_A_LINE)

    def order(one: Measurement) -> tuple[bool, int, list[tuple[int, str]]]:
        node, offset = one
        return offset.width_ns > step_ns, round(offset.estimate_ns / step_ns), natural(node["name"])

    return [sorted(camp, key=order) for camp in found]


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which ``n9`` comes before ``n10``."""
    runs = ("".join(run) for _, run in groupby(name, key=lambda sign: sign.isascii() and sign.isdigit()))
    return [(int(run), "") if run.isascii() and run.isdigit() else (-1, run) for run in runs]
