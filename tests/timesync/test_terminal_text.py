"""Outputs as terminals, editors, tools that run commands, and web pages pass them on."""

from collections.abc import Callable, Sequence

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from tests.fuzz.__main__ import fault
from tests.fuzz.surround import wrong_value
from tests.timesync.captures import Capture, captures

Change = Callable[[str], str]


def _each(change: Change) -> Change:
    return lambda text: "".join(f"{change(line)}\n" for line in text.splitlines())


def _numbered(form: str) -> Change:
    """Return a change that puts a stamp before each line, with another fraction each time."""

    def change(text: str) -> str:
        return "".join(f"{form.format(123456 + at)}{line}\n" for at, line in enumerate(text.splitlines()))

    return change


#: Ways to pass an output on that change no value.
WAYS: dict[str, Change] = {
    "colors": _each(lambda line: f"\x1b[32m{line}\x1b[0m"),
    "erased to the end of the line": _each(lambda line: f"{line}\x1b[K"),
    "a title of the terminal": lambda text: f"\x1b]0;root@n1: ~\x07{text}",
    "hard blanks": lambda text: text.replace(" ", "\u00a0"),
    "a byte order mark": lambda text: f"\ufeff{text}",
    "blanks at the end": _each(lambda line: f"{line}   "),
    "double spaced": _each(lambda line: f"{line}\n"),
    "CR LF": lambda text: text.replace("\n", "\r\n"),
    "salt": lambda text: "n1:\n" + _each(lambda line: f"    {line}")(text),
    "terraform": _each(lambda line: f'module.a.null_resource.b["x"] (remote-exec): {line}'),
    "puppet": _each(lambda line: f"Notice: /Stage[main]/Ntp/Exec[ntpq]/returns: {line}"),
    "stern": _each(lambda line: f"ntp-7f9c-abc12 ntp {line}"),
    "GitLab": _numbered("2026-01-10T05:39:29.{}Z 01O "),
    "journalctl -o short-unix": _numbered("1768019969.{} n1 check[940]: "),
    "RFC 5424": _numbered("<30>1 2026-01-10T05:39:29.{}Z n1 check 940 - - "),
}


def _check(way: str, tried: Sequence[Capture]) -> None:
    for capture in tried:
        text, original = WAYS[way](capture.stdout), capture.parse()
        assert not fault(capture.tool, text, capture.stderr, capture.exit_status), capture.name
        report = PARSERS[capture.tool](text, capture.stderr, capture.exit_status)
        assert not wrong_value(original, report, is_lossless=True), capture.name


@pytest.mark.parametrize("way", WAYS)
def test_no_value_is_lost_or_changed(way: str) -> None:
    """Of every eighth capture, others for each way."""
    _check(way, list(captures())[list(WAYS).index(way) % 8 :: 8])


@pytest.mark.prove
@pytest.mark.parametrize("way", WAYS)
def test_no_value_of_any_capture_is_lost_or_changed(way: str) -> None:
    """Of any tool."""
    _check(way, list(captures()))


@pytest.mark.parametrize(
    "around",
    [
        "n1 | FAILED | rc=1 >>\n{}non-zero return code\n",
        "[1] 05:39:29 [SUCCESS] n1\n{}",
        "---------------\nn[1-3] (3)\n---------------\n{}",
        "```console\n{}```\n",
        "<pre>\n{}</pre>\n",
        'Script started on 2026-01-10 05:39:29+01:00 [TERM="xterm"]\n{}\nScript done on 2026-01-10 05:40\n',
        "+ ntpq -pn\n{}",
        "Every 2.0s: chronyc tracking          n1: Sat Jan 10 05:39:29 2026\n\n{}",
        "{}\nreal\t0m0.012s\nuser\t0m0.003s\nsys\t0m0.004s\n",
    ],
)
def test_lines_around_an_output_are_noise(around: str) -> None:
    """Of ansible, pssh, clush, issues, script, a shell that traces, watch and time."""
    for capture in list(captures())[::8]:
        text = around.format("".join(f"{line}\n" for line in capture.stdout.splitlines()))
        report = PARSERS[capture.tool](text, capture.stderr, capture.exit_status)
        assert report.unparsed == capture.parse().unparsed, capture.name
