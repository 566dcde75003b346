"""A probe report as text: the short form, and every line of it."""

import time
from collections.abc import Iterator
from dataclasses import fields

from skewmon.clock.burst import ageing_ns
from skewmon.clock.interval import OSCILLATOR, UNKNOWN_RATE, WALL, intersection, offset_of
from skewmon.clock.vantage import on_vantage, vantage_offset
from skewmon.model import Exchange, Failed, Interval, SyncStatus
from skewmon.monitor.probe import ProbeReport, since_s
from skewmon.probe.faults import host_port
from skewmon.probe.transcript import Side, TranscriptLine
from skewmon.text import bound, harmless, offset

#: The mark of each side.
MARKS: dict[Side, str] = {"command": "$", "sent": ">", "received": "<", "error": "!", "end": "."}

#: The ladder is some 200 lines; the first ones say enough of it.
SENT_LINES = 2

#: Names of an exchange's columns; all in nanoseconds, the stamps after the first of them.
HEAD = f"{'':>4} {'sent':>13} {'received':>13} {'round trip':>11}   node's clock to the admin box's"


def brief(found: ProbeReport) -> Iterator[str]:
    """Yield a few lines: the result, or the reason if there is none."""
    yield f"{found.node.name} at {host_port(found.node.address, found.node.ssh.port)}"
    if found.failure:
        yield from _failed("not measured", found.failure)
    elif found.burst:
        program = found.burst.program
        yield f"  program     {program.probe}, clocksource {program.clocksource or 'unknown'}"
        yield from _vantage(found)
        yield from _result(found)
    if found.status or found.status_failure:
        yield from _claim(found)
    if found.failure:
        yield "  -v shows the whole conversation."


def full(found: ProbeReport) -> Iterator[str]:
    """Yield everything."""
    if found.node.transport == "ntp":
        yield from _reached_by_ntp(found)
    else:
        yield from _reached(found)
        yield "\nConversation ($ command, > sent, < received, ! standard error)"
        yield from _conversation(found)
    if found.burst:
        yield "\nExchanges; stamps in nanoseconds after the first"
        yield from _exchanges(found)
    yield "\nResult"
    if found.failure:
        yield from _failed("not measured", found.failure)
    yield from _vantage(found)
    yield from _result(found)
    yield "\nTime daemons"
    yield from _tools(found)
    yield from _claim(found)


def _reached_by_ntp(found: ProbeReport) -> Iterator[str]:
    yield f"{found.node.name} at {host_port(found.node.address, found.node.ssh.port)}"
    yield "  transport   NTP over UDP, without a login; its replies are not authenticated"


def _reached(found: ProbeReport) -> Iterator[str]:
    ssh = found.node.ssh
    yield f"{found.node.name} at {host_port(found.node.address, ssh.port)}"
    yield f"  user        {ssh.user or 'the local one'}"
    yield f"  jump        {', '.join(ssh.jump) or 'none'}"
    if ssh.proxy_command:
        yield f"  proxy       {ssh.proxy_command}"
    yield f"  identities  {', '.join(ssh.identities) or 'none'}{', and the agent' if ssh.agent else ''}"
    yield f"  known hosts {', '.join(ssh.known_hosts) or 'none'}"
    if found.opened_s is not None:
        yield f"  opened in   {found.opened_s:.3f} s, from the name to the program's hello"
    for name, value in found.connection.items():
        yield f"  {name.replace('_', ' '):<11} {harmless(value)}"


def _conversation(found: ProbeReport) -> Iterator[str]:
    sent = 0
    lines = found.transcript.lines
    script_ends = next((at for at, line in enumerate(lines) if line.side == "received"), len(lines))
    for at, line in enumerate(lines):
        if line.side == "sent" and at < script_ends:
            sent += 1
            if sent > SENT_LINES:
                continue
        elif sent > SENT_LINES:
            yield f"{'':>10}   … and {sent - SENT_LINES} more lines of the program ladder"
            sent = 0
        yield _line(found, line)
    if not lines:
        yield "  nothing was said"


def _line(found: ProbeReport, line: TranscriptLine) -> str:
    return f"{since_s(found, line.at_ns):>9.6f}s {MARKS[line.side]} {harmless(line.text)}"


def _exchanges(found: ProbeReport) -> Iterator[str]:
    assert found.burst is not None
    yield HEAD
    first_ns = found.burst.opening[0].sent_ns
    for number, exchange in enumerate(found.burst.opening, start=1):
        yield _exchange(found, exchange, str(number), first_ns)
    if found.burst.closing:
        yield _exchange(found, found.burst.closing, "last", first_ns)


def _exchange(found: ProbeReport, exchange: Exchange, name: str, first_ns: int) -> str:
    assert found.burst is not None
    wall = offset_of(exchange, found.burst.program, WALL)
    against = _against(wall, found) if wall else "contradicts itself"
    return (
        f"{name:>4} {exchange.sent_ns - first_ns:>13} {exchange.received_ns - first_ns:>13} "
        f"{exchange.round_trip_ns:>11}   {against}"
    )


def _against(wall: Interval, found: ProbeReport) -> str:
    if found.admin is None:
        return ""
    apart = wall - found.admin
    return offset(apart.estimate_ns, apart.bound_ns)


def _result(found: ProbeReport) -> Iterator[str]:
    if not found.estimate or not found.admin_offset:
        return
    apart = offset(found.admin_offset.estimate_ns, found.admin_offset.bound_ns)
    yield f"  offset      {apart}, against this machine's own clock"
    yield f"  interval    [{found.admin_offset.lower_ns} ns, {found.admin_offset.upper_ns} ns]"
    best = bound(found.estimate.round_trip_ns)
    yield f"  round trip  {best}, the best of {found.estimate.samples} exchanges"
    if found.estimate.oscillator and found.estimate.correction:
        yield (
            f"  of which    oscillator ± {bound(found.estimate.oscillator.bound_ns)}, "
            f"correction ± {bound(found.estimate.correction.bound_ns)}"
        )
        assert found.burst is not None
        aged = bound(ageing_ns(found.burst, found.estimate.at_ns, UNKNOWN_RATE))
        yield f"  ageing      ± {aged}, since the rate of its oscillator is unknown in a first round"
    seconds, rest_ns = divmod(found.estimate.at_ns + found.estimate.wall.estimate_ns, 1_000_000_000)
    yield f"  its clock   {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest_ns:09d} UTC"


def _vantage(found: ProbeReport) -> Iterator[str]:
    """Yield how well the node is known from its vantage, and the vantage itself from here."""
    if isinstance(found.vantage, Failed):
        yield from _failed("not measured from its vantage", found.vantage)
    elif found.vantage and found.burst:
        last = on_vantage(found.burst.opening[-1:])
        near = vantage_offset(found.burst, last[0].received_ns) if last else None
        own = found.vantage.burst
        far = intersection(own.opening, own.program, own.opening[-1].received_ns, OSCILLATOR)
        known = f"± {bound(near.bound_ns)}" if near else "no stamps"
        itself = f"± {bound(far.bound_ns)}" if far else "contradicts itself"
        label = found.vantage.label
        yield f"  vantage     measured from {label} ({known}), {label} itself {itself}"


def _tools(found: ProbeReport) -> Iterator[str]:
    for name, output in found.tools.items():
        state = "timed out" if output.timed_out else f"exit status {output.status}"
        yield f"  {name} ({state})"
        yield from (f"    | {harmless(line)}" for line in output.stdout.splitlines())
        yield from (f"    ! {harmless(line)}" for line in output.stderr.splitlines())


def _claim(found: ProbeReport) -> Iterator[str]:
    if found.status_failure:
        yield from _failed("not asked", found.status_failure)
    elif found.status is None:
        yield "  not asked: there is no connection."
    else:
        yield f"  claim       {_claims(found.status)}"


def _claims(status: SyncStatus) -> str:
    """Return the claims of the time daemons, by the names of the JSON."""
    claims = {field.name: getattr(status, field.name) for field in fields(status)}
    hidden = ("daemon", "peers", "kernel", "updated_wall_s")
    parts = [
        f"{name} {_plain(value)}" for name, value in claims.items() if name not in hidden and _is_known(value)
    ]
    return ", ".join([status.daemon, *parts])


def _is_known(value: object) -> bool:
    return value is not None and value != ()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return harmless(", ".join(value) if isinstance(value, tuple) else str(value))


def _failed(outcome: str, failure: Failed) -> Iterator[str]:
    yield f"  {outcome}: {failure.reason}. {failure.detail}"
    if failure.advice:
        yield f"  {failure.advice}"
