"""The fuzz loop itself: it runs, and it would notice."""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from tests.fuzz import __main__ as fuzz
from tests.fuzz.mutate import accounted


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(target: str) -> None:
    """Every parser has its turn, and so has the sheet."""
    assert fuzz.run(target, seconds=0.2, seed=1) > 5


def test_a_lost_line_is_noticed() -> None:
    """The account is compared with the text, not with itself."""
    report = PARSERS["ntpq"]("one line", "", 0)
    assert accounted(report, "one line", "") == ""
    assert accounted(report, "one line\nanother", "") == "1 lines accounted for, 2 given"


def test_a_crash_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is caught on the way."""

    def broken(text: str, stderr: str, status: int) -> None:
        raise IndexError

    monkeypatch.setattr(fuzz, "PARSERS", {**PARSERS, "ntpq": broken})
    with pytest.raises(IndexError):
        fuzz.run("ntpq", seconds=1, seed=1)
