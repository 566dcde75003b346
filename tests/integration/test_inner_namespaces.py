"""A machine sees the processes of its containers among its own; their time daemons are not its daemons."""

import shutil
import subprocess
import time
from pathlib import Path

from skewmon.timesync import script
from skewmon.timesync.status import assemble

NONCE = "guest4711guest"


def asked(shell: str) -> dict[str, script.ToolOutput]:
    """Run the sheet in a shell of this machine."""
    command = [shell, "ash"] if shell == "busybox" else [shell]
    done = subprocess.run(
        command, input=script.script(NONCE), capture_output=True, text=True, timeout=60, check=True
    )
    return script.split(NONCE, done.stdout)


def test_daemons_of_inner_namespaces_are_not_counted(tmp_path: Path) -> None:
    """Two sleepers called ntp-daemon, one of them in a process namespace of its own."""
    program = tmp_path / "ntp-daemon"
    shutil.copy(shutil.which("sleep") or "sleep", program)
    inside = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", str(program), "61"])
    outside = subprocess.Popen([str(program), "62"])
    try:
        deadline = time.monotonic() + 10
        while not _lines("dash", " 61") and time.monotonic() < deadline:
            time.sleep(0.1)
        for shell in ("dash", "bash", "busybox"):
            (contained,), (own,) = _lines(shell, " 61"), _lines(shell, " 62")
            assert (contained.split()[0], own.split()[0]) == ("contained", "process"), shell
        assert "ntpd-rs" in assemble(asked("dash")).daemons
    finally:
        for process in (inside, outside):
            process.kill()
            process.wait()


def _lines(shell: str, end: str) -> list[str]:
    """Return the lines about sleepers for so long."""
    said = asked(shell)["facts"].stdout.splitlines()
    return [line.rstrip() for line in said if " ntp-daemon " in line and line.rstrip().endswith(end)]
