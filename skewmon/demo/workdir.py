"""The files to reach the simulated nodes, in one directory: key, host keys, configuration."""

from collections.abc import Sequence
from pathlib import Path

import asyncssh
import yaml

from skewmon.demo.server import ADDRESS, Listening

CONFIG = "skewmon.yml"
IDENTITY = "id_ed25519"
KNOWN_HOSTS = "known_hosts"

#: The usual fifteen seconds are too long to wait for the first step.
INTERVAL = "2s"
STATUS_INTERVAL = "5s"


def make_identity(directory: Path) -> str:
    """Write a new private key and return its public half."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="skewmon demo")
    path = directory / IDENTITY
    path.touch(mode=0o600)
    path.write_bytes(key.export_private_key())
    return key.export_public_key().decode()


def write_config(directory: Path, nodes: Sequence[Listening], listen: str) -> Path:
    """Write host keys and configuration, and return the path of the latter."""
    lines = (f"[{ADDRESS}]:{node.port} {node.host_key}\n" for node in nodes)
    (directory / KNOWN_HOSTS).write_text("".join(lines))
    document = {
        "web": {"listen": listen},
        "state_directory": str(directory / "state"),
        "ssh": {
            "user": "skewmon",
            "identity": str(directory / IDENTITY),
            "known_hosts": str(directory / KNOWN_HOSTS),
        },
        "clusters": {
            "demo": {
                "nodes": [
                    {"name": node.simulated.name, "address": ADDRESS, "port": node.port} for node in nodes
                ],
                "interval": INTERVAL,
                "status_interval": STATUS_INTERVAL,
                "thresholds": [
                    {"severity": "warning", "skew": "50ms", "for": "10s", "clear_for": "10s"},
                    {"severity": "critical", "skew": "1s", "for": "0s", "clear_for": "10s"},
                ],
            }
        },
    }
    path = directory / CONFIG
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path
