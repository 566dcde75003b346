"""A state directory belongs to one daemon."""

from pathlib import Path

from structlog.testing import capture_logs

from skewmon.daemon.lock import owned


def test_the_second_daemon_is_warned(tmp_path: Path) -> None:
    """It runs, and the log has advice."""
    with owned(str(tmp_path)) as first, capture_logs() as lines, owned(str(tmp_path)) as second:
        assert (first, second) == (True, False)
        assert [line["log_level"] for line in lines] == ["warning"]
        assert "of its own" in lines[0]["advice"]


def test_a_directory_that_was_left_is_free(tmp_path: Path) -> None:
    """The lock ends with the daemon."""
    with owned(str(tmp_path / "new")):
        pass
    with capture_logs() as lines, owned(str(tmp_path / "new")):
        assert lines == []


def test_a_directory_that_cannot_be_used_stops_nothing(tmp_path: Path) -> None:
    """The journal reports it; the daemon measures."""
    (tmp_path / "file").write_text("")
    with capture_logs() as lines, owned(str(tmp_path / "file")):
        assert lines == []
