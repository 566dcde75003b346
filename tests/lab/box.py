"""A fresh Debian 12 with a real systemd in a container, among the guests: where the package is installed."""

import subprocess
from pathlib import Path

from tests.fleet.processes import end_tree
from tests.lab.guest import SOURCE, until
from tests.lab.network import child_of, inside

ROOT = SOURCE / ".cache" / "lab" / "box-1"

#: systemd is up after some seconds; on a busy machine it takes longer.
BOOT_TIMEOUT_S = 120.0

COMMAND_TIMEOUT_S = 180.0

#: A shell of root's as after a login on a server that nobody configured: no locale, no HOME of the tests.
ENVIRONMENT = (
    "env",
    "-i",
    "HOME=/root",
    "LOGNAME=root",
    "TERM=dumb",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)


class Box:
    """The box; its changes are in memory and end with it. A directory of this machine is /lab inside."""

    def __init__(self, lab: int, directory: Path) -> None:
        self.share = directory / "share"
        self.share.mkdir(parents=True)
        with (directory / "box.log").open("wb") as log:
            self._process = subprocess.Popen(
                inside(lab, *self._command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        nspawn = child_of(self._process)
        until(lambda: _children(nspawn), BOOT_TIMEOUT_S)
        (self._leader,) = _children(nspawn)
        until(self._is_up, BOOT_TIMEOUT_S)

    def _command(self) -> list[str]:
        # Without --private-network it has the network of the lab, where the guests are.
        return [
            "systemd-nspawn",
            *("--quiet", "--register=no", "--keep-unit", "--volatile=overlay", "--boot", "--console=pipe"),
            *("--machine=box", f"--directory={ROOT}", f"--bind={self.share}:/lab"),
        ]

    def _is_up(self) -> bool:
        state = self.run("systemctl is-system-running").stdout.strip()
        return state in ("running", "degraded")  # the lab has no devices to be waited for

    def run(self, line: str, *, limit_s: float = COMMAND_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run a line of root's shell to its end, under a strict mask."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "--"]
        return subprocess.run(
            [*enter, *ENVIRONMENT, "sh", "-c", f"umask 077; cd /root; {line}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )

    def shell(self, line: str, *, limit_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run a line that must succeed; return its output."""
        done = self.run(line, limit_s=limit_s)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def files(self) -> set[str]:
        """Return every file but logs, caches and what changes by itself."""
        passing = ("/proc", "/sys", "/dev", "/run", "/tmp", "/lab", "/var/log", "/var/cache", "/var/tmp")
        pruned = " -o ".join(f"-path {path}" for path in passing)
        return set(self.shell(f"find / \\( {pruned} \\) -prune -o -print").splitlines())

    def stop(self) -> None:
        """Switch the box off."""
        end_tree(self._process)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
