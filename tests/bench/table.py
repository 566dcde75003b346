"""Rows of figures, and the page of the documentation that shows them."""

import os
import platform
import subprocess
import textwrap
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"
BEGIN, END = "<!-- make bench: begin -->", "<!-- make bench: end -->"

PACKAGES = ("skewmon", "asyncssh", "parallel-ssh")

#: The width of lines in the documentation.
WIDTH = 120


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: name, result, promise and goal."""

    figure: str
    measured: str
    promised: str = ""
    aim: str = ""


def rendered(title: str, rows: list[Row]) -> str:
    """Return rows as a Markdown table that also reads well as plain text."""
    cells = [("figure", "measured", "promised", "aim")]
    cells += [(row.figure, row.measured, row.promised, row.aim) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"### {title}", "", lines[0], rule, *lines[1:], ""])


def machine() -> str:
    """Return the machine of the measurement, in one sentence of several lines."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    sshd = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.partition(",")[0]
    software = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    sentence = (
        f"Measured on {os.cpu_count()} × {cpu}, which ran the client and every server, Linux "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}, "
        f"{sshd.replace('_', ' ')}, {software}."
    )
    return textwrap.fill(sentence, WIDTH, break_on_hyphens=False)


def write(body: str, page: Path = PAGE) -> None:
    """Put the tables into a page, between its markers; the rest of the page stays."""
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}", encoding="utf-8")


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="ascii", errors="replace").splitlines()
