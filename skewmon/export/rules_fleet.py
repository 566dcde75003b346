"""Recording rules that join several admin boxes: a pair that measures one fleet, and shards of one.

Each box proves the skew of the nodes that it measures. Nodes of two boxes have UTC in common: of two clocks,
one at least at ``lower`` and the other at most at ``upper``, the distance is at least the difference.
"""

from collections.abc import Iterable
from textwrap import indent

from skewmon.export.rule_parts import CLUSTER, NODE, SILENT_BOXES, Rule, over_boxes

#: The skew across boxes by UTC alone, for clusters of which no box measures every node.
JOINED_LOWER = "cluster_name:skewmon_skew_lower_seconds:joined"
JOINED_UPPER = "cluster_name:skewmon_skew_upper_seconds:joined"

#: The skew of the whole cluster: the largest that one box proves, or that UTC proves across boxes.
FLEET_LOWER = "cluster_name:skewmon_skew_lower_seconds:fleet"
FLEET_UPPER = "cluster_name:skewmon_skew_upper_seconds:fleet"

#: Nodes that the last record lists.
WORST_NODES = 10

_UTC_LOWER = "skewmon_node_utc_offset_lower_seconds"
_UTC_UPPER = "skewmon_node_utc_offset_upper_seconds"

#: Boxes that measure every node of a cluster by themselves.
_WHOLE = (
    "count without (node) (skewmon_node_success) >= on (cluster_name, instance, job) skewmon_cluster_nodes"
)


def fleet_records() -> Iterable[Rule]:
    """Yield the rules."""
    yield {
        "record": SILENT_BOXES,
        "expr": 'present_over_time(up{job="skewmon"}[1d])\n'
        'unless (up{job="skewmon"} == 1 and min_over_time(up{job="skewmon"}[5m]) == 1)',
    }
    lower, upper = _apart(_UTC_LOWER, _UTC_UPPER), _apart(_UTC_UPPER, _UTC_LOWER)
    yield {"record": JOINED_LOWER, "expr": lower}
    yield {"record": JOINED_UPPER, "expr": upper}
    yield {"record": FLEET_LOWER, "expr": _largest("skewmon_skew_lower_seconds", lower)}
    largest = _largest("skewmon_skew_upper_seconds", upper)
    # The most of some nodes is not the most of all.
    unknown = f"unless on ({CLUSTER}) ({_unjoined()})\nunless on ({CLUSTER}) ({unreported()})"
    yield {"record": FLEET_UPPER, "expr": f"{largest}\n{unknown}"}
    off = f"clamp_min({over_boxes(_UTC_LOWER)}, 0) + clamp_min({over_boxes(f'-{_UTC_UPPER}')}, 0)"
    yield {
        "record": "cluster_name_node:skewmon_node_utc_offset_proven_seconds:worst",
        "expr": f"topk without (node) ({WORST_NODES}, {off})",
    }


def unreported(matcher: str = "") -> str:
    """Return the number of a cluster's nodes that no admin box mentions now, if there are any.

    A box that is down mentions none: of a pair the other one does, and of shards no other box.
    """
    known = f"count without (node) ({over_boxes(f'skewmon_node_success{matcher}')})"
    return f"{over_boxes(f'skewmon_cluster_nodes{matcher}')} - {known} > 0"


def torn(matcher: str = "") -> str:
    """Return the clusters that UTC joined within a day, and whose measured nodes it does not all join now.

    So lost references end no alert on the skew between boxes. Boxes that UTC never joined prove only their
    own skew, and end what that began.
    """
    return f"{_unjoined(matcher)} and on ({CLUSTER}) present_over_time({JOINED_UPPER}{matcher}[1d])"


def _apart(high: str, low: str) -> str:
    """Return the largest distance by UTC, of clusters of which no box measures every node."""
    apart = f"max without (instance, node) ({high}) - min without (instance, node) ({low})"
    return f"({apart})\nunless on ({CLUSTER}) ({_WHOLE})"


def _largest(own: str, joined: str) -> str:
    """Return the largest of each box's own skew and the joined one.

    One expression sees each scrape as a whole. By the record of the joined skew, a scrape between the two
    evaluations would give the new skew of a box beside the old one of the others.
    """
    return over_boxes(f"\n  {own}\n  or\n  clamp_min(\n{indent(joined, '    ')},\n    0)\n")


def _unjoined(matcher: str = "") -> str:
    """Return the number of a cluster's measured nodes without UTC, if no box measures every node."""
    measured = f"{over_boxes(f'skewmon_node_success{matcher}')} == 1"
    without_utc = f"({measured}) unless on ({NODE}) {over_boxes(_UTC_UPPER + matcher)}"
    partly = f"skewmon_cluster_nodes{matcher} unless on ({CLUSTER}) ({_WHOLE})"
    return f"count without (node) ({without_utc}) and on ({CLUSTER}) ({partly})"
