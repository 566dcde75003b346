"""One line for a transition, in the form that its reader wants."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from skewmon import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave no configuration behind for other tests."""
    yield
    structlog.reset_defaults()


def test_logfmt_is_one_line_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    """Even where a value has a line break of its own."""
    logs.configure("info", "logfmt")
    structlog.get_logger().warning("not measured", node="n1", detail="one\ntwo")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert 'level=warning event="not measured" ' in lines[0]
    assert "node=n1" in lines[0]
    assert lines[0].startswith("timestamp=")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the time in UTC."""
    logs.configure("info", "json")
    structlog.get_logger().info("started", nodes=3)
    found = json.loads(capsys.readouterr().err)
    assert (found["event"], found["nodes"], found["level"]) == ("started", 3, "info")
    assert found["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator who asked for warnings gets warnings."""
    logs.configure("warning", "logfmt")
    structlog.get_logger().info("connected")
    assert capsys.readouterr().err == ""


def test_without_a_terminal_logfmt_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The journal and files want no colours."""
    logs.configure()
    structlog.get_logger().info("connected")
    assert "event=connected" in capsys.readouterr().err


def test_libraries_keep_their_chatter(capsys: pytest.CaptureFixture[str]) -> None:
    """Asyncssh logs every packet if it is let."""
    logs.configure("debug", "logfmt")
    logging.getLogger("asyncssh").error("Connection lost")
    assert capsys.readouterr().err == ""
