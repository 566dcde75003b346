"""What a person reads is short, and never more than was proven."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.alert import words
from skewmon.model import Finding
from tests.alert.views import node, view

UNITS_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (48_100, "48.1 us"),
        (-312_000_000, "-312 ms"),
        (70_020_000_000, "70.02 s"),
    ],
)
def test_a_span_wears_the_largest_unit_that_fits(value_ns: int, text: str) -> None:
    """No exponents, no long tails."""
    assert words.span(value_ns) == text


def _read(text: str) -> float:
    number, unit = text.split()
    return float(number) * UNITS_NS[unit]


@given(value_ns=st.integers(-(10**15), 10**15))
def test_bounds_are_rounded_outwards(value_ns: int) -> None:
    """At least never says more, at most never says less, and both stay within a thousandth."""
    least, most = _read(words.at_least(value_ns)), _read(words.at_most(value_ns))
    assert least <= value_ns + 1e-3
    assert most >= value_ns - 1e-3
    assert most - least <= max(1.0, abs(value_ns) / 499)


@pytest.mark.parametrize(
    ("text", "sentence"), [("", ""), ("  ", ""), ("It is so", " It is so."), ("It is so.", " It is so.")]
)
def test_a_sentence_ends_once(text: str, sentence: str) -> None:
    """Evidence of others may or may not have its full stop."""
    assert words.sentence(text) == sentence


ADVICE = Finding("stepped", "warning", "It jumped.", "ssh a journalctl")


def test_the_commands_of_an_alert_name_the_daemon_s_configuration() -> None:
    """Without it probe would log in as the reader's own ssh does, and check would read another file."""
    found = view(node("a"), node("b"))
    found = replace(found, cluster=replace(found.cluster, config_file="/srv/my clocks.yml"))
    assert (
        words.next_command(found, found.nodes[0]) == "skewmon probe --config.file '/srv/my clocks.yml' a -v"
    )
    assert words.check_command(found) == "skewmon check --config.file '/srv/my clocks.yml' --cluster prod"


def test_a_finding_knows_better_what_to_type() -> None:
    """The transcript is for nodes of which nothing is known."""
    found = view(node("a", findings=(ADVICE,)))
    assert words.next_command(found, found.nodes[0]) == "ssh a journalctl"


def test_a_name_that_a_shell_would_obey_is_quoted() -> None:
    """Names come from inventories of others, and commands are pasted."""
    found = view(node("a;reboot"))
    assert words.probe_command(found, found.nodes[0]) == "skewmon probe 'a;reboot' -v"
    found = view(node("--help"))
    assert words.probe_command(found, found.nodes[0]) == "skewmon probe -v -- --help"


def test_a_rate_reads_as_parts_per_million() -> None:
    """Operators know ppm, not nanoseconds a second."""
    assert words.rate(-12_500) == "-12.5 ppm"
