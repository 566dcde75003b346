"""The files to reach the simulated nodes, in one directory: key, host keys, configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh
import yaml

from skewmon.demo.server import ADDRESS, DemoSite, Listening

USER = "skewmon"
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


def write_config(
    directory: Path, nodes: Sequence[Listening], listen: str, site: DemoSite | None = None
) -> Path:
    """Write host keys and configuration, and return the path of the latter."""
    keys = [(node.port, node.host_key) for node in (*nodes, *(site.nodes if site else ()))]
    keys += [(site.port, site.host_key)] if site else []
    (directory / KNOWN_HOSTS).write_text("".join(f"[{ADDRESS}]:{port} {key}\n" for port, key in keys))
    clusters = {"demo": _cluster(nodes)}
    if site:
        clusters["site"] = {**_cluster(site.nodes), "ssh": {"jump": [f"{USER}@{ADDRESS}:{site.port}"]}}
    document = {
        "web": {"listen": listen},
        "state_directory": str(directory / "state"),
        "ssh": {
            "user": USER,
            "advice_user": USER,  # here it answers a person, too
            "identity": str(directory / IDENTITY),
            "known_hosts": str(directory / KNOWN_HOSTS),
        },
        "clusters": clusters,
    }
    path = directory / CONFIG
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def _cluster(nodes: Sequence[Listening]) -> dict[str, Any]:
    return {
        "nodes": [{"name": node.simulated.name, "address": ADDRESS, "port": node.port} for node in nodes],
        "interval": INTERVAL,
        "status_interval": STATUS_INTERVAL,
        "thresholds": [
            {"severity": "warning", "skew": "50ms", "for": "10s", "clear_for": "10s"},
            {"severity": "critical", "skew": "1s", "for": "0s", "clear_for": "10s"},
        ],
    }
