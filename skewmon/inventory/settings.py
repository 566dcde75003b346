"""SSH settings in layers: defaults, cluster, node, and the login in a live source."""

from dataclasses import dataclass, replace

from skewmon.config.effective import merged_ssh
from skewmon.config.paths import secret_file
from skewmon.config.schema import SshSpec
from skewmon.model import NS_PER_S, SshSettings


@dataclass(frozen=True, slots=True)
class Context:
    """The input of a live source: the settings that its nodes start from."""

    ssh: SshSettings


def merged(*layers: SshSpec) -> SshSettings:
    """Return the settings of several layers, the last taking precedence, with credentials looked up."""
    spec = merged_ssh(*layers)
    assert spec.port is not None
    assert spec.connect_timeout_ns is not None
    return SshSettings(
        user=spec.user,
        advice_user=spec.advice_user,
        port=spec.port,
        identities=tuple(secret_file(identity) for identity in spec.identity or ()),
        known_hosts=spec.known_hosts or (),
        jump=spec.jump or (),
        vantage=spec.vantage or "auto",
        proxy_command=spec.proxy_command,
        agent=bool(spec.agent),
        legacy=bool(spec.legacy),
        connect_timeout_s=spec.connect_timeout_ns / NS_PER_S,
        host_key_alias=spec.host_key_alias,
    )


def with_login(settings: SshSettings, user: str | None, port: int | None) -> SshSettings:
    """Return the settings with a user and a port, unless they are None."""
    return replace(
        settings,
        user=settings.user if user is None else user,
        port=settings.port if port is None else port,
    )
