"""The memory of a report does not grow with its span: one hour of the record is in memory at a time."""

from pathlib import Path

import pytest

from tests.journal import year

#: Hours of a year.
YEAR_H = 8_766


def test_sixteen_times_the_hours_take_no_more_memory(tmp_path: Path) -> None:
    """What is kept of a node are sums, excesses of lines, and bands of a picture."""
    year.write(tmp_path, 30, 1_600)
    short_mb, _ = year.report_peak_mb(tmp_path, 100, "html")
    long_mb, _ = year.report_peak_mb(tmp_path, 1_600, "html")
    assert long_mb < 1.2 * short_mb


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_a_year_of_a_thousand_nodes(tmp_path: Path) -> None:
    """Prints the peak memory of each form of the report."""
    year.write(tmp_path, 1_000, YEAR_H)
    for form in ("html", "json", "csv"):
        peak_mb, size_mb = year.report_peak_mb(tmp_path, YEAR_H, form)
        print(f"{form} of a year of 1,000 nodes: {peak_mb:.0f} MB of memory, {size_mb:.1f} MB of output")
        assert peak_mb < 500
