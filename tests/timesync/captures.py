"""Outputs of real tools and their expected reports under tests/captures.

``NAME.txt`` is the standard output; ``NAME.json`` holds the tool, its standard error and exit status if
there were any, and the expected report. ``python -m tests.timesync.captures`` rewrites the reports: read the
difference before it is committed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolReport

DIRECTORY = Path(__file__).resolve().parents[1] / "captures"


@dataclass(frozen=True)
class Capture:
    """One output and its expected report."""

    name: str
    tool: str
    stdout: str
    stderr: str
    exit_status: int
    expected: dict[str, Any] | None

    def parse(self) -> ToolReport:
        """Return the report of the parser."""
        return PARSERS[self.tool](self.stdout, self.stderr, self.exit_status)


def read(path: Path) -> Capture:
    """Read one capture by the path of its JSON."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return Capture(
        path.stem,
        stored["tool"],
        path.with_suffix(".txt").read_text(encoding="utf-8"),
        stored.get("stderr", ""),
        stored.get("exit_status", 0),
        stored.get("expected"),
    )


def named(name: str) -> ToolReport:
    """Return the report of the capture of this name."""
    return read(DIRECTORY / f"{name}.json").parse()


def captures() -> Iterator[Capture]:
    """Yield every capture, in order of name."""
    return (read(path) for path in sorted(DIRECTORY.glob("*.json")))


def described(report: ToolReport) -> dict[str, Any]:
    """Return a report as in the JSON, without values that were not printed."""
    return {
        "outcome": report.outcome.value,
        "parsed": report.parsed,
        "noise": report.noise,
        "unparsed": list(report.unparsed),
        "suspects": list(report.suspects),
        "status": _said(report.status),
    }


def _said(value: Any) -> Any:
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _said(one) for name, one in pairs if one not in (None, ()) and name != "unparsed"}
    return [_said(one) for one in value] if isinstance(value, tuple) else value


def record() -> None:
    """Rewrite every expected report."""
    for capture in list(captures()):
        stored = {"tool": capture.tool}
        if capture.stderr:
            stored["stderr"] = capture.stderr
        if capture.exit_status:
            stored["exit_status"] = capture.exit_status
        stored["expected"] = described(capture.parse())
        text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
        (DIRECTORY / f"{capture.name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
