"""The time servers that are queried for UTC: texts as ``ntp1.example.com``, or mappings."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from skewmon.config import limits
from skewmon.config.base import Spec
from skewmon.config.fields import Duration, Host, Port, duration_within, refused_by
from skewmon.config.targets import parse_target
from skewmon.errors import echoed
from skewmon.model import NS_PER_S, TimeServer

NTP_PORT = 123

#: The shortest poll interval that ntpd and chronyd use by default for a server (minpoll 6).
DEFAULT_INTERVAL_NS = 64 * NS_PER_S


def parse_reference(text: str) -> TimeServer:
    """Return the time server of ``HOST[:PORT]``; raise ValueError with the expectation."""
    target = parse_target(text)
    if target.user is not None:
        raise ValueError(f"{echoed(text)}: a time server has no users; write {target.host}")
    return _server(target.host, NTP_PORT if target.port is None else target.port)


def _server(
    address: str, port: int, interval_ns: int = DEFAULT_INTERVAL_NS, *, from_vantages: bool = False
) -> TimeServer:
    host = f"[{address}]" if ":" in address and port != NTP_PORT else address
    name = host if port == NTP_PORT else f"{host}:{port}"
    return TimeServer(name, address, port, interval_ns / NS_PER_S, from_vantages)


class ReferenceSpec(Spec):
    """One time server with settings of its own."""

    address: Host = Field(description="name or address of the server")
    port: Port = Field(NTP_PORT, description="UDP port")
    interval_ns: Annotated[
        Duration, duration_within(limits.MIN_REFERENCE_INTERVAL_NS, limits.MAX_REFERENCE_INTERVAL_NS)
    ] = Field(
        DEFAULT_INTERVAL_NS, alias="interval", description="queried at most this often, within the rounds"
    )
    vantages: bool = Field(default=False, description="also query it from the vantages, as often from each")


def _kind_of_reference(value: Any) -> str:
    """Return which of the two forms of a reference was written."""
    return "mapping" if isinstance(value, dict | ReferenceSpec) else "text"


ReferenceEntry = Annotated[
    Annotated[str, AfterValidator(refused_by(parse_reference)), Tag("text")]
    | Annotated[ReferenceSpec, Tag("mapping")],
    Discriminator(_kind_of_reference),
]


def time_servers(entries: Iterable[str | ReferenceSpec]) -> tuple[TimeServer, ...]:
    """Return the time servers of a configuration."""
    return tuple(parse_reference(one) if isinstance(one, str) else _of_mapping(one) for one in entries)


def _of_mapping(spec: ReferenceSpec) -> TimeServer:
    return _server(spec.address, spec.port, spec.interval_ns, from_vantages=spec.vantages)
