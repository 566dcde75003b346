"""The template of a first configuration."""

import json
import re

import yaml

from skewmon.config.paths import CREDENTIAL
from skewmon.config.schema import DEFAULT_KNOWN_HOSTS

#: The key as the shipped unit hands it to the service.
SERVICE_KEY = f"{CREDENTIAL}ssh_key"

_TEMPLATE = """\
# The minimum: the nodes to measure. Everything else has a default, see skewmon.example.yml.
# Check it with: skewmon config check {path}
ssh:
  user: skewmon
  identity: {identity}  # to put on the nodes: skewmon keys authorize
  known_hosts: {known_hosts}  # to compare and write: skewmon keys scan
clusters:
  {cluster}:
    nodes:
{nodes}
"""


def first_configuration(
    nodes: tuple[str, ...],
    cluster: str,
    path: str,
    identity: str = SERVICE_KEY,
    known_hosts: str = DEFAULT_KNOWN_HOSTS,
) -> str:
    """Return a commented configuration that measures ``nodes``."""
    listed = "\n".join(f"      - {_quoted(node)}" for node in nodes)
    plain = re.fullmatch(r"[A-Za-z][\w-]*", cluster, re.ASCII) and isinstance(yaml.safe_load(cluster), str)
    return _TEMPLATE.format(
        path=path,
        identity=_plain(identity),
        known_hosts=_plain(known_hosts),
        cluster=cluster if plain else _quoted(cluster),
        nodes=listed,
    )


def _plain(path: str) -> str:
    """Return a path as YAML, in quotes only if it needs them."""
    return path if re.fullmatch(r"[\w./:-]+", path) else _quoted(path)


def _quoted(text: str) -> str:
    """Return a text in JSON's quotes, which are YAML's, too."""
    return json.dumps(text, ensure_ascii=False)
