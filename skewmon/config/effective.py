"""The configuration with every default filled in, and how it is shown."""

import hashlib
from typing import Any

import yaml

from skewmon.config.schema import (
    DEFAULT_CONNECT_TIMEOUT_NS,
    DEFAULT_IDENTITY,
    DEFAULT_KNOWN_HOSTS,
    DEFAULT_PORT,
    ClusterSpec,
    Config,
    NodeSpec,
    SshSpec,
    ThresholdSpec,
)
from skewmon.model import DEFAULT_USER, NS_PER_S, Threshold, ThresholdKind

#: Ways to a node that exclude each other: the nearest layer that names one replaces the others' choice.
WAYS = frozenset({"jump", "proxy_command"})


def merged_ssh(*layers: SshSpec) -> SshSpec:
    """Return the settings of several layers: the last takes precedence, then the others, then defaults."""
    merged: dict[str, Any] = {}
    for layer in layers:
        own = {key: getattr(layer, key) for key in layer.model_fields_set if getattr(layer, key) is not None}
        if own.keys() & WAYS:
            merged = {key: value for key, value in merged.items() if key not in WAYS}
        merged |= own
    defaults: dict[str, Any] = {
        "user": DEFAULT_USER,
        "port": DEFAULT_PORT,
        "identity": () if merged.get("agent") else (DEFAULT_IDENTITY,),
        "agent": False,
        "legacy": False,
        "known_hosts": (DEFAULT_KNOWN_HOSTS,),
        "jump": (),
        "vantage": "auto",
        "connect_timeout_ns": DEFAULT_CONNECT_TIMEOUT_NS,
    }
    return SshSpec.model_construct(**(defaults | merged))


def effective(config: Config) -> Config:
    """Return an equivalent configuration with every default filled in."""
    clusters = {name: _effective_cluster(spec, config.ssh) for name, spec in config.clusters.items()}
    return config.model_copy(update={"ssh": merged_ssh(config.ssh), "clusters": clusters})


def shown(config: Config) -> str:
    """Return the effective configuration as YAML, with secrets masked."""
    plain = effective(config).model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)


def digest(config: Config) -> str:
    """Return the SHA-256 of the effective configuration; that of the output of `skewmon config show`."""
    return hashlib.sha256(shown(config).encode(errors="backslashreplace")).hexdigest()


def _effective_cluster(spec: ClusterSpec, defaults: SshSpec) -> ClusterSpec:
    """Return one cluster with its lines spelled out and the settings of every layer merged."""
    nodes = tuple(
        _effective_node(entry, defaults, spec.ssh) if isinstance(entry, NodeSpec) else entry
        for entry in spec.nodes
    )
    lines = tuple(written(line) for line in spec.lines if line.kind in ThresholdSpec.choices)
    ssh = merged_ssh(defaults, spec.ssh)
    return spec.model_copy(update={"nodes": nodes, "thresholds": lines, "ssh": ssh})


def _effective_node(entry: NodeSpec, *layers: SshSpec) -> NodeSpec:
    """Return one node with its settings merged; one that is measured by NTP has none."""
    if entry.transport == "ntp":
        return entry
    own = SshSpec.model_construct(port=entry.port)
    return entry.model_copy(update={"port": None, "ssh": merged_ssh(*layers, entry.ssh, own)})


def written(line: Threshold) -> ThresholdSpec:
    """Return a line as it is written in the file."""
    switch = line.kind in {ThresholdKind.UNSYNCHRONIZED, ThresholdKind.UNREACHABLE}
    limit: dict[str, Any] = {line.kind.value: True if switch else line.limit_ns}
    return ThresholdSpec.model_construct(
        severity=line.severity,
        for_ns=round(line.for_s * NS_PER_S),
        clear_for_ns=round(line.clear_for_s * NS_PER_S),
        **limit,
    )
