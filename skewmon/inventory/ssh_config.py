"""Nodes and login settings from OpenSSH's client configuration, understood as ssh(1) understands it.

Two things differ, both on the safe side: host keys are always verified, whatever StrictHostKeyChecking says,
and what cannot be done but matters (ProxyCommand, Match exec) is refused rather than passed over.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

from skewmon.config.limits import MAX_HOPS
from skewmon.config.schema import SourceSpec
from skewmon.config.targets import Target, check_host, parse_target
from skewmon.errors import ConfigError, Fault, InventoryError
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_lines import ConfigFile, Reader
from skewmon.inventory.ssh_match import Evaluation, included_files, matches_any
from skewmon.inventory.ssh_surroundings import Given, Surroundings
from skewmon.inventory.ssh_values import Values
from skewmon.model import Node, SshSettings

#: Where ssh would wait for TCP's own timeout of two minutes, one node must not hold up a round.
CONNECT_TIMEOUT_S = 10.0


def settings_for(host: str, around: Surroundings, given: Given | None = None) -> tuple[str, SshSettings]:
    """Return the address of a host and how ssh would log in to it.

    Raises ConfigError where the files cannot be read or ask for what skewmon does not do.
    """
    given = given or Given()
    found = evaluate(host, around, given)
    if given.jump is None:
        _refuse_proxy_command(found)
    values = Values(found, around)
    return found.hostname, SshSettings(
        user=values.user,
        port=values.port,
        identities=values.identities(given),
        known_hosts=values.known_hosts() if given.known_hosts is None else given.known_hosts,
        jump=chain(found, around) if given.jump is None else hops(given.jump, around),
        agent=values.agent(),
        identities_only=values.identities_only,
        connect_timeout_s=values.connect_timeout_s() or CONNECT_TIMEOUT_S,
        host_key_alias=values.host_key_alias,
        legacy=values.legacy,
    )


def evaluate(host: str, around: Surroundings, given: Given) -> Evaluation:
    """Return what the files say of a host, read a second time where a `Match final` asks for it."""
    found = Evaluation(host, around.user, around.reader)
    if given.user is not None:
        found.values["user"] = (given.user,)
    if given.port is not None:
        found.values["port"] = (str(given.port),)
    for file in around.files:
        found.read(file)
    if found.wants_final:
        found.values["hostname"] = (found.hostname.replace("%", "%%"),)
        found.final = True
        for file in around.files:
            found.read(file)
    try:
        check_host(found.hostname)
    except ValueError as error:
        raise ConfigError(Fault(f"HostName of {host}: {error}")) from None
    return found


def chain(found: Evaluation, around: Surroundings, left: int = MAX_HOPS) -> tuple[str, ...]:
    """Return the bastions on the way to a host, first hop first, as [user@]address:port."""
    value = found.value("proxyjump")
    if value is None or value.lower() == "none":
        return ()
    return hops(tuple(value.split(",")), around, left)


def hops(texts: tuple[str, ...], around: Surroundings, left: int = MAX_HOPS) -> tuple[str, ...]:
    """Return bastions with what the files say of each; the way to the first may lead through others."""
    found: list[str] = []
    for number, text in enumerate(texts):
        try:
            target = parse_target(text.strip().removeprefix("ssh://"))
        except ValueError as error:
            raise ConfigError(Fault(f"ProxyJump: {error}")) from None
        hop = evaluate(target.host, around, Given(user=target.user, port=target.port))
        if number == 0:
            _refuse_proxy_command(hop)
            found += chain(hop, around, left - len(texts)) if left > len(texts) else _endless(target, hop)
        values = Values(hop, around)
        found.append(str(Target(hop.hostname, values.user, values.port)))
    return tuple(found)


async def read(spec: SourceSpec, context: Context) -> list[Node]:
    """Return the hosts that the file names and the pattern matches; reading runs beside the loop."""
    assert spec.ssh_config is not None
    return await asyncio.to_thread(_read_hosts, spec.ssh_config, spec.hosts or "*", context.ssh)


def _read_hosts(path: str, pattern: str, base: SshSettings) -> list[Node]:
    """Return the nodes of one file."""
    file = ConfigFile(path, str(Path(path).parent))
    around = replace(Surroundings.here(), files=(file,), reader=Reader())
    try:
        if not around.reader.lines(path, private=False):
            raise InventoryError(f"{path} says nothing or does not exist")
        names = [name for name in _named_hosts(file, around.reader) if matches_any(name, pattern.split(","))]
        if not names:
            raise InventoryError(f"no Host of {path} matches {pattern}")
        return [_node(name, around, base) for name in names]
    except ConfigError as error:
        raise InventoryError(str(error)) from None


def _named_hosts(file: ConfigFile, reader: Reader) -> list[str]:
    """Return the hosts that are named without a pattern, in the order of the file and what it includes."""
    found: dict[str, None] = {}
    waiting, seen = [file.path], set()
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        for line in reader.lines(path, private=False):
            if line.keyword == "host":
                found |= dict.fromkeys(name for name in line.arguments() if not set(name) & set("*?!"))
            elif line.keyword == "include":
                waiting += included_files(line, file)
    return list(found)


def _node(name: str, around: Surroundings, base: SshSettings) -> Node:
    """Return one host; what the file leaves open stays as the cluster's settings say."""
    found = evaluate(name, around, Given())
    _refuse_proxy_command(found)
    values = Values(found, around)
    said = found.values.keys()
    settings = replace(
        base,
        user=values.user if "user" in said else base.user,
        port=values.port if "port" in said else base.port,
        identities=values.named_identities() if found.identities else base.identities,
        known_hosts=values.user_known_hosts() if "userknownhostsfile" in said else base.known_hosts,
        jump=chain(found, around) if "proxyjump" in said else base.jump,
        agent=base.agent and found.value("identityagent") != "none",
        identities_only=values.identities_only,
        connect_timeout_s=values.connect_timeout_s() or base.connect_timeout_s,
        host_key_alias=values.host_key_alias,
        legacy=values.legacy or base.legacy,
    )
    return Node(name, found.hostname, settings)


def _refuse_proxy_command(found: Evaluation) -> None:
    """Refuse a host that is reached through a command."""
    command = found.value("proxycommand")
    if command is not None and command.lower() != "none":
        raise ConfigError(
            Fault(
                f"{found.host} is reached by ProxyCommand, which skewmon does not run",
                hint="use ProxyJump, or --jump, or give skewmon a configuration of its own",
            )
        )


def _endless(target: Target, hop: Evaluation) -> tuple[str, ...]:
    """Refuse a way that goes on and on; a hop that needs no other ends it."""
    if (hop.value("proxyjump") or "none").lower() == "none":
        return ()
    raise ConfigError(
        Fault(
            f"the way through {target.host} has more than {MAX_HOPS} hops, or leads back to itself",
            hint=f"exclude the bastion from its own rule: Host * !{target.host}",
        )
    )
