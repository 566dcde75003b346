"""The fuzz loop runs, and notices faults."""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from tests.fuzz import __main__ as fuzz
from tests.fuzz.mutate import accounted
from tests.fuzz.surround import wrong_value


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_a_moment_of_fuzzing_finds_nothing(target: str) -> None:
    """Every parser, with damaged and with valid outputs, and the status output."""
    assert fuzz.run(target, seconds=0.2, seed=1) > 5


def test_a_lost_line_is_noticed() -> None:
    """The account is compared with the text, not with itself."""
    report = PARSERS["ntpq"]("one line", "", 0)
    assert accounted(report, "one line", "") == ""
    assert accounted(report, "one line\nanother", "") == "1 lines accounted for, 2 given"


def test_a_crash_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """No exception is caught."""

    def broken(text: str, stderr: str, status: int) -> None:
        raise IndexError

    monkeypatch.setattr(fuzz, "PARSERS", {**PARSERS, "ntpq": broken})
    with pytest.raises(IndexError):
        fuzz.run("ntpq", seconds=1, seed=1)


def test_a_wrong_value_is_noticed() -> None:
    """Another stratum is a fault; the same one, none at all, and a suspect one are not."""
    original = PARSERS["chronyc-tracking"]("Stratum : 12\nLeap status : Normal\n", "", 0)
    other = PARSERS["chronyc-tracking"]("Stratum : 1\nLeap status : Normal\n", "", 0)
    less = PARSERS["chronyc-tracking"]("Leap status : Normal\n", "", 0)
    suspect = PARSERS["chronyc-tracking"]("Leap status : Normal\nStratum : 1", "", 0)
    assert wrong_value(original, other) == "stratum: ['1'], was ['12']"
    assert [wrong_value(original, one) for one in (original, less, suspect)] == ["", "", ""]
    assert wrong_value(original, less, is_lossless=True) == "not the same: ['stratum']"
