"""SSH settings in layers: defaults, cluster, node, and what a live source says of a node."""

from dataclasses import dataclass, replace
from typing import Any

from skewmon.config.paths import secret_file
from skewmon.config.schema import (
    DEFAULT_CONNECT_TIMEOUT_NS,
    DEFAULT_IDENTITY,
    DEFAULT_KNOWN_HOSTS,
    DEFAULT_PORT,
    DEFAULT_USER,
    SshSpec,
)
from skewmon.model import NS_PER_S, SshSettings


@dataclass(frozen=True, slots=True)
class Context:
    """What a live source has to know: the settings that its nodes start from."""

    ssh: SshSettings


def merged(*layers: SshSpec) -> SshSettings:
    """Return the settings of several layers, the last word counting most, with defaults below them all."""
    said: dict[str, Any] = {}
    for layer in layers:
        said |= {
            key: getattr(layer, key) for key in layer.model_fields_set if getattr(layer, key) is not None
        }
    agent = said.get("agent", False)
    identities = said.get("identity", () if agent else (DEFAULT_IDENTITY,))
    timeout_ns = said.get("connect_timeout_ns", DEFAULT_CONNECT_TIMEOUT_NS)
    return SshSettings(
        user=said.get("user", DEFAULT_USER),
        port=said.get("port", DEFAULT_PORT),
        identities=tuple(secret_file(identity) for identity in identities),
        known_hosts=said.get("known_hosts", (DEFAULT_KNOWN_HOSTS,)),
        jump=said.get("jump", ()),
        agent=agent,
        connect_timeout_s=timeout_ns / NS_PER_S,
        host_key_alias=said.get("host_key_alias"),
    )


def with_login(settings: SshSettings, user: str | None, port: int | None) -> SshSettings:
    """Return the settings with a user and a port where they are said."""
    return replace(
        settings,
        user=settings.user if user is None else user,
        port=settings.port if port is None else port,
    )
