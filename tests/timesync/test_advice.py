"""The lines that findings advise, typed into a shell whose ssh runs them in another shell, as sshd does."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from skewmon.model import KernelClock, Node, SshSettings, SyncStatus
from skewmon.model.commands import Access
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.evidence import NodeEvidence
from skewmon.timesync.findings.facts import BUSYBOX

#: Programs that every node has, and the directories of the administrator's.
EVERYWHERE = ("sh", "cat", "grep", "echo")
SBIN = ("ntpq", "ntpctl", "ntptime", "adjtimex")
BIN = (
    *("chronyc", "ntpstat", "ntp-ctl", "timedatectl", "systemctl", "journalctl", "busybox", "sudo", "ps"),
    "skewmon",
)

LINES: dict[str, Callable[[NodeEvidence], str]] = {
    "sources": advice.sources,
    "state": advice.state,
    "log": advice.log,
    "restart": advice.restart,
    "units": advice.units,
    "hardware clock": advice.hardware_clock,
    "time scale": advice.time_scale,
    "tool": lambda node: advice.tool(node, "facts"),
    **{f"parse {tool}": lambda node, tool=tool: advice.reparse(node, tool) for tool in advice._COMMANDS},
    "parse facts": lambda node: advice.reparse(node, "facts"),
}

DAEMONS = {
    **{name: (name,) for name in ("chronyd", "ntpd", "ntpsec", "timesyncd", "openntpd", "ntpd-rs")},
    "unknown": ("phc2sys", "ptp4l"),
    BUSYBOX: (BUSYBOX,),
}


def node(daemons: tuple[str, ...]) -> NodeEvidence:
    """Return a node that runs these daemons."""
    known = "ntpd" if daemons == (BUSYBOX,) else daemons[0] if len(daemons) == 1 else "unknown"
    status = SyncStatus(known, synchronized=True, stratum=2, daemons=daemons, kernel=KernelClock(True))  # type: ignore[arg-type]
    ssh = SshSettings(user="op", port=2222, jump=("op@bastion",))
    return NodeEvidence("n3", status, access=Access(Node("n3", "192.0.2.3", ssh)))


@pytest.fixture
def box(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a way to type a line on an admin box; the node lacks the programs that are named."""
    own, sbin = tmp_path / "bin", tmp_path / "sbin"
    for place in (own, sbin):
        place.mkdir()
    for name in EVERYWHERE:
        (own / name).symlink_to(shutil.which(name) or name)
    # OpenSSH joins the words after the host with blanks and hands them to the account's shell.
    fake(
        own / "ssh",
        'while :; do case $1 in -t) shift;; -p|-J) shift 2;; *) break;; esac; done; shift; exec sh -c "$*"',
    )

    def typed(line: str, *, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        for place, names in ((own, BIN), (sbin, SBIN)):
            for name in set(names) - set(without):
                fake(place / name, f"echo {name} $*")
        return subprocess.run(
            ["sh", "-c", line.replace("/usr/sbin", str(sbin)).replace(":/sbin", "")],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": str(own)},
        )

    return typed


def fake(path: Path, body: str) -> None:
    """Put a program there."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize("line", LINES)
def test_every_line_runs_as_it_stands(
    box: Callable[..., subprocess.CompletedProcess[str]], line: str, daemon: str
) -> None:
    """No quotation mark is eaten on the way, and programs in sbin are found."""
    done = box(LINES[line](node(DAEMONS[daemon])))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("line", ["sources", "state", "units"])
def test_a_system_without_systemd_gets_a_command_too(
    box: Callable[..., subprocess.CompletedProcess[str]], line: str
) -> None:
    """Alpine has busybox's ntpd and adjtimex, and neither ntpq nor timedatectl."""
    without = ("systemctl", "timedatectl", "journalctl", "ntpq", "ntptime", "chronyc")
    done = box(LINES[line](node((BUSYBOX,))), without=without)
    assert done.returncode == (1 if line == "units" else 0)  # no process of the fake table is a time daemon
    assert "adjtimex" in done.stdout or line == "units"
    assert "ntpq" not in done.stderr


def test_a_command_that_may_ask_for_a_password_has_a_terminal() -> None:
    """Sudo refuses to read one without."""
    assert advice.restart(node(("ntpsec",))) == (
        "ssh -t -p 2222 -J op@bastion op@192.0.2.3 sudo systemctl restart ntpsec"
    )
