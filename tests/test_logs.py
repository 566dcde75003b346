"""What is logged can be used by whoever reads the log."""

import pytest
import structlog

from skewmon import logs


@pytest.fixture(autouse=True)
def _defaults_afterwards():
    """Leave structlog as other tests expect it."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("style", ["console", "logfmt", "json"])
def test_a_bug_is_logged_with_its_traceback(style, capsys):
    """In every format, the line that asks for a report has what the report needs."""
    logs.configure("info", style)
    try:
        raise ZeroDivisionError("of the round")
    except ZeroDivisionError:
        structlog.get_logger().exception("a round failed")
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told
    assert "of the round" in told
    if style != "console":
        assert told.count("\n") == 1, "one event is one line"
