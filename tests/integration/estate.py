"""An estate of containers on one network with skewmon, each with a real time daemon behind its own sshd.

Container *k* is 10.78.k.1. The NTP servers, with known offsets, are 10.78.0.x; skewmon runs among them.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fleet.clocks import KnownClock, kernel_now
from tests.fleet.node import FleetNode, Keys, Login
from tests.fleet.sshd import Fleet
from tests.integration.container import MOUNTS, NEW_ROOT, POWERLESS, UPSTREAM, Container, namespaces, proc_of

#: The port of sshd in every container.
SSH_PORT = 2222

#: Longer than one tool's limit needs, shorter than the patience of a test.
CHECK_LIMIT_S = 60

#: The privilege separation directory lies on the container's own, empty /run.
BECOME = 'mkdir -p -m 755 /run/sshd; exec "$@"'


class ContainerNode(FleetNode):
    """An sshd inside a container: it sees its processes, sockets and files, but may not touch the clock."""

    container: Container

    def _command(self) -> list[str]:
        inside = ["nsenter", "-t", str(self.container.pid), "-n", "-m", "-p", "--", *POWERLESS]
        return [*inside, "sh", "-c", BECOME, "sshd", *super()._command()]


@dataclass(frozen=True)
class Host:
    """One container with its sshd."""

    container: Container
    node: ContainerNode


class Estate:
    """Containers that are opened one by one and end together."""

    def __init__(self, directory: Path, outside: int, stack: ExitStack) -> None:
        self.directory = directory
        self.outside = outside
        self.fleet = stack.enter_context(Fleet(0))
        self._origin = kernel_now()
        self._stack = stack

    def host(
        self,
        environment: Mapping[str, str],
        *,
        ahead_ns: int = 0,
        chroot: Path | None = None,
        login: Login | None = None,
    ) -> Host:
        """Open the next container, n1, n2, …, with an sshd whose logins see a clock that is so much ahead."""
        number = len(self.fleet.nodes) + 1
        own = self.directory / f"n{number}"
        own.mkdir(mode=0o755)
        setup = MOUNTS if chroot is None else f"{MOUNTS}; {proc_of(chroot)}"
        flags = ("--net", "--mount", "--pid", "--mount-proc")
        pid = self._stack.enter_context(namespaces(*flags, setup=setup))
        self._connect(pid, number)
        container = Container(pid, self.outside, own, chroot, environment)
        self._stack.callback(container.end)
        clock = self._stack.enter_context(KnownClock(own / "clock", self._origin, offset_ns=ahead_ns))
        return Host(container, self._node(number, container, clock, login or Login(environment=environment)))

    def _node(self, number: int, container: Container, clock: KnownClock, login: Login) -> ContainerNode:
        if container.chroot is not None:  # the library with the clock needs a newer system than that one
            lines = (*login.sshd_lines, f"ChrootDirectory {NEW_ROOT}")
            login = replace(login, shimmed=False, sshd_lines=lines)
        fleet = self.fleet
        keys = Keys(client=fleet.client_key, identity=fleet.identity, known_hosts=fleet.known_hosts)
        node = ContainerNode(f"n{number}", f"10.78.{number}.1", container.directory, clock, keys, login)
        node.container, node.port = container, SSH_PORT
        self._stack.callback(node.stop)
        node.start()
        fleet.nodes.append(node)
        fleet.trust(node.address, node.port, node)
        return node

    def _connect(self, pid: int, number: int) -> None:
        near, far = f"10.78.{number}.1", f"10.78.{number}.254"
        for where, words in (
            (pid, f"link add near type veth peer name far{number} netns {self.outside}"),
            (pid, f"addr add {near}/24 dev near"),
            (pid, "link set near up"),
            (self.outside, f"addr add {far}/24 dev far{number}"),
            (self.outside, f"link set far{number} up"),
            (pid, f"route add 10.78.0.0/24 via {far}"),
        ):
            _in_network(where, "ip", *words.split())

    def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a command line on the admin box, whose ssh configuration has the nodes' names."""
        config = self.fleet.write_ssh_config(self.directory / "ssh_config")
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            [
                "nsenter",
                "-t",
                str(self.outside),
                "-n",
                "sh",
                "-c",
                line.replace("ssh ", f"ssh -F {config} ", 1),
            ],
            capture_output=True,
            text=True,
            timeout=CHECK_LIMIT_S,
            check=False,
            env={**os.environ, "PATH": programs},
        )

    def check(self, output: str = "json", *, rounds: int = 1, **cluster: Any) -> str:
        """Run ``skewmon check`` among the servers, over all nodes, and return its output."""
        config = self.fleet.write_config(self.directory / "skewmon.yml", cluster=cluster)
        command = [sys.executable, "-m", "skewmon", "check", "--config.file", str(config), "-o", output]
        command += ["--rounds", str(rounds)]
        done = subprocess.run(
            ["nsenter", "-t", str(self.outside), "-n", *command],
            capture_output=True,
            text=True,
            timeout=CHECK_LIMIT_S + 3 * rounds,
            check=False,
        )
        assert done.stdout, done
        return done.stdout

    def cluster(self, *, rounds: int = 1, **cluster: Any) -> dict[str, Any]:
        """Return the one cluster of ``check -o json``, its nodes by name under ``by_name``."""
        (found,) = json.loads(self.check(rounds=rounds, **cluster))["clusters"]
        return {**found, "by_name": {node["name"]: node for node in found["nodes"]}}


def _in_network(pid: int, *command: str) -> None:
    subprocess.run(["nsenter", "-t", str(pid), "-n", *command], check=True)


@contextlib.contextmanager
def running_estate(directory: Path, servers: Sequence[str], spare: str) -> Iterator[Estate]:
    """Run an estate with these servers (``ADDRESS:OFFSET_S:STRATUM[:LEAP]``), no containers."""
    with ExitStack() as stack:
        outside = stack.enter_context(namespaces("--net", setup=":"))
        for address in (*(server.split(":")[0] for server in servers), spare):
            _in_network(outside, "ip", "addr", "add", f"{address}/32", "dev", "lo")
        upstream = subprocess.Popen(
            ["nsenter", "-t", str(outside), "-n", sys.executable, str(UPSTREAM), *servers],
            stdout=subprocess.PIPE,
        )
        assert upstream.stdout is not None
        stack.callback(upstream.stdout.close)
        stack.callback(upstream.wait)
        stack.callback(upstream.kill)
        assert upstream.stdout.readline() == b"ready\n"
        yield Estate(directory, outside, stack)
