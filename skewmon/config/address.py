"""The address that the daemon listens at."""

import ipaddress
from dataclasses import dataclass

from skewmon.config.limits import MAX_PORT
from skewmon.config.targets import check_host
from skewmon.errors import echoed


@dataclass(frozen=True, slots=True)
class Listen:
    """Host and port; an empty host is every address, port 0 any free port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_listen(text: str) -> Listen:
    """Return ``host:port``, ``[address]:port`` or ``:port``; raise ValueError with the expectation."""
    host, colon, port = text.rpartition(":")
    digits = port.isascii() and port.isdigit() and len(port) <= 5
    if not colon or not digits or int(port) > MAX_PORT:
        raise ValueError(f"expected host:port such as 127.0.0.1:10061, found {echoed(text)}")
    if host.startswith("[") and host.endswith("]"):
        host = str(ipaddress.ip_address(host[1:-1]))
    elif ":" in host:
        raise ValueError(f"an IPv6 address is written in brackets: [{host}]:{port}")
    return Listen(check_host(host) if host else "", int(port))
