"""A container for real time daemons: network, mount and process namespaces, and no access to the clock.

A daemon in a container may believe that it steers the clock; CAP_SYS_TIME is dropped for everything that runs
there, so the kernel refuses. What the daemon concludes from its servers is real all the same.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from skewmon.model import SyncStatus
from skewmon.timesync import script
from skewmon.timesync.status import assemble

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "timesync"
PREPARE = ROOT / "tests" / "fleet" / "packages_timesync.sh"
UPSTREAM = Path(__file__).with_name("upstream.py")

NODE_ADDRESS = "10.78.0.1"
#: The address for a real daemon instead of the wrong server.
SPARE_ADDRESS = "10.78.0.21"

NONCE = "room4711room"

#: The accounts that the packages would have made.
USERS = (
    "{ cat /etc/passwd; echo ntpd:x:64990:64990::/run/openntpd:/bin/false; "
    "echo systemd-timesync:x:64991:64991::/:/bin/false; } >/run/passwd; "
    "mount --bind /run/passwd /etc/passwd; "
    "{ cat /etc/group; echo ntpd:x:64990:; echo systemd-timesync:x:64991:; } >/run/group; "
    "mount --bind /run/group /etc/group"
)

#: A container's own state directories.
MOUNTS = f"mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /var/lib; {USERS}"

#: No process in a container may touch the clock of the machine that runs the tests.
POWERLESS = ("setpriv", "--bounding-set", "-sys_time", "--inh-caps", "-sys_time")


#: Another root directory is mounted here in a container: sshd accepts none whose parents others may write to,
#: and a checkout may be anywhere.
NEW_ROOT = Path("/mnt")


def proc_of(chroot: Path) -> str:
    """Return the line of shell that makes another root directory a place to run in, at NEW_ROOT."""
    return (
        f"mount --rbind {chroot.resolve()} {NEW_ROOT}; "
        f"mount -t proc proc {NEW_ROOT}/proc; mount -t tmpfs run {NEW_ROOT}/run"
    )


def prepare() -> None:
    """Unpack the daemons, or fail with the name of the missing one."""
    done = subprocess.run([PREPARE], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"real time daemons cannot be prepared: {done.stderr.strip()}")


def package_environment(*packages: str) -> dict[str, str]:
    """Return an environment in which these unpacked packages are found first, and no other time daemon."""
    roots = [CACHE / "bookworm" / package for package in packages]
    places = [root / part for root in roots for part in ("usr/bin", "usr/sbin", "sbin", "lib/systemd")]
    return {
        "PATH": ":".join([*map(str, places), "/usr/bin", "/bin", "/usr/sbin", "/sbin"]),
        "PYTHONPATH": str(CACHE / "bookworm" / "python3-ntp" / "usr/lib/python3/dist-packages"),
    }


@dataclass
class Container:
    """Namespaces that live as long as a sleeping process in them."""

    pid: int
    outside: int
    directory: Path
    chroot: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def line(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command in the container."""
        root = ["chroot", str(NEW_ROOT)] if self.chroot else []
        inside = ["nsenter", "-t", str(self.pid), "-n", "-m", "-p", "--"]
        return [*inside, *POWERLESS, *root, *command]

    def start(self, *command: str) -> None:
        """Start a daemon in the foreground; its log is a file in the container's directory."""
        self._start(self.line(command))

    def start_outside(self, *command: str) -> None:
        """Start a daemon among the servers, without CAP_SYS_TIME like those in here."""
        self._start(["nsenter", "-t", str(self.outside), "-n", *POWERLESS, *command])

    def _start(self, line: list[str]) -> None:
        path = self.directory / f"{len(self.started)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.environment)
            )
        self.started.append(process)

    def end(self) -> None:
        """End every daemon that was started."""
        for process in self.started:
            process.kill()
            process.wait()

    def run(self, *command: str, text: str = "", limit_s: float = 20) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.line(command),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env=dict(self.environment),
        )

    def outputs(self, shell: str = "/bin/sh") -> dict[str, script.ToolOutput]:
        """Run the status sheet as a node's shell does."""
        done = self.run(shell, text=script.script(NONCE))
        assert script.is_complete(NONCE, done.stdout), done
        assert done.stderr == "", done.stderr
        return script.split(NONCE, done.stdout)

    def status(self) -> SyncStatus:
        """Return the status assembled from the output."""
        return assemble(self.outputs())

    def status_once(self, settled: Callable[[SyncStatus], object], limit_s: float = 60) -> SyncStatus:
        """Query until the daemon has selected its source, and return its status."""
        deadline = time.monotonic() + limit_s
        while True:
            status = self.status()
            if settled(status):
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"not settled after {limit_s} s: {status}\n{self.logs()}")
            time.sleep(0.3)  # a daemon does not announce its selection

    def logs(self) -> str:
        """Return the logs of the daemons."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.directory.glob("*.log")))


def _child_of(pid: int) -> int:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = path.read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.01)
    raise TimeoutError(f"no child of {pid}")


@contextlib.contextmanager
def namespaces(*flags: str, setup: str) -> Iterator[int]:
    """Hold namespaces of these kinds, set up by a line of shell, and yield the id of a process in them."""
    script = f"set -e; {setup}; ip link set lo up; echo ready; exec sleep infinity"
    # A test run that is killed takes the namespaces with it, and so all that lives in them.
    unshare = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"]
    holder = subprocess.Popen([*unshare, *flags, "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        yield _child_of(holder.pid)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


@contextlib.contextmanager
def container(
    directory: Path, servers: Sequence[str], environment: Mapping[str, str], chroot: Path | None = None
) -> Iterator[Container]:
    """Open a container with these servers as its only neighbors (``ADDRESS:OFFSET_S:STRATUM[:LEAP]``)."""
    mounts = MOUNTS if chroot is None else f"{MOUNTS}; {proc_of(chroot)}"
    with (
        namespaces("--net", "--mount", "--pid", "--mount-proc", setup=mounts) as node,
        namespaces("--net", setup=":") as outside,
    ):
        _connect(node, outside, [*(server.split(":")[0] for server in servers), SPARE_ADDRESS])
        upstream = subprocess.Popen(
            ["nsenter", "-t", str(outside), "-n", sys.executable, str(UPSTREAM), *servers],
            stdout=subprocess.PIPE,
        )
        opened = Container(node, outside, directory, chroot, environment)
        try:
            assert upstream.stdout is not None
            assert upstream.stdout.readline() == b"ready\n"
            yield opened
        finally:
            opened.end()
            upstream.kill()
            upstream.wait()
            upstream.stdout.close()


def _connect(node: int, outside: int, addresses: Sequence[str]) -> None:
    for pid, words in (
        (node, f"link add near type veth peer name far netns {outside}"),
        (node, f"addr add {NODE_ADDRESS}/24 dev near"),
        (node, "link set near up"),
        *((outside, f"addr add {address}/24 dev far") for address in addresses),
        (outside, "link set far up"),
    ):
        subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", *words.split()], check=True)
