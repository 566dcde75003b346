"""The peers of a node, as a table."""

from collections.abc import Mapping

from skewmon.alert.thresholds import judge
from skewmon.export.page.links import UP, node_link
from skewmon.export.page.markup import Markup, join, tag
from skewmon.model import Interval, Threshold
from skewmon.text import offset

#: Peers that are provably furthest away; the API has all.
PAIRS_MAX = 12


def peers_table(name: str, offsets: Mapping[str, Interval], lines: tuple[Threshold, ...]) -> Markup:
    """Return the peers that this clock is provably furthest from, as the API lists them."""
    if name not in offsets:
        return tag("p", "The node was not measured.", class_="minor")
    own = offsets[name]
    peers = [(peer, own - clock) for peer, clock in offsets.items() if peer != name]
    if not peers:
        return tag("p", "No other node was measured.", class_="minor")
    worst = sorted(peers, key=lambda pair: (-pair[1].proven_ns, -abs(pair[1].estimate_ns), pair[0]))[
        :PAIRS_MAX
    ]
    rows = (_pair(peer, apart, lines) for peer, apart in worst)
    head = tag(
        "tr", *(tag("th", name, scope="col") for name in ("Peer", "This node minus the peer", "State"))
    )
    table = tag(
        "table",
        tag("caption", "Pairs, provably furthest apart first", class_="hidden"),
        tag("thead", head),
        tag("tbody", *rows),
        class_="plain pair-table",
    )
    more = len(peers) - len(worst)
    rest = tag("p", f"{more:,} more are nearer.", class_="minor") if more else None
    return join((tag("div", table, class_="table"), rest))


def _pair(name: str, apart: Interval, lines: tuple[Threshold, ...]) -> Markup:
    state = judge(apart, lines[0]).value if lines else "unknown"
    return tag(
        "tr",
        tag("td", node_link(name, UP)),
        tag("td", offset(apart.estimate_ns, apart.bound_ns), class_="value"),
        tag("td", tag("span", state, class_=f"badge {'critical' if state == 'breach' else state}")),
    )
