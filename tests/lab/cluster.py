"""Guests that share a network with skewmon and with the test."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncssh
import yaml

from skewmon.model import Node, SshSettings
from tests.fleet.node import Keys, public_text
from tests.lab.guest import DISK, Guest
from tests.lab.network import network

CHECK_LIMIT_S = 90


class Lab:
    """Guests n1, n2, …; everything that this thread starts is in their network."""

    def __init__(self, directory: Path, keys: Keys, pid: int) -> None:
        self.directory, self.keys = directory, keys
        self.pid = pid
        self.guests: list[Guest] = []

    def __getitem__(self, name: str) -> Guest:
        return next(guest for guest in self.guests if guest.name == name)

    def nodes(self) -> list[Node]:
        """Return the guests as nodes of skewmon."""
        keys = self.keys
        ssh = SshSettings(user="root", identities=(str(keys.identity),), known_hosts=(str(keys.known_hosts),))
        return [Node(guest.name, guest.address, ssh) for guest in self.guests]

    def write_config(self, path: Path, *, cluster: Mapping[str, Any] | None = None, **top: Any) -> Path:
        """Write a configuration with all guests in the cluster ``lab``."""
        keys = self.keys
        ssh = {"user": "root", "identity": str(keys.identity), "known_hosts": str(keys.known_hosts)}
        nodes = [{"name": guest.name, "address": guest.address} for guest in self.guests]
        whole = {
            "ssh": ssh,
            "clusters": {"lab": {"nodes": nodes, "interval": "1s", **(cluster or {})}},
            **top,
        }
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path

    def skewmon(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of skewmon to its end."""
        return subprocess.run(
            [sys.executable, "-m", "skewmon", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CHECK_LIMIT_S,
            check=False,
        )

    def check(self, *, rounds: int = 1, **cluster: Any) -> dict[str, Any]:
        """Return the cluster of ``check -o json``, its nodes by name under ``by_name``."""
        config = self.write_config(self.directory / "check.yml", cluster=cluster)
        done = self.skewmon("check", "--config.file", str(config), "--rounds", str(rounds), "-o", "json")
        assert done.stdout, done
        (found,) = json.loads(done.stdout)["clusters"]
        return {**found, "by_name": {node["name"]: node for node in found["nodes"]}}


@contextlib.contextmanager
def lab(directory: Path, count: int, *, inits: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """Switch on so many guests and wait until they are up; always switch them off."""
    assert DISK.exists(), "the guests have no disk: run tests/lab/guests.sh as root"
    key = asyncssh.generate_private_key("ssh-ed25519")
    keys = Keys(client=key, identity=directory / "id_ed25519", known_hosts=directory / "known_hosts")
    keys.identity.write_bytes(key.export_private_key())
    keys.identity.chmod(0o600)
    keys.identity.with_suffix(".pub").write_text(public_text(key) + "\n")
    with ExitStack() as stack:
        pid = stack.enter_context(network(count))
        opened = Lab(directory, keys, pid)
        for number in range(1, count + 1):
            name = f"n{number}"
            guest = Guest(number, directory / name, pid, keys, init=(inits or {}).get(name, "init"))
            stack.callback(guest.stop)
            opened.guests.append(guest)
            guest.start()
        keys.known_hosts.write_text("".join(guest.host_line for guest in opened.guests))
        for guest in opened.guests:
            guest.wait_until_up()
        yield opened
