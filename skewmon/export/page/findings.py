"""Findings with the command to type next; those that several nodes share are listed once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skewmon.export.document import ClusterStatus, FindingStatus, NodeStatus
from skewmon.export.encode import foreign
from skewmon.export.page.links import node_links
from skewmon.export.page.markup import Markup, join, tag

#: Findings that a row shows; the JSON has the rest.
FINDINGS_MAX = 6

#: A finding of more nodes than this is listed once for all of them instead of in each row.
SHARED_FROM = 3

#: Names listed before the rest is only counted; the filter and the node pages have all.
NAMES_MAX = 12

#: The worst first.
SEVERITIES = ("critical", "warning", "info")

#: The kind under which nodes that were not measured for one reason are grouped.
_UNMEASURED = "not-measured"


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """One kind of finding with the nodes that have it, and the first of them as an example."""

    finding: FindingStatus
    nodes: tuple[str, ...]
    alike: bool  # but for the node's name

    @property
    def key(self) -> tuple[str, str]:
        """The kind and severity that its findings share."""
        return self.finding["kind"], self.finding["severity"]


def groups(nodes: Iterable[NodeStatus]) -> list[FindingGroup]:
    """Return the findings of nodes by kind and severity, the worst and most frequent first."""
    found: dict[tuple[str, str], list[tuple[NodeStatus, FindingStatus]]] = {}
    for node in nodes:
        for finding in node["findings"]:
            found.setdefault((finding["kind"], finding["severity"]), []).append((node, finding))
        if node["reason"]:
            failure = _failure(node)
            found.setdefault((failure["kind"], failure["severity"]), []).append((node, failure))
    made = [_group(members) for members in found.values()]
    return sorted(made, key=lambda one: (_rank(one.finding["severity"]), -len(one.nodes), one.key))


def shared(nodes: Iterable[NodeStatus]) -> list[FindingGroup]:
    """Return the groups that are listed once instead of in each row."""
    return [group for group in groups(nodes) if len(group.nodes) > SHARED_FROM]


def finding_list(findings: Iterable[FindingStatus], most: int = FINDINGS_MAX) -> Markup | None:
    """Return findings with the command to type next."""
    items = [tag("li", *_finding(finding)) for finding in tuple(findings)[:most]]
    return tag("ul", *items, class_="findings") if items else None


def group_list(found: Sequence[FindingGroup]) -> Markup | None:
    """Return groups of findings with the names of their nodes."""
    return tag("ul", *map(_grouped, found), class_="findings grouped") if found else None


def worst_severity(node: NodeStatus) -> str | None:
    """Return the highest severity of a node's findings."""
    found = {finding["severity"] for finding in node["findings"]}
    return next((severity for severity in SEVERITIES if severity in found), None)


def unmeasured_alike(one: ClusterStatus) -> frozenset[str]:
    """Return the nodes whose failure is listed once for all of them."""
    failed = [group for group in shared(one["nodes"]) if group.finding["kind"].startswith(_UNMEASURED)]
    return frozenset(name for group in failed for name in group.nodes)


def _failure(node: NodeStatus) -> FindingStatus:
    reason = (node["reason"] or "").replace("-", " ")
    return {
        "kind": f"{_UNMEASURED}: {reason}",
        "severity": "unknown",
        "message": node["detail"] or "",
        "next": None,
    }


def _group(members: list[tuple[NodeStatus, FindingStatus]]) -> FindingGroup:
    messages = {_anonymous(node, finding["message"]) for node, finding in members}
    names = tuple(dict.fromkeys(node["name"] for node, _ in members))
    return FindingGroup(members[0][1], names, alike=len(messages) == 1)


def _anonymous(node: NodeStatus, message: str) -> str:
    return message.replace(node["address"], "…").replace(node["name"], "…")


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else 1  # an unmeasured node is a warning


def _grouped(group: FindingGroup) -> Markup:
    kind, severity = group.key
    count = f"{len(group.nodes):,} nodes"
    example = None if group.alike else tag("span", "For example: ", class_="minor")
    return tag(
        "li",
        tag("span", kind, class_=f"badge {severity}"),
        " ",
        tag("strong", count),
        ": ",
        node_links(group.nodes, NAMES_MAX),
        tag("p", example, foreign(group.finding["message"])),
        _command(group.finding["next"]),
    )


def _finding(finding: FindingStatus) -> tuple[Markup | str | None, ...]:
    kind = tag("span", finding["kind"], class_=f"badge {finding['severity']}")
    return kind, " ", foreign(finding["message"]), _command(finding["next"])


def _command(command: str | None) -> Markup | None:
    if not command:
        return None
    text = foreign(command)
    copy = tag("button", "Copy", type="button", class_="copy", hidden=True, aria_label=f"Copy: {text}")
    return tag("span", tag("code", text), copy, class_="command")


def finding_marks(findings: Iterable[FindingStatus]) -> Markup | None:
    """Return the kinds of findings without their text."""
    kinds = [tag("span", finding["kind"], class_=f"badge {finding['severity']}") for finding in findings]
    return tag("p", *(join((kind, " ")) for kind in kinds[:FINDINGS_MAX])) if kinds else None
