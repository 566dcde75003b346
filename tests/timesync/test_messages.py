"""Messages of shells, systemd and the tools instead of an answer, one line each."""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolOutcome


@pytest.mark.parametrize(
    "line",
    [
        "-bash: /usr/sbin/ntpq: No such file or directory",
        "bash: line 1: /usr/sbin/ntpq: No such file or directory",
        "zsh: no such file or directory: /usr/sbin/ntpq",
        "env: 'ntpq': No such file or directory",
        "timeout: failed to run command 'ntpq': No such file or directory",
        "ksh: ntpq:  not found.",
        "fish: Unknown command: ntpq",
        'exec: "ntpq": executable file not found in $PATH: unknown',
        "Command 'ntpq' not found, but can be installed with:",
        "Command 'ntpq' not found, did you mean:",
        "The program 'ntpq' is currently not installed. You can install it by typing:",
        "If 'ntpq' is not a typo you can use command-not-found to lookup the package",
    ],
)
def test_every_shells_message_about_a_missing_tool_is_known(line: str) -> None:
    """A missing path means the same as a name that is not in PATH."""
    report = PARSERS["ntpq"](line, "", 0)
    assert (report.outcome, report.unparsed) == (ToolOutcome.NOT_INSTALLED, ())


@pytest.mark.parametrize(
    ("tool", "line", "outcome"),
    [
        ("ntpctl", "ntpctl: connect: /var/run/ntpd.sock: No such file or directory", ToolOutcome.NOT_RUNNING),
        ("ntpctl", "ntpctl: need root privileges", ToolOutcome.REFUSED),
        ("ntp-ctl", "Error: No such file or directory (os error 2)", ToolOutcome.NOT_RUNNING),
        ("ntp-ctl", 'Error: Os { code: 2, kind: NotFound, message: "No such file"}', ToolOutcome.NOT_RUNNING),
        ("ntpq", "ntpq: write to ::1 failed: Network is unreachable", ToolOutcome.NOT_RUNNING),
        ("timedatectl", "Failed to query server: Access denied", ToolOutcome.REFUSED),
        (
            "timedatectl",
            "Failed to query server: Unit dbus-org.freedesktop.timedate1.service is masked.",
            ToolOutcome.NOT_RUNNING,
        ),
        (
            "timedatectl",
            "Failed to query server: Launch helper exited with unknown return code 1",
            "not-running",
        ),
        (
            "timedatectl",
            "Failed to query server: Transport endpoint is not connected",
            ToolOutcome.NOT_RUNNING,
        ),
        (
            "timedatectl",
            "Failed to query server: Activation of org.freedesktop.timedate1 timed out",
            ToolOutcome.TIMED_OUT,
        ),
        ("timesync-status", "Failed to query server: Method call timed out", ToolOutcome.TIMED_OUT),
        ("timesync-status", "Failed to query server: Remote peer disconnected", ToolOutcome.NOT_RUNNING),
        ("timesync-status", "Unknown operation timesync-status", ToolOutcome.NOT_INSTALLED),
        ("show-timesync", "Unknown command verb show-timesync.", ToolOutcome.NOT_INSTALLED),
        ("ntptime", "Must be root to set kernel values", ToolOutcome.REFUSED),
    ],
)
def test_messages_of_the_tools_keep_their_meaning(tool: str, line: str, outcome: ToolOutcome) -> None:
    """A socket that is missing is no missing tool, and a verb that systemd does not have yet is no daemon."""
    report = PARSERS[tool](line, "", 1)
    assert (report.outcome, report.unparsed) == (outcome, ())


@pytest.mark.parametrize(
    "line",
    [
        "root@n1:~#",
        "[operator@n1 ~]$ ",
        "ntpq> rv",
        "chronyc> tracking",
        "$ sudo ntpq -p",
        "# LC_ALL=C chronyc -n sources",
        "$ docker exec -it time chronyc tracking",
        "bash: line 1: warning: setlocale: LC_ALL: cannot change locale (C.UTF-8): No such file or directory",
        "** WARNING: connection is not using a post-quantum key exchange algorithm.",
        "sudo apt install ntpsec  # version 1.2.1",
        "stdin: is not a tty",
    ],
)
def test_text_around_the_output_is_noise(line: str) -> None:
    """Prompts, warnings of the login and advice of a distribution say nothing of the clock."""
    report = PARSERS["timedatectl"](f"{line}\nSystem clock synchronized: yes\n", "", 0)
    assert (report.outcome, report.parsed, report.noise) == (ToolOutcome.PARSED, 1, 1)


@pytest.mark.parametrize("line", ["# unable to run ntpq", "Error: unable to run ntpq"])
def test_a_sentence_about_a_tool_is_not_a_prompt(line: str) -> None:
    """Only a command behind a prompt is one; a possible fault is shown."""
    assert PARSERS["timedatectl"](line, "", 0).unparsed == (line,)
