"""The result of one parser: an outcome, a partial status, and an account of every line."""

import re
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import dataclass, field, replace

from skewmon.model import SyncStatus
from skewmon.timesync.parsers.messages import ToolOutcome, is_chatter, outcome_named_by
from skewmon.timesync.parsers.sanity import contradiction, suspects_of

__all__ = ["KILLED", "LineTally", "Parser", "ToolOutcome", "ToolReport"]

#: Exit statuses of a tool that was ended at its time limit: of timeout(1), and of a plain SIGKILL.
KILLED = (124, 137)

#: Suspect of a list of sources that may lack some.
SOURCES_MISSING = "offset and source follow from the sources that were understood"

#: A line with a label, as most tools print their values.
_LABELLED = re.compile(r"\s*([A-Za-z][A-Za-z -]{0,40}?)\s*(?:\([A-Z]+\)\s*)?:(?: |$)")

#: Exit status of a shell that did not find the command.
NO_SUCH_COMMAND = 127


@dataclass(frozen=True, slots=True)
class ToolReport:
    """The parsed text of one tool.

    ``status`` holds only values that this tool printed; None is "not printed". Every line of the text and of
    the standard error is counted once: ``parsed + noise + len(unparsed)`` is the number of lines.
    """

    tool: str
    outcome: ToolOutcome
    status: SyncStatus
    parsed: int = 0
    noise: int = 0
    unparsed: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Number of lines that the tool printed."""
        return self.parsed + self.noise + len(self.unparsed)


Parser = Callable[[str, str, int], ToolReport]


@dataclass(slots=True)
class LineTally:
    """Counts each line of an output exactly once while a parser reads it."""

    tool: str
    parsed: int = 0
    noise: int = 0
    unparsed: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    failure: ToolOutcome | None = None
    _keys: set[str] = field(default_factory=set)
    _latest: str | None = None
    _in_second: bool = False

    def understood(self, count: int = 1) -> None:
        """Count lines that contributed a value."""
        self.parsed += count

    def ignored(self, count: int = 1) -> None:
        """Count lines without information: blanks, headers, rules, banners."""
        self.noise += count

    def other(self, line: str) -> None:
        """Count a line without a value: a blank, chatter, a known error message, or not understood."""
        if not line.strip() or is_chatter(line):
            self.noise += 1
            return
        outcome = outcome_named_by(line)
        if outcome is None:
            self.unparsed.append(line)
            return
        self.parsed += 1
        self.failure = self.failure or outcome

    def others(self, lines: Iterable[str]) -> None:
        """Count several such lines."""
        for line in lines:
            self.other(line)

    def is_foreign(self, labels: Container[str]) -> bool:
        """Return whether most labels of the text are not among a tool's: the text is another tool's."""
        found = filter(None, map(_LABELLED.match, self.unparsed))
        return sum(label[1].lower() not in labels for label in found) > self.parsed

    def doubt(self, suspect: str) -> None:
        """Name a value that is kept although it may be wrong."""
        self.doubts.append(suspect)

    def doubt_sources(self, sources: Collection[object], *, is_complete: bool) -> None:
        """Name values that follow from all sources together, if a source may be missing."""
        if sources and (self.unparsed or not is_complete):
            self.doubt(SOURCES_MISSING)

    def in_second(self, key: str, line: str) -> bool:
        """Return whether a keyed line belongs to a second output, which must not overwrite the first.

        A key that occurs again begins the second output, except in a line printed twice in a row.
        """
        if not self._in_second:
            self._in_second = key in self._keys and line != self._latest
            self._keys.add(key)
            self._latest = line
        return self._in_second

    def report(
        self,
        status: SyncStatus,
        *,
        found: bool,
        exit_status: int = 0,
        empty: ToolOutcome = ToolOutcome.UNPARSED,
    ) -> ToolReport:
        """Return the report; ``found``: the status holds a value; ``empty``: the outcome if it does not."""
        contradicted = contradiction(status)
        if contradicted is not None:
            self.doubt(contradicted)
            status = replace(status, synchronized=False)
        return ToolReport(
            tool=self.tool,
            outcome=self._outcome(found=found, exit_status=exit_status, empty=empty),
            status=replace(status, unparsed=tuple(self.unparsed)),
            parsed=self.parsed,
            noise=self.noise,
            unparsed=tuple(self.unparsed),
            suspects=(*suspects_of(status), *self.doubts),
        )

    def _outcome(self, *, found: bool, exit_status: int, empty: ToolOutcome) -> ToolOutcome:
        if exit_status in KILLED:
            return ToolOutcome.TIMED_OUT
        if found:
            return ToolOutcome.PARSED
        if self.failure is not None:
            return self.failure
        if exit_status == NO_SUCH_COMMAND:
            return ToolOutcome.NOT_INSTALLED
        return ToolOutcome.UNPARSED if self.unparsed else empty
