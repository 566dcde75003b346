"""One node: a real sshd on a loopback address of its own, its login, its clock and its faults."""

import getpass
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import asyncssh

from tests.fleet.clocks import KnownClock, build
from tests.fleet.processes import descendants, end_marked, end_tree, send, stop, with_mark

#: sshd listens within tens of milliseconds; a hundred of them at once on a loaded machine take longer.
START_TIMEOUT_S = 20.0

#: The PATH of logins, as Debian's sshd sets it, on any distribution.
PATH_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")

SSHD = "/usr/sbin/sshd"

CONFIG = """\
ListenAddress {address}:{port}
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/authorized_keys
AuthenticationMethods publickey
PermitRootLogin yes
UsePAM no
StrictModes no
PidFile none
UseDNS no
PrintMotd no
MaxStartups 1000:30:2000
LogLevel VERBOSE
"""


@dataclass(frozen=True, kw_only=True)
class Login:
    """The environment of a login to one node.

    ``without`` names programs that PATH lacks (``python3`` also hides ``python3.11``); ``commands`` puts
    others in their place, name to absolute path. ``rc_files`` are written into the home directory.
    ``key_options`` go before the key in authorized_keys, ``sshd_lines`` into sshd_config, and ``environment``
    is set by the server. ``alias`` is a second user name for the same account. A node that is not ``shimmed``
    lives by the machine's own clocks. ``server`` is this machine's OpenSSH, a Dropbear, the OpenSSH 8.4 of a
    whole Debian 11 with python2.7 (needs root), or OpenSSH in a copy of this machine's files, in which a test
    may install (needs root).
    """

    shell: str | None = None
    rc_files: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    forced_command: str | None = None
    key_options: Sequence[str] = ()
    sshd_lines: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    alias: str | None = None
    shimmed: bool = True
    server: Literal["openssh", "dropbear", "bullseye", "fresh"] = "openssh"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The one key of the client, and the directory of its files."""

    client: asyncssh.SSHKey
    identity: Path
    known_hosts: Path


class FleetNode:
    """One SSH server with its clock, its log and its address."""

    #: The directory that is the node's ``/``.
    root = Path("/")

    def __init__(
        self, name: str, address: str, directory: Path, clock: KnownClock, keys: Keys, login: Login
    ) -> None:
        self.name = name
        self.address = address
        self.port = 0
        self.user = getpass.getuser()
        self.directory = directory
        self.clock = clock
        self.login = login
        self.keys = keys
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def mark(self) -> str:
        """The value of FLEET_MARK in the environment of every process of this node."""
        return str(self.directory)

    @property
    def log(self) -> str:
        """The server's log."""
        return (self.directory / "log").read_text(errors="replace")

    @property
    def host_line(self) -> str:
        """The line of known_hosts for this node."""
        return f"[{self.address}]:{self.port} {public_text(self.host_key)}\n"

    @property
    def process_id(self) -> int:
        """The id of the listening server."""
        assert self._process, f"{self.name} is not running"
        return self._process.pid

    # --- life --------------------------------------------------------------------------------------

    def launch(self) -> None:
        """Start the server, on its old port if it had one, without waiting for it to listen."""
        self.port = self.port or free_port(self.address)
        self._prepare()
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._server_environment(),
                start_new_session=True,
            )

    def wait_until_listening(self) -> bool:
        """Return whether the server listens; False if another process took its port meanwhile."""
        assert self._process
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._listening_line() not in self.log:
            if self._process.poll() is not None:
                assert "Address already in use" in self.log, f"{self.name}: {self.log}"
                return False
            assert time.monotonic() < deadline, f"{self.name} does not listen: {self.log}"
            time.sleep(0.002)
        return True

    def start(self) -> None:
        """Start the server again after ``stop``, at the same address and port."""
        self.launch()
        assert self.wait_until_listening(), f"port {self.port} of {self.address} was taken"

    def stop(self) -> None:
        """End the server and everything that was started in it."""
        if self._process:
            end_tree(self._process)
            self._process = None
        end_marked(self.mark)

    # --- faults ------------------------------------------------------------------------------------

    def session_ids(self) -> list[int]:
        """Return the ids of the processes of logins: shells and their children."""
        return with_mark(self.mark)

    def kill_sessions(self) -> None:
        """Kill the programs of logins; the server and its connections stay."""
        send(self.session_ids(), signal.SIGKILL)

    def cut_connections(self) -> None:
        """Kill the server's connections at any point; new ones are accepted."""
        sessions = set(self.session_ids())
        send([pid for pid in descendants(self.process_id) if pid not in sessions], signal.SIGKILL)

    def freeze(self) -> None:
        """Stop everything on this node where it stands; the kernel still accepts and acknowledges."""
        stop(self._all_ids)

    def thaw(self) -> None:
        """Let everything on this node go on."""
        send(self._all_ids(), signal.SIGCONT)

    def change_host_key(self) -> None:
        """Restart with another host key, which is not in known_hosts."""
        self.stop()
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.start()

    def refuse_key(self) -> None:
        """Take the client's key off authorized_keys."""
        (self.directory / "authorized_keys").write_text("")

    # --- how it is done ----------------------------------------------------------------------------

    def _all_ids(self) -> list[int]:
        return [self.process_id, *descendants(self.process_id), *self.session_ids()]

    def _listening_line(self) -> str:
        return f"listening on {self.address} port {self.port}"

    def _command(self) -> list[str]:
        return [SSHD, "-D", "-e", "-f", str(self.directory / "sshd_config")]

    def _server_environment(self) -> dict[str, str]:
        own = {"LD_PRELOAD": str(build("login", "login.c")), "FLEET_HOME": str(self.directory / "home")}
        if self.login.shell:
            own["FLEET_SHELL"] = self.login.shell
        if self.login.alias:
            own["FLEET_ALIAS"] = self.login.alias
        return {**os.environ, **own}

    def _session_environment(self) -> dict[str, str]:
        clock = self.clock.environment() if self.login.shimmed else {}
        path = {"PATH": self._programs()} if self.login.without or self.login.commands else {}
        return {"FLEET_MARK": self.mark, **clock, **path, **self.login.environment}

    def _prepare(self) -> None:
        (self.directory / "host_key").write_bytes(self.host_key.export_private_key())
        (self.directory / "host_key").chmod(0o600)
        (self.directory / "authorized_keys").write_text(self._key_line())
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        for name, text in self.login.rc_files.items():
            place = home / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        variables = " ".join(f'{key}="{value}"' for key, value in self._session_environment().items())
        common = CONFIG.format(address=self.address, port=self.port, directory=self.directory)
        lines = (*self.login.sshd_lines, f"SetEnv {variables}", common)  # the first value of a keyword wins
        (self.directory / "sshd_config").write_text("\n".join(lines))

    def _key_line(self) -> str:
        forced = self.login.forced_command
        options = list(self.login.key_options)
        if forced is not None:
            options.append('command="{}"'.format(forced.replace('"', '\\"')))
        return " ".join(filter(None, (",".join(options), public_text(self.keys.client)))) + "\n"

    def _programs(self) -> str:
        """Return this node's whole PATH: its own commands, and the others that it has."""
        own = self.directory / "bin"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        for name, target in self.login.commands.items():
            (own / name).symlink_to(target)
        return f"{own}:{path_without(tuple(self.login.without), self.root)}"


@cache
def path_without(names: tuple[str, ...], root: Path = Path("/")) -> str:
    """Return a PATH with the programs under ``root`` but these, in a directory that is made once and kept."""
    if not names:
        return ":".join(PATH_DIRECTORIES)
    targets: dict[str, str] = {}
    for directory in PATH_DIRECTORIES:
        for program in sorted((root / directory[1:]).glob("*")):
            if not any(hides(name, program.name) for name in names):
                targets.setdefault(program.name, f"{directory}/{program.name}")
    digest = hashlib.sha256(repr(targets).encode()).hexdigest()[:16]
    place = Path(tempfile.gettempdir(), f"skewmon-fleet-{os.getuid()}", f"path-{digest}")
    if not place.exists():
        partial = place.with_suffix(f".{os.getpid()}")  # several test runs may make it at once
        partial.mkdir(parents=True)
        for name, target in targets.items():
            (partial / name).symlink_to(target)
        try:
            partial.rename(place)
        except OSError:
            shutil.rmtree(partial)
    return str(place)


def hides(name: str, program: str) -> bool:
    """Say whether leaving out ``name`` leaves out ``program``: itself and its versions, such as perl5.36."""
    return re.fullmatch(re.escape(name) + r"([.\d][\w.-]*)?", program) is not None


def public_text(key: asyncssh.SSHKey) -> str:
    """Return a public key as one line without a comment."""
    return " ".join(key.export_public_key().decode().split()[:2])


def free_port(address: str) -> int:
    """Return a free port at this address."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
