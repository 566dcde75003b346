"""Since when a clock is wrong, from the culprits in the journal."""

from skewmon.export.document import ClusterStatus, elapsed_s
from skewmon.export.page.past import JournalDay, listed
from skewmon.model import EventKind
from skewmon.text import coarse


def wrong_since(journal: JournalDay, one: ClusterStatus) -> dict[str, str]:
    """Return for each culprit of a cluster since when it was named without a break, in words."""
    now = one["round"]["at"]
    begun = _begun(journal, one["name"])
    longer = _longer(journal)
    return {name: _words(begun[name], now) if name in begun else longer for name in one["culprits"]}


def _begun(journal: JournalDay, cluster: str) -> dict[str, str]:
    begun: dict[str, str] = {}
    for event in reversed(journal.events):
        if event["kind"] == EventKind.CULPRITS and event["cluster"] == cluster:
            begun = {name: begun.get(name, str(event["time"])) for name in listed(event, "culprits")}
    return begun


def _words(since: str, now: str) -> str:
    lasting = coarse(max(0.0, elapsed_s(since, now)))
    return f"wrong since {since[11:16]} UTC, for {lasting}"


def _longer(journal: JournalDay) -> str:
    readable = bool(journal.events) and not journal.trouble and not journal.is_cut
    return "wrong for more than a day" if readable else ""
