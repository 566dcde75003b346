"""The template of a first configuration."""

import json
import re

import yaml

_TEMPLATE = """\
# The minimum: the nodes to measure. Everything else has a default, see skewmon.example.yml.
# Check it with: skewmon config check {path}
ssh:
  user: skewmon
  identity: /etc/skewmon/ssh/id_ed25519       # to put on the nodes: skewmon keys authorize
  known_hosts: /etc/skewmon/ssh/known_hosts   # to compare and write: skewmon keys scan
clusters:
  {cluster}:
    nodes:
{nodes}
"""


def first_configuration(nodes: tuple[str, ...], cluster: str, path: str) -> str:
    """Return a commented configuration that measures ``nodes``."""
    listed = "\n".join(f"      - {_quoted(node)}" for node in nodes)
    plain = re.fullmatch(r"[A-Za-z][\w-]*", cluster, re.ASCII) and isinstance(yaml.safe_load(cluster), str)
    return _TEMPLATE.format(path=path, cluster=cluster if plain else _quoted(cluster), nodes=listed)


def _quoted(text: str) -> str:
    """Return a text in JSON's quotes, which are YAML's, too."""
    return json.dumps(text, ensure_ascii=False)
