"""A guest kernel on a disk of its own, with clocks of its own: started, set, paused, rebooted, ended."""

import base64
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import asyncssh

from tests.fleet.clocks import build
from tests.fleet.node import Keys, public_text
from tests.fleet.processes import descendants, end_tree, state_of
from tests.lab.console import Console
from tests.lab.network import child_of, guest_address, inside

SOURCE = Path(__file__).resolve().parents[2]
DISK = SOURCE / ".cache" / "lab" / "root-1.img"

#: skewmon's dependencies for the Python of the guests.
SITE = SOURCE / ".cache" / "lab" / "site-1"

#: A guest answers after three seconds, one with systemd after forty; on a busy machine it takes longer.
BOOT_TIMEOUT_S = 150.0

COMMAND_TIMEOUT_S = 30.0

#: A guest needs seconds for actions that take a fraction of one on this machine.
PATIENCE_S = 60.0

SKEWMON = """\
#!/bin/sh
PYTHONPATH=/opt/site:/opt/source exec python3 -m skewmon "$@"
"""

SSHD_CONFIG = """\
HostKey /lab/host_key
AuthorizedKeysFile /lab/authorized_keys .ssh/authorized_keys
StrictModes no
UsePAM no
UseDNS no
"""


def until(holds: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait until something holds in a guest, by polling."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, holds
        time.sleep(0.1)


class Guest:
    """One guest; its directory on this machine is /lab inside."""

    def __init__(self, number: int, directory: Path, lab: int, keys: Keys, *, init: str = "init") -> None:
        self.name = f"n{number}"
        self.address = guest_address(number)
        self._init = init
        self._number, self._directory, self._lab, self._keys = number, directory, lab, keys
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._share = directory / "lab"
        self._share.mkdir(parents=True)
        self._furnish()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch the guest on."""
        there, here = os.pipe()
        back, forth = os.pipe()
        self.console = Console(write=here, read=back)
        with (self._directory / "kernel.log").open("wb") as log:
            self._process = subprocess.Popen(
                inside(self._lab, *self._command(there, forth)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(there, forth),
                env={**os.environ, "LD_PRELOAD": str(build("xstate", "xstate.c"))},
            )
        os.close(there)
        os.close(forth)
        self._kernel = child_of(self._process)

    def _command(self, there: int, forth: int) -> list[str]:
        return [
            "linux.uml",
            "mem=256M",
            f"ubd0={self._directory}/disk.cow,{DISK}",
            "root=/dev/ubda",
            "rw",
            "init=/sbin/lab-init",
            f"vec0:transport=tap,ifname=tap{self._number},depth=128,gro=1",
            "con=null",
            "con0=fd:0,fd:1",
            f"con1=fd:{there},fd:{forth}",
            f"lab_directory={self._share}",
            f"lab_address={self.address}",
            f"lab_name={self.name}",
            f"lab_site={SITE}",
            f"lab_source={SOURCE}",
        ]

    def _furnish(self) -> None:
        here = Path(__file__).parent
        shutil.copy(here / self._init, self._share / "init")
        (self._share / "usr-bin-skewmon").write_text(SKEWMON)
        shutil.copy(here / "inside.py", self._share / "console.py")
        (self._share / "sshd_config").write_text(SSHD_CONFIG)
        (self._share / "authorized_keys").write_text(public_text(self._keys.client) + "\n")
        key = self._share / "host_key"
        key.write_bytes(self._host_key.export_private_key())
        key.chmod(0o600)

    @property
    def host_line(self) -> str:
        """The line of known_hosts by which this guest is trusted."""
        return f"{self.address} {public_text(self._host_key)}\n"

    def wait_until_up(self) -> None:
        """Wait until sshd greets."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not self._greets():
            assert self._process is not None
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    @property
    def log(self) -> str:
        """The kernel's output."""
        return (self._directory / "kernel.log").read_text(errors="replace")

    def share(self, file: Path) -> None:
        """Let the guest see a copy of a file in /lab."""
        shutil.copy(file, self._share)

    def shell(self, line: str, *, limit_s: float = COMMAND_TIMEOUT_S) -> str:
        """Run a line in the guest and return its output."""
        command = ["ssh", "-F", "none", "-i", str(self._keys.identity), "-o", "IdentitiesOnly=yes"]
        command += ["-o", f"UserKnownHostsFile={self._keys.known_hosts}", f"root@{self.address}", line]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        assert done.returncode == 0, (line, done)
        return done.stdout

    def write(self, path: str, text: str, *, mode: str = "644") -> None:
        """Write a file in the guest."""
        encoded = base64.b64encode(text.encode()).decode()
        self.shell(f"umask 077; echo {encoded} | base64 -d >{path} && chmod {mode} {path}")

    def serve(self, command: str, log: str) -> None:
        """Start a daemon in the guest; its log is a file there."""
        self.shell(f"setsid sh -c {shlex.quote(f'exec {command}')} </dev/null >{log} 2>&1 &")

    def pause(self) -> None:
        """Stop the whole machine, as a hypervisor does; its clocks run on."""
        os.kill(self._kernel, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self._kernel, signal.SIGCONT)
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)  # nsenter stops with its child

    def reboot(self) -> None:
        """Pull the plug and switch the guest on again; return when it is up.

        A kernel that restarts itself keeps its network device open and cannot open it again.
        """
        self.stop()
        self.start()
        self.wait_until_up()

    def stop(self) -> None:
        """Switch the guest off: its kernel, its processes and its disk's helper, which are many here."""
        if self._process is None:
            return
        process, self._process = self._process, None
        self.console.close()
        every = descendants(process.pid)
        end_tree(process)
        until(lambda: all(state_of(pid) in "ZX" for pid in every))  # else its disk is still locked
