"""Since when a clock is wrong: from the culprits in the journal, or from the record."""

from datetime import UTC, datetime

from skewmon.export.document import ClusterStatus, elapsed_s, interval, skew_thresholds
from skewmon.export.page.past import JournalDay, listed
from skewmon.export.page.recent import STEP_S, Recent
from skewmon.model import EventKind
from skewmon.text import coarse


def wrong_since(journal: JournalDay, one: ClusterStatus) -> dict[str, str]:
    """Return for each culprit of a cluster since when it was named without a break, in words."""
    now = one["round"]["at"]
    begun = _begun(journal, one["name"])
    longer = _longer(journal)
    return {name: _words(begun[name], now) if name in begun else longer for name in one["culprits"]}


def beyond_since(recent: Recent, one: ClusterStatus) -> dict[str, str]:
    """Return for each node that is proven beyond a line since when it is, in words, if the record has it."""
    lines = skew_thresholds(one["thresholds"])
    if not lines or not recent.steps:
        return {}
    limit_ns = lines[0].limit_ns
    beyond = (
        node["name"]
        for node in one["nodes"]
        if node["offset"] and interval(node["offset"]).proven_ns > limit_ns
    )
    return {name: _beyond_words(recent, name, limit_ns) for name in beyond}


def _beyond_words(recent: Recent, name: str, limit_ns: int) -> str:
    """Return when the last steps in a row that passed the line began; steps without a round do not count."""
    begin_s, or_earlier = None, " or earlier"
    for number, step in reversed(list(enumerate(recent.of(name)))):
        if step is None or step.offset is None:
            continue
        if step.offset.proven_ns <= limit_ns:
            or_earlier = ""
            break
        begin_s = recent.begin_s + number * STEP_S
    if begin_s is None:
        return ""
    return f"beyond a line since {datetime.fromtimestamp(begin_s, UTC):%H:%M} UTC{or_earlier}"


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
