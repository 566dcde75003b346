"""How ssh would log in to a host, in the settings of skewmon.

One difference from ssh, on the safe side: host keys are always verified, for any StrictHostKeyChecking.
A host that ssh refuses, or that skewmon cannot use, costs itself alone: its settings carry the refusal.
"""

import asyncio
import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from skewmon.config.limits import MAX_HOPS, MAX_PORT, MIN_PORT
from skewmon.config.targets import Target, check_host, parse_target
from skewmon.errors import InventoryError, echoed
from skewmon.inventory.openssh import Answer, OpenSsh, from_home
from skewmon.model import Node, SshSettings
from skewmon.runtime.containment import Where, translated

#: Instead of a value that a configuration leaves open, so that the cluster's own setting counts.
UNSET = "/unset.invalid"
UNSET_HOP = "unset.invalid"

#: Default keys that are not offered: those of hardware tokens want a touch, the others are obsolete.
NOT_OFFERED = re.compile(r"_sk$|/id_(?:xmss|dsa)$")

#: Keywords by which a host is allowed older algorithms, and the names that mean them. hmac-sha1 does not, for
#: it is among ssh's own defaults.
ALGORITHMS = ("kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes")
LEGACY = frozenset({"ssh-rsa", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"})


@dataclass(frozen=True, slots=True)
class Given:
    """The command line's own settings, which take precedence over every file."""

    user: str | None = None
    port: int | None = None
    identities: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    jump: str | None = None
    vantage: str | None = None


@dataclass(frozen=True)
class SshLogin:
    """Turns ssh's answers into settings; if an answer is UNSET, that of ``base`` counts."""

    ssh: OpenSsh
    base: SshSettings = field(default_factory=SshSettings)

    async def nodes(self, hosts: Iterable[tuple[str, Given]]) -> list[Node]:
        """Return the hosts as nodes, each with its settings or with the reason why it has none."""
        return list(await asyncio.gather(*(self._node(host, given) for host, given in hosts)))

    async def _node(self, host: str, given: Given) -> Node:
        options = _options(given.user, given.port, given.jump)
        try:
            with translated(Where.INVENTORY, InventoryError, host=host):
                answer = await self.ssh.ask(host, *options)
                whole = await self._stamped(await self._whole(answer, given, MAX_HOPS), given)
                return Node(host, _address(answer), replace(whole, login=self._login(host, given)))
        except InventoryError as error:
            left = replace(self.base, user=given.user, port=given.port or self.base.port)
            return Node(host, host, replace(left, refusal=str(error)))

    def _login(self, host: str, given: Given) -> str:
        """Return the command that reaches a host in the user's own configuration, by the name in it.

        Its options mean the same to ``skewmon probe``.
        """
        jump = () if given.jump is None else ("-J", given.jump)
        keys = (word for path in given.identities for word in ("-i", path))
        words = ("ssh", *keys, *_options(given.user, given.port, None), *jump, host)
        return shlex.join(words) if self.ssh.is_users else ""

    async def _whole(self, answer: Answer, given: Given, hops_left: int) -> SshSettings:
        """Return the settings of a host with the way to it."""
        own = await self._own(answer, given)
        jump, command = answer.one("proxyjump"), answer.one("proxycommand")
        if jump == UNSET_HOP:
            base = self.base
            return replace(own, jump=base.jump, bastions=base.bastions, proxy_command=base.proxy_command)
        if command is not None and answer.one("proxyusefdpass") == "yes":
            raise InventoryError(f"{answer.host} has ProxyUseFdpass, which is not supported")
        own = replace(own, proxy_command=command)
        return own if jump is None else await self._behind(own, jump.split(","), given, hops_left)

    async def _stamped(self, whole: SshSettings, given: Given) -> SshSettings:
        """Return settings with the vantage of the command line, which is reached like the nodes."""
        if given.vantage is None or given.vantage in ("auto", "none"):
            return replace(whole, vantage=given.vantage or whole.vantage)
        target = parse_target(given.vantage)
        answer = await self.ssh.ask(target.host, *_options(target.user, target.port, None))
        own = await self._whole(answer, replace(given, user=None, port=None, jump=None), MAX_HOPS)
        if not own.jump and own.proxy_command is None:
            own = replace(own, jump=whole.jump, bastions=whole.bastions, proxy_command=whole.proxy_command)
        return replace(whole, vantage=str(Target(_address(answer), own.user, own.port)), vantage_ssh=own)

    async def _behind(self, own: SshSettings, texts: list[str], given: Given, hops_left: int) -> SshSettings:
        """Return settings behind bastions, each evaluated as ssh does: the first with the way to it."""
        if len(texts) > hops_left:
            raise InventoryError(
                f"the way through {texts[0]} has more than {MAX_HOPS} hops, or leads back to itself"
            )
        jump: tuple[str, ...] = ()
        bastions: tuple[SshSettings, ...] = ()
        keys = replace(given, user=None, port=None, jump=None, vantage=None)
        for text in texts:
            try:
                target = parse_target(text)
            except ValueError as error:
                raise InventoryError(f"ProxyJump: {error}") from None
            options = _options(target.user, target.port, "none" if jump else None)
            answer = await self.ssh.ask(target.host, *options)
            if jump:
                hop = replace(await self._own(answer, keys), jump=jump, bastions=bastions)
            else:
                hop = await self._whole(answer, keys, hops_left - len(texts))
                jump, bastions = hop.jump, hop.bastions
            if hop.proxy_command is not None:  # its %n is the name in the file, which is known only here
                hop = replace(hop, proxy_command=_named(hop.proxy_command, target.host))
            jump = (*jump, str(Target(_address(answer), hop.user, hop.port)))
            bastions = (*bastions, hop)
        return replace(own, jump=jump, bastions=bastions)

    async def _own(self, answer: Answer, given: Given) -> SshSettings:
        """Return the settings of a host itself."""
        usual = await self.ssh.ask("localhost", "-F", "none")
        agent, socket = self._agent(answer)
        timeout = answer.one("connecttimeout")
        algorithms = answer.one("hostkeyalgorithms")
        legacy = any(_names_legacy(answer.one(keyword), usual.one(keyword)) for keyword in ALGORITHMS)
        return replace(
            self.base,
            user=answer.one("user"),
            port=_port(answer),
            identities=self._identities(answer, usual, given),
            certificates=tuple(filter(os.path.isfile, answer.keys("certificatefile"))),
            identities_only=answer.one("identitiesonly") == "yes",
            agent=agent,
            agent_socket=socket,
            known_hosts=given.known_hosts or self._known_hosts(answer),
            known_hosts_command=() if given.known_hosts else _known_hosts_command(answer),
            host_key_alias=answer.one("hostkeyalias"),
            host_key_algorithms=()
            if algorithms is None or algorithms == usual.one("hostkeyalgorithms")
            else tuple(algorithms.split(",")),
            legacy=legacy or self.base.legacy,
            connect_timeout_s=float(timeout or 0) or self.base.connect_timeout_s,
            jump=(),
            bastions=(),
            proxy_command=None,
        )

    def _identities(self, answer: Answer, usual: Answer, given: Given) -> tuple[str, ...]:
        """Return the keys to offer; like ssh, without those that do not exist.

        A public half alone is enough: it names a key of the agent.
        """
        named = answer.keys("identityfile")
        if named == [UNSET]:
            return self.base.identities
        if named == usual.keys("identityfile"):
            named = [] if given.identities else [path for path in named if not NOT_OFFERED.search(path)]
        there = (path for path in named if Path(path).is_file() or Path(f"{path}.pub").is_file())
        return tuple(dict.fromkeys((*given.identities, *there)))

    def _known_hosts(self, answer: Answer) -> tuple[str, ...]:
        """Return the files of host keys that exist, the user's before the machine's."""
        named = answer.files("userknownhostsfile")
        users = self.base.known_hosts if named == [UNSET] else named
        return tuple(path for path in (*users, *answer.files("globalknownhostsfile")) if Path(path).exists())

    def _agent(self, answer: Answer) -> tuple[bool, str | None]:
        """Return whether to ask an agent, and its socket if it is not that of SSH_AUTH_SOCK."""
        named = answer.values.get("identityagent", [UNSET])[0]
        if named == UNSET:
            return self.base.agent, self.base.agent_socket
        if named.lower() == "none":
            return False, None
        if named == "SSH_AUTH_SOCK":
            return True, None
        socket = os.environ.get(named[1:], "") if named.startswith("$") else from_home(named)
        return bool(socket), socket or None


def _names_legacy(listed: str | None, usual: str | None) -> bool:
    """Return whether a list of algorithms has one with SHA-1 that ssh does not use by default."""
    return not LEGACY.isdisjoint({*(listed or "").split(",")} - {*(usual or "").split(",")})


def _options(user: str | None, port: int | None, jump: str | None) -> tuple[str, ...]:
    """Return the options of ssh for a login."""
    return (
        *(() if user is None else ("-l", user)),
        *(() if port is None else ("-p", str(port))),
        *(() if jump is None else ("-o", f"ProxyJump={jump}")),
    )


def _address(answer: Answer) -> str:
    try:
        return check_host(answer.one("hostname") or answer.host)
    except ValueError as error:
        raise InventoryError(f"HostName: {error}") from None


def _port(answer: Answer) -> int:
    text = answer.one("port") or ""
    if not text.isdecimal() or not MIN_PORT <= int(text) <= MAX_PORT:
        raise InventoryError(f"ssh prints {echoed(text)} as the port")
    return int(text)


def _known_hosts_command(answer: Answer) -> tuple[str, ...]:
    """Return the arguments of KnownHostsCommand, as ssh runs it before it has seen a key."""
    command = answer.one("knownhostscommand")
    if command is None:
        return ()
    name, port = answer.one("hostkeyalias") or _address(answer), _port(answer)
    key = {
        "H": name if port == 22 else f"[{name}]:{port}",
        "I": "ORDER",
        "K": "NONE",
        "f": "NONE",
        "t": "NONE",
    }
    try:
        return tuple(answer.expanded(word, key) for word in shlex.split(command))
    except ValueError as error:
        raise InventoryError(f"KnownHostsCommand: {error}") from None


def _named(command: str, host: str) -> str:
    """Return a proxy command with ``%n`` replaced."""
    return re.sub("%(.)", lambda part: host if part[1] == "n" else part[0], command)
