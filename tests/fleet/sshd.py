"""N real SSH servers on loopback addresses of their own, each with clocks of its own.

``with Fleet(3) as fleet:`` (or ``async with``) starts them in some ten milliseconds each and leaves nothing
behind: whatever was started in them is ended by its process id, also when the test fails.
"""

import getpass
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncssh
import yaml

from tests.fleet.bullseye import BullseyeNode
from tests.fleet.clocks import KnownClock, Segment, kernel_now, shim
from tests.fleet.dropbear import DropbearNode
from tests.fleet.fresh import FreshNode
from tests.fleet.node import SSHD, FleetNode, Keys, Login, public_text

__all__ = ["Fleet", "FleetNode", "Login"]

SERVERS: dict[str, type[FleetNode]] = {
    "openssh": FleetNode,
    "dropbear": DropbearNode,
    "bullseye": BullseyeNode,
    "fresh": FreshNode,
}

#: Between choosing a free port and using it another process may take it.
START_ATTEMPTS = 5


class Fleet:
    """``count`` nodes n1, n2, … at 127.0.1.1, 127.0.1.2, …, all started, each with its KnownClock.

    Options of single nodes go by name: ``logins={"n2": Login(shell="/bin/dash")}``; ``login`` holds for the
    rest. ``offsets_ns`` says how far each node's REALTIME starts ahead of this machine's. Nodes of one fleet
    share one origin, so that their clocks differ by exactly what the test asked for.
    """

    def __init__(
        self,
        count: int,
        *,
        login: Login | None = None,
        logins: Mapping[str, Login] | None = None,
        offsets_ns: Sequence[int] = (),
        origin: Segment | None = None,
    ) -> None:
        self._count = count
        self._login = login or Login()
        self._logins = dict(logins or {})
        self._offsets_ns = tuple(offsets_ns)
        self._origin = origin
        self._stack = ExitStack()
        self.nodes: list[FleetNode] = []
        self.user = getpass.getuser()
        unknown = set(self._logins) - {f"n{number}" for number in range(1, count + 1)}
        assert not unknown, f"no such nodes: {sorted(unknown)}"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __getitem__(self, name: str) -> FleetNode:
        return next(node for node in self.nodes if node.name == name)

    def __iter__(self) -> Iterator[FleetNode]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def identity(self) -> Path:
        """The file of the client's private key."""
        return self._keys.identity

    @property
    def known_hosts(self) -> Path:
        """The known_hosts file with every node's key."""
        return self._keys.known_hosts

    @property
    def client_key(self) -> asyncssh.SSHKey:
        """The client's private key."""
        return self._keys.client

    def trust(self, address: str, port: int, node: FleetNode) -> None:
        """Let known_hosts also accept the node's key at another address, such as a relay's."""
        with self.known_hosts.open("a") as file:
            file.write(f"[{address}]:{port} {public_text(node.host_key)}\n")

    def write_config(self, path: Path, *, cluster: Mapping[str, Any] | None = None, **top: Any) -> Path:
        """Write a skewmon configuration with all nodes in the cluster ``fleet``.

        ``cluster`` adds to or replaces keys of the cluster, keyword arguments those of the top level.
        """
        nodes = [{"name": node.name, "address": node.address, "port": node.port} for node in self.nodes]
        ssh = {"user": self.user, "identity": str(self.identity), "known_hosts": str(self.known_hosts)}
        whole = {
            "ssh": ssh,
            "clusters": {"fleet": {"nodes": nodes, "interval": "1s", **(cluster or {})}},
            **top,
        }
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    def write_ssh_config(self, path: Path) -> Path:
        """Write an ssh_config by which every node is reached under its name."""
        path.write_text(
            "".join(
                f"Host {node.name}\n  HostName {node.address}\n  Port {node.port}\n  User {self.user}\n"
                f"  IdentityFile {self.identity}\n  IdentitiesOnly yes\n"
                f"  UserKnownHostsFile {self.known_hosts}\n"
                for node in self.nodes
            )
        )
        return path

    def _start(self) -> None:
        assert Path(SSHD).exists(), "the fleet needs sshd: install openssh-server"
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's privilege separation directory
        directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        directory.chmod(0o755)
        self._keys = self._make_keys(directory)
        origin = self._origin or kernel_now()
        shim()
        for number in range(1, self._count + 1):
            self._add(number, directory, origin)
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            self._await(node)
        self.known_hosts.write_text("".join(node.host_line for node in self.nodes))

    def _make_keys(self, directory: Path) -> Keys:
        key = asyncssh.generate_private_key("ssh-ed25519")
        keys = Keys(client=key, identity=directory / "id_ed25519", known_hosts=directory / "known_hosts")
        keys.identity.write_bytes(key.export_private_key())
        keys.identity.chmod(0o600)
        keys.identity.with_suffix(".pub").write_text(public_text(key) + "\n")
        return keys

    def _add(self, number: int, directory: Path, origin: Segment) -> None:
        name = f"n{number}"
        own = directory / name
        own.mkdir()
        offset_ns = self._offsets_ns[number - 1] if number <= len(self._offsets_ns) else 0
        clock = self._stack.enter_context(KnownClock(own / "clock", origin, offset_ns=offset_ns))
        high, low = divmod(number - 1, 250)
        login = self._logins.get(name, self._login)
        node = SERVERS[login.server](name, f"127.0.{high + 1}.{low + 1}", own, clock, self._keys, login)
        self.nodes.append(node)
        self._stack.callback(node.stop)

    def _await(self, node: FleetNode) -> None:
        for _ in range(START_ATTEMPTS):
            if node.wait_until_listening():
                return
            node.stop()
            node.port = 0
            node.launch()
        raise AssertionError(f"no free port at {node.address}")
