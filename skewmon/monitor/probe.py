"""One node in detail: the measurement of ``probe``."""

import asyncio
import time
from dataclasses import dataclass, field, replace

from skewmon.clock.burst import estimate
from skewmon.errors import NodeError, Reason
from skewmon.model import NS_PER_S, Burst, Estimate, Failed, Interval, Node, SyncStatus, VantageReading
from skewmon.probe import vantage_readings
from skewmon.probe.budget import Budget
from skewmon.probe.clocks import ArrivalClock, admin_wall, base_ns
from skewmon.probe.connection import Connection
from skewmon.probe.link import Link
from skewmon.probe.ntp_link import link_to
from skewmon.probe.time_status import read_text
from skewmon.probe.transcript import RecordingDialer, Transcript
from skewmon.runtime.containment import Where, contained, node_error, translated
from skewmon.timesync import script
from skewmon.timesync.status import assemble

#: The reported facts of an SSH connection, by asyncssh's names.
CONNECTION_FACTS = ("server_version", "send_cipher")


@dataclass
class ProbeReport:
    """The results, stage by stage; the stages after a failure stay empty."""

    node: Node
    began_ns: int = field(default_factory=base_ns)
    transcript: Transcript = field(default_factory=Transcript)
    connection: dict[str, str] = field(default_factory=dict)
    opened_s: float | None = None
    burst: Burst | None = None
    admin: Interval | None = None
    estimate: Estimate | None = None
    vantage: VantageReading | Failed | None = None
    failure: Failed | None = None
    tools: dict[str, script.ToolOutput] = field(default_factory=dict)
    status: SyncStatus | None = None
    status_failure: Failed | None = None

    @property
    def admin_offset(self) -> Interval | None:
        """The node's wall clock minus the admin box's."""
        return self.estimate.wall - self.admin if self.estimate and self.admin else None


async def probe_node(node: Node, samples: int, timeout_s: float) -> ProbeReport:
    """Measure one node once and query its time daemons; the report includes every failure."""
    found = ProbeReport(node)
    arrivals = ArrivalClock()
    dialer = RecordingDialer(arrivals)
    dialer.transcript = found.transcript
    link = link_to(node, dialer, arrivals)
    try:
        async with asyncio.timeout(timeout_s):
            with translated(Where.NODE, node_error):
                await _measure(link, samples, found)
    except NodeError as error:
        found.failure = error.failed
    except TimeoutError:
        found.failure = Failed(Reason.NO_ANSWER, f"It was not measured within {timeout_s:g} s.")
    if link.connection is not None:
        await _query_daemons(link.connection, found)
    found.status = found.status or link.claims
    link.close()
    with contained(Where.NODE):
        await dialer.close()
    return found


async def _measure(link: Link, samples: int, found: ProbeReport) -> None:
    began_s = time.monotonic()
    await link.open()
    found.opened_s = time.monotonic() - began_s
    if link.connection is not None:
        found.connection = _facts(link.connection)
    vantages = {link.vantage} if link.vantage else set()
    found.vantage = next(iter((await vantage_readings.taken(vantages, samples, Budget())).values()), None)
    found.estimate = await link.arrivals.believed(lambda: _estimated(link, samples, found))
    found.vantage = link.detour or found.vantage


async def _estimated(link: Link, samples: int, found: ProbeReport) -> Estimate:
    opening = await link.burst(samples)
    at_ns, found.admin = base_ns(), admin_wall()
    found.burst = replace(opening, closing=await link.exchange(opening.program))
    return estimate(found.burst, at_ns)


async def _query_daemons(connection: Connection, found: ProbeReport) -> None:
    try:
        with translated(Where.STATUS, node_error):
            nonce, text = await read_text(connection)
            found.tools = script.split(nonce, text)
            found.status = assemble(found.tools)
    except NodeError as error:
        found.status_failure = error.failed


def _facts(connection: Connection) -> dict[str, str]:
    facts = {name: str(connection.ssh.get_extra_info(name) or "") for name in CONNECTION_FACTS}
    key = connection.ssh.get_server_host_key()
    if key is not None:
        facts["host_key"] = f"{key.get_algorithm()} {key.get_fingerprint()}"
    return facts


def since_s(found: ProbeReport, instant_ns: int) -> float:
    """Return when an instant of the base was, in seconds after the start of the probe."""
    return (instant_ns - found.began_ns) / NS_PER_S
