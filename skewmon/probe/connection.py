"""An authenticated SSH connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncssh

from skewmon.errors import Failed, NodeError
from skewmon.probe.faults import lost_error
from skewmon.probe.metering import Meter
from skewmon.probe.stamped_socket import Stamps

#: A packet buffer for a program that never sends more than lines of a hundred bytes.
WINDOW_BYTES = 256 * 1024


@dataclass
class Connection:
    """An authenticated connection and the stamps of its bytes (behind bastions, the first hop's socket).

    ``vantage_label`` names the vantage whose relay carries and stamps it, empty without one. ``detour`` is
    the fault of the relay around which it leads. ``forwards`` has the places to which a bastion was seen to
    forward.
    """

    ssh: asyncssh.SSHClientConnection
    stamps: Stamps
    via: "Connection | None" = None
    meter: Meter = field(default_factory=Meter)
    vantage_label: str = ""
    detour: Failed | None = None
    forwards: set[tuple[str, int]] = field(default_factory=set)

    @property
    def fault(self) -> NodeError | None:
        """The reason if this connection, or a hop before it, was closed for its cost, else None."""
        return self.meter.fault or (self.via.fault if self.via else None)

    @property
    def is_open(self) -> bool:
        """Whether the connection and every hop before it are open."""
        return not self.ssh.is_closed() and (self.via is None or self.via.is_open)

    @contextmanager
    def opening_session(self) -> Iterator[None]:
        """Open a session in the body; raise NodeError if the connection ends, which asyncssh may fail at."""
        try:
            yield
        except Exception as error:
            if self.is_open:
                raise
            raise self.fault or lost_error(self.meter.lost or error) from None

    def abort(self) -> None:
        """Drop the connection at once; hops are shared and stay."""
        self.ssh.abort()
