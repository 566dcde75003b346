"""``skewmon parse``: the status in a time tool's text, and the lines that no rule knows."""

import json
import re
import sys
from dataclasses import fields, is_dataclass

import click

from skewmon.errors import ConfigError, Fault, echoed
from skewmon.text import harmless, harmless_json

#: A table of a thousand sources is 80 KiB; more is not the output of a time tool.
BYTES_MAX = 4 * 1024 * 1024

#: Fields of a status that only all tools of a node together can fill.
OF_SEVERAL_TOOLS = frozenset({"unparsed", "suspects", "failures", "daemons"})

#: Additions of a terminal to a text recorded or pasted from it: colors, doubled carriage returns, a byte
#: order mark.
TERMINAL = re.compile(r"\ufeff|\x1b\[[0-9;?]{0,20}[A-Za-z]|\r+(?=\n)")

#: The blank of web pages, which keeps their columns in line.
NO_BREAK_SPACE = "\u00a0"

#: Exit code if no rule knows some lines.
EXIT_UNPARSED = 1


def _tools() -> list[str]:
    from skewmon.timesync.parsers.registry import PARSERS

    return list(PARSERS)


class _Tool(click.ParamType[str]):
    """The name of a tool, checked when the command runs, so that --help loads nothing."""

    name = "tool"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name, or an error with the known names."""
        tools = _tools()
        if value not in tools:
            self.fail(
                f"there is no parser for {echoed(value)}; known tools are {', '.join(tools)}", param, ctx
            )
        return value


@click.command()
@click.argument("tool", type=_Tool(), metavar="TOOL")
@click.argument("file", required=False, metavar="[FILE]", type=click.Path(dir_okay=False, allow_dash=True))
def command(tool: str, file: str | None) -> int:
    """Turn the text of a time tool, from FILE or standard input, into JSON.

    \b
    Examples:
      ssh n3 ntpq -pn | skewmon parse ntpq
      skewmon parse chronyc-tracking tracking.txt

    Exits with 0 if every line was understood, else with 1; those lines are in the JSON and on standard error.
    """
    from skewmon.timesync.parsers.registry import PARSERS

    report = PARSERS[tool](_read(file), "", 0)
    shown = {
        "schema": 1,
        "tool": report.tool,
        "outcome": report.outcome.value,
        "lines": {"parsed": report.parsed, "noise": report.noise, "unparsed": len(report.unparsed)},
        "unparsed": list(report.unparsed),
        "suspects": list(report.suspects),
        "status": {
            _outside(field.name): _plain(getattr(report.status, field.name))
            for field in fields(report.status)
            if field.name not in OF_SEVERAL_TOOLS
        },
    }
    click.echo(harmless_json(json.dumps(shown, indent=2, ensure_ascii=False)))
    for line in report.unparsed:
        click.echo(f"skewmon: not understood: {harmless(line)}", err=True)
    return EXIT_UNPARSED if report.unparsed or report.outcome == "unparsed" else 0


def _read(file: str | None) -> str:
    """Return the text without a terminal's marks, and with undecodable bytes replaced."""
    from skewmon.runtime.files import read_bytes

    if file is not None and file != "-":
        data = read_bytes(file, BYTES_MAX)
    else:
        data = sys.stdin.buffer.read(BYTES_MAX + 1)
    if len(data) > BYTES_MAX:
        message = f"is longer than {BYTES_MAX} bytes; no time tool prints that much"
        raise ConfigError(Fault(message, source="standard input"))
    return TERMINAL.sub("", data.decode(errors="replace")).replace(NO_BREAK_SPACE, " ")


def _outside(name: str) -> str:
    """Spell a unit out, as every JSON of skewmon does: ``offset_s`` → ``offset_seconds``."""
    return f"{name.removesuffix('_s')}_seconds" if name.endswith("_s") else name


def _plain(value: object) -> object:
    """Turn a value into JSON's types: a dataclass into an object, a tuple into an array."""
    if is_dataclass(value):
        return {_outside(field.name): _plain(getattr(value, field.name)) for field in fields(value)}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
