"""What one parser hands back: an outcome, a partial status, and an account of every line."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from skewmon.model import SyncStatus
from skewmon.timesync.parsers.complaints import ToolOutcome, complaint, is_chatter
from skewmon.timesync.parsers.sanity import suspects_of

__all__ = ["KILLED", "Ledger", "Parser", "ToolOutcome", "ToolReport"]

#: Exit statuses of a tool that was ended at its time limit: of timeout(1), and of a plain SIGKILL.
KILLED = (124, 137)

#: What a shell exits with where there is no such command.
NO_SUCH_COMMAND = 127


@dataclass(frozen=True, slots=True)
class ToolReport:
    """The text of one tool, understood.

    ``status`` holds only what this tool said; None is "not said". Every line of the text and of the standard
    error ends in exactly one of three places: ``parsed + noise + len(unparsed)`` is the number of lines.
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
        """How many lines the tool printed."""
        return self.parsed + self.noise + len(self.unparsed)


Parser = Callable[[str, str, int], ToolReport]


@dataclass(slots=True)
class Ledger:
    """The account that a parser keeps while it reads: each line is entered exactly once."""

    tool: str
    parsed: int = 0
    noise: int = 0
    unparsed: list[str] = field(default_factory=list)
    trouble: ToolOutcome | None = None

    def understood(self, count: int = 1) -> None:
        """Enter lines that contributed a fact."""
        self.parsed += count

    def ignored(self, count: int = 1) -> None:
        """Enter lines that are known to say nothing: blanks, headers, rules, banners."""
        self.noise += count

    def other(self, line: str) -> None:
        """Enter a line that is no fact: a blank, chatter, a shared complaint, or not understood."""
        if not line.strip() or is_chatter(line):
            self.noise += 1
            return
        trouble = complaint(line)
        if trouble is None:
            self.unparsed.append(line)
            return
        self.parsed += 1
        self.trouble = self.trouble or trouble

    def others(self, lines: Iterable[str]) -> None:
        """Enter several such lines."""
        for line in lines:
            self.other(line)

    def report(
        self,
        status: SyncStatus,
        *,
        found: bool,
        exit_status: int = 0,
        empty: ToolOutcome = ToolOutcome.UNPARSED,
    ) -> ToolReport:
        """Close the account; ``found``: the status holds a fact; ``empty``: what it means where not."""
        return ToolReport(
            tool=self.tool,
            outcome=self._outcome(found=found, exit_status=exit_status, empty=empty),
            status=replace(status, unparsed=tuple(self.unparsed)),
            parsed=self.parsed,
            noise=self.noise,
            unparsed=tuple(self.unparsed),
            suspects=suspects_of(status),
        )

    def _outcome(self, *, found: bool, exit_status: int, empty: ToolOutcome) -> ToolOutcome:
        if exit_status in KILLED:
            return ToolOutcome.TIMED_OUT
        if found:
            return ToolOutcome.PARSED
        if self.trouble is not None:
            return self.trouble
        if exit_status == NO_SUCH_COMMAND:
            return ToolOutcome.NOT_INSTALLED
        return ToolOutcome.UNPARSED if self.unparsed else empty
