"""Texts of alerts: bounds, evidence and commands."""

from skewmon.model import ClusterView, Failed, Finding, NodeView, Skew, Threshold, commands
from skewmon.text import at_least, at_most, exact

#: Findings that a description quotes at most; the page and the JSON have the rest.
FINDINGS_QUOTED = 2


def bounds(least_ns: int, most_ns: int, line: Threshold) -> str:
    """Return the bounds of a quantity and the line that it passed."""
    return f"at least {at_least(least_ns)} and at most {at_most(most_ns)} (line: {exact(line.limit_ns)})"


def skew_bounds(skew: Skew, line: Threshold) -> str:
    """Return the bounds of a skew and the line that it passed."""
    return bounds(skew.lower_ns, skew.upper_ns, line)


def direction(node: NodeView) -> str:
    """Return the side of the reference on which a node is proven to be, as the end of a sentence."""
    if node.offset is None or node.offset.proven_ns == 0:
        return ""
    return ", ahead" if node.offset.lower_ns > 0 else ", behind"


def sentence(text: str) -> str:
    """Return the text as a sentence to append to another; nothing if it is empty."""
    text = text.strip()
    return f" {text}" + ("" if text.endswith((".", ":", "?")) else ".") if text else ""


def quoted(findings: tuple[Finding, ...]) -> str:
    """Return the messages of the first findings that are more than information."""
    return "".join(sentence(finding.message) for finding in _grave(findings)[:FINDINGS_QUOTED])


def reasons(view: ClusterView) -> str:
    """Return the different reasons for which nodes were not measured."""
    found = sorted({node.outcome.reason.value for node in view.nodes if isinstance(node.outcome, Failed)})
    return f" Reasons: {', '.join(found)}." if found else ""


def next_command(view: ClusterView, node: NodeView) -> str:
    """Return the first command that a finding advises, or else the one that prints the node's transcript."""
    advised = (finding.next for finding in _grave(node.findings) if finding.next)
    return next(advised, None) or probe_command(view, node)


def probe_command(view: ClusterView, node: NodeView) -> str:
    """Return the command that prints a node's transcript, with the connection settings of the round."""
    return commands.probe(view.cluster, node.name)


def check_command(view: ClusterView) -> str:
    """Return the command that measures the cluster once."""
    return commands.check(view.cluster)


def _grave(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.severity != "info"]
