"""Columns of a peer table, by its header."""

from skewmon.timesync.parsers.ntpq_layout import Layout, of_header
from skewmon.timesync.parsers.registry import PARSERS

HEADER = "     remote           refid      st t when poll reach   delay   offset  jitter"
ROW = "*192.0.2.1       192.0.2.9        2 u   14   64  377    0.480    2.868   0.310"


def test_a_row_is_split_into_its_head_and_its_fields() -> None:
    """The left part keeps its columns."""
    head, fields = Layout().split(ROW) or ("", {})
    assert head == "*192.0.2.1       192.0.2.9"
    assert list(fields.values()) == ["2", "u", "14", "64", "377", "0.480", "2.868", "0.310"]


def test_a_row_of_too_few_fields_or_of_others_is_none() -> None:
    """Nothing is guessed."""
    assert Layout().split("2 u 14 64 377 0.480 2.868") is None
    assert Layout().split(ROW.replace("377", "399")) is None


def test_a_header_that_names_a_column_twice_is_none() -> None:
    """Two fields of one title are ambiguous; the rows are read as those of a table without a header."""
    twice = HEADER.replace("poll", "when")
    assert of_header(HEADER) is not None
    assert of_header(twice) is None
    report = PARSERS["ntpq"](f"{twice}\n{ROW}\n", "", 0)
    assert report.unparsed == (twice,)
    assert report.status.source == "192.0.2.1"
