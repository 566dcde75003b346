"""A user with a home and an ssh configuration of its own, who runs skewmon against real servers."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fleet.clocks import build
from tests.fleet.node import FleetNode
from tests.fleet.sshd import Fleet

#: A check of a few nodes takes two seconds; this is for a busy machine.
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class User:
    """A user whose ~/.ssh/config has one test's text."""

    fleet: Fleet
    home: Path

    def place(self, name: str) -> str:
        """Return the lines of ssh_config that lead to a node of the fleet."""
        node = self.fleet[name]
        return f" HostName {node.address}\n Port {node.port}\n"

    def login(self, identity: object = None, known_hosts: object = None) -> str:
        """Return the lines of ssh_config that log in to a node of the fleet, with other files if given."""
        return (
            f" User {self.fleet.user}\n IdentityFile {identity or self.fleet.identity}\n"
            f" UserKnownHostsFile {known_hosts or self.fleet.known_hosts}\n"
        )

    def configure(self, text: str, name: str = "config") -> None:
        """Write a file of ~/.ssh."""
        path = self.home / ".ssh" / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    def knowing(self, *nodes: FleetNode, name: str | None = None) -> Path:
        """Write a known_hosts file with these nodes alone, under another name if given."""
        path = self.home / f"known-{'-'.join(node.name for node in nodes)}"
        lines = (node.host_line for node in nodes)
        path.write_text(
            "".join(f"{name or place} {key}" for place, key in (line.split(" ", 1) for line in lines))
        )
        return path

    def run(
        self, *arguments: str, prefix: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run skewmon as this user, without an agent."""
        home = str(self.home)  # ssh takes it from the user database, and for Include from the environment
        own = {"LD_PRELOAD": str(build("login", "login.c")), "FLEET_HOME": home, "HOME": home, **environment}
        inherited = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        return subprocess.run(
            [*prefix, sys.executable, "-m", "skewmon", *arguments],
            env=inherited | own,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )

    def check(self, *arguments: str, prefix: tuple[str, ...] = (), **environment: str) -> "Checked":
        """Check nodes as this user."""
        done = self.run("check", "-o", "json", *arguments, prefix=prefix, **environment)
        assert done.stdout, done.stderr
        (cluster,) = json.loads(done.stdout)["clusters"]
        return Checked(done.returncode, {node["name"]: node for node in cluster["nodes"]})


@dataclass(frozen=True)
class Checked:
    """The exit code of a check, and the document of each node."""

    code: int
    nodes: dict[str, dict[str, Any]]

    def assert_measured(self, *names: str) -> None:
        """Require that these nodes, and no others, were measured."""
        assert {name for name, node in self.nodes.items() if node["measured"]} == set(names), self.nodes
