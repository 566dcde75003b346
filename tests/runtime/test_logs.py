"""Log lines are useful for their readers."""

import errno
import logging
import warnings

import pytest
import structlog

from skewmon.runtime import logs


@pytest.fixture(autouse=True)
def _defaults_afterwards():
    """Leave structlog and asyncio's logger as other tests expect them."""
    loop_logger = logging.getLogger("asyncio")
    handlers, propagate = list(loop_logger.handlers), loop_logger.propagate
    yield
    structlog.reset_defaults()
    loop_logger.handlers[:], loop_logger.propagate = handlers, propagate


@pytest.mark.parametrize("style", ["console", "logfmt", "json"])
def test_a_bug_is_logged_with_its_traceback(style, capsys):
    """In every format, the line that requests a bug report has the information for it."""
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


def complain(error, at_s=0.0):
    """Log this error as the event loop does, at this time of the log."""
    logging.getLogger("asyncio").handle(
        logging.makeLogRecord(
            {
                "msg": "socket.accept() failed",
                "levelno": logging.ERROR,
                "exc_info": (type(error), error, error.__traceback__),
                "created": at_s,
            }
        )
    )


def test_the_event_loop_cannot_flood_the_log(capsys):
    """A thousand complaints are one line without a traceback; a minute later, the next one counts them."""
    logs.configure("info", "logfmt")
    for at_ms in range(1000):
        complain(OSError(errno.EMFILE, "Too many open files"), at_ms / 1000)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "socket.accept() failed" in told
    assert "Too many open files" in told
    assert "Traceback" not in told
    complain(OSError(errno.EMFILE, "Too many open files"), logs.ASYNCIO_TELL_AGAIN_S)
    assert "held_back=999" in capsys.readouterr().err


def test_a_bug_that_only_the_event_loop_saw_keeps_its_traceback(capsys):
    """Any error but a shortage of the system is a bug, and its report needs the traceback."""
    logs.configure("info", "logfmt")
    try:
        raise ZeroDivisionError("of a task")
    except ZeroDivisionError as error:
        complain(error)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "of a task" in told


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_warning_of_a_library_is_one_line_of_the_log(style, capsys):
    """Once for each text, in the form of every other line."""
    logs.configure("info", style)
    for _ in range(3):
        warnings.warn("a cipher\nis deprecated", UserWarning, stacklevel=1)
    warnings.warn("another", UserWarning, stacklevel=1)
    told = capsys.readouterr().err
    assert told.count("\n") == 2
    assert "is deprecated" in told
    assert "UserWarning" in told
    assert "test_logs.py:" in told


@pytest.mark.parametrize("style", ["console", "logfmt"])
def test_control_characters_become_visible(style, capsys):
    """In every text of a line, a traceback's as well."""
    logs.configure("info", style)
    try:
        raise ZeroDivisionError("\x1b[2J\u202e")
    except ZeroDivisionError:
        structlog.get_logger().exception("\x1b[2J", detail="\x9b\u202e\0")
    told = capsys.readouterr().err
    if style == "logfmt":
        assert {sign for sign in told if not sign.isprintable()} == {"\n"}
    assert "\x1b[2J" not in told.split("Traceback")[0]
