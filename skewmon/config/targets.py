"""Node expressions: ``[user@]host[:port]`` whose host is a name, an address or a ClusterShell range."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skewmon.config.limits import MAX_NAME_LENGTH, MAX_NODES, MAX_PORT, MIN_PORT
from skewmon.errors import echoed

#: An address in brackets; its colons distinguish it from a range.
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?)\](?::(.*))?", re.DOTALL)
_HOST = re.compile(r"[\w](?:[\w.-]*[\w.])?")
_RANGE_HOST = re.compile(r"[\w.,!&^\[\]/-]+")
_RANGE = re.compile(r"\[([^\[\]]*)\]")
_RANGE_ITEM = re.compile(r"(-?[0-9]{1,18})(?:-([0-9]{1,18})(?:/([0-9]{1,9}))?)?", re.ASCII)
_OUTSIDE_BRACKETS = re.compile(r"((?:[^\[\],!&^]|\[[^\]]*\]?|\])*)([,!&^]?)")


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of one login; None is unspecified."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host and self.port is not None else self.host
        user = "" if self.user is None else f"{self.user}@"
        return f"{user}{host}" if self.port is None else f"{user}{host}:{self.port}"


def parse_target(text: str) -> Target:
    """Return one ``[user@]host[:port]`` without ranges; raise ValueError with the expectation."""
    user, host, port = _split(text)
    return Target(check_host(host), user, port)


def expand(expression: str) -> tuple[Target, ...]:
    """Return every target of a node expression, in order; raise ValueError with the expectation."""
    if re.search(r"\s", expression.strip()):
        raise ValueError(
            f"{echoed(expression)} holds a space; separate nodes by commas or list them one a line"
        )
    terms = [_split(term) for term in _terms(expression.strip(), ",")]
    logins = {(user, port) for user, _, port in terms}
    if len(logins) == 1 and not any(_is_ipv6(host) for _, host, _ in terms):
        # Operators of ClusterShell work from left to right across commas, so it has to see the whole.
        user, port = logins.pop()
        terms = [(user, ",".join(host for _, host, _ in terms), port)]
    found = dict.fromkeys(Target(host, user, port) for user, hosts, port in terms for host in _hosts(hosts))
    if len(found) > MAX_NODES:
        raise ValueError(f"{echoed(expression)} has {len(found)} nodes; at most {MAX_NODES} are allowed")
    return tuple(found)


def check_vantage(text: str) -> str:
    """Return ``auto``, ``none`` or one ``[user@]host[:port]`` as it is; raise ValueError otherwise."""
    if text not in ("auto", "none"):
        parse_target(text)
    return text


def folded(names: Sequence[str]) -> str:
    """Return names as ranges, such as ``n[1-5]``; as they are if they have no numbers."""
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException  # noqa: PLC0415 see `_hosts`

    try:
        return str(NodeSet.fromlist(list(names), resolver=RESOLVER_NOGROUP))
    except NodeSetException:  # a name with a bracket or an operator of its own
        return ", ".join(names)


def check_host(host: str) -> str:
    """Return a host name or address as it is; raise ValueError if it cannot be one."""
    if not host:
        raise ValueError("expected a host name or address, found nothing")
    if _is_ipv6(host):
        return host
    if len(host) > MAX_NAME_LENGTH:
        raise ValueError(f"a host name has at most {MAX_NAME_LENGTH} characters, found {len(host)}")
    if ":" in host:
        raise ValueError(f"{echoed(host)} is neither an IPv6 address nor host:port")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{echoed(host)} is not a host name or address")
    return host


def check_user(user: str) -> str:
    """Return a login name as it is; raise ValueError if it cannot be one."""
    if not user:
        raise ValueError("expected the name of a user, found nothing")
    if len(user) > MAX_NAME_LENGTH:
        raise ValueError(f"the name of a user has at most {MAX_NAME_LENGTH} characters, found {len(user)}")
    if re.search(r"[\s:,]", user) or not user.isprintable() or user.startswith("-"):
        raise ValueError(f"{echoed(user)} is not a user name")
    return user


def _split(text: str) -> tuple[str | None, str, int | None]:
    """Return user, host part and port of one expression."""
    user, at, rest = text.rpartition("@")
    if at and not user:
        raise ValueError(f"{echoed(text)}: node groups (@name) are not supported; list the nodes")
    try:
        check_user(user or "root")  # without one, another layer names the user
    except ValueError as error:
        raise ValueError(f"{echoed(text)}: {error}") from None
    bracketed = _BRACKETED.fullmatch(rest)
    if bracketed:
        host, port = bracketed[1], bracketed[2]
        if not _is_ipv6(host):
            raise ValueError(f"{echoed(text)}: {echoed(host)} is not an IPv6 address")
    elif _is_ipv6(rest):
        host, port = rest, None
    else:
        host, colon, after = rest.partition(":")
        port = after if colon else None
    return user or None, host, None if port is None else _port(port, text)


def _terms(expression: str, separators: str) -> list[str]:
    """Return the parts of an expression between separators that stand outside of brackets."""
    terms, current = [], ""
    for part in _OUTSIDE_BRACKETS.finditer(expression):
        current += part[1]
        if part[2] and part[2] in separators:
            terms.append(current)
            current = ""
        else:
            current += part[2]
    return [*terms, current]


def _port(text: str, whole: str) -> int:
    """Return a port number; raise ValueError if it is invalid."""
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not MIN_PORT <= int(text) <= MAX_PORT:
        advice = "; an IPv6 address with a port is written [2001:db8::1]:22" if ":" in text else ""
        wanted = f"expected a port from {MIN_PORT} to {MAX_PORT}"
        raise ValueError(f"{echoed(whole)}: {wanted}, found {echoed(text)}{advice}")
    return int(text)


def _is_ipv6(host: str) -> bool:
    """Return whether ``host`` is an IPv6 address, with or without a zone."""
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _hosts(pattern: str) -> Iterator[str]:
    """Yield the hosts of one range expression; ``pattern`` is counted before it is expanded."""
    if _is_ipv6(pattern) or not re.search(r"[\[\],!&^]", pattern):
        yield check_host(pattern)
        return
    if not _RANGE_HOST.fullmatch(pattern):
        raise ValueError(f"{echoed(pattern)} is not a node range such as n[1-3].example.com")
    size = sum(_count(term) for term in _terms(pattern, ",!&^"))
    if size > MAX_NODES:
        raise ValueError(f"{echoed(pattern)} has {size} nodes; at most {MAX_NODES} are allowed")
    # Loaded here: it takes 60 ms, and most expressions are plain names.
    from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet, NodeSetException  # noqa: PLC0415 see above

    try:
        hosts = list(NodeSet(pattern, resolver=RESOLVER_NOGROUP))
    except NodeSetException as error:
        raise ValueError(f"{echoed(pattern)} is not a node range: {error}") from None
    if not hosts:
        raise ValueError(f"{echoed(pattern)} leaves no node")
    for host in hosts:
        yield check_host(host)


def _count(term: str) -> int:
    """Return how many nodes a term such as ``n[1-3]r[1,2]`` has at most, without making them."""
    product = 1
    for group in _RANGE.findall(term):
        product *= sum(_count_item(item, term) for item in group.split(","))
    return product


def _count_item(item: str, term: str) -> int:
    """Return how many numbers ``7``, ``1-9`` or ``1-9/2`` stands for."""
    parts = _RANGE_ITEM.fullmatch(item)
    if not parts:
        raise ValueError(f"{echoed(term)}: expected a range such as 1-3 or 001-128, found {echoed(item)}")
    first, last = int(parts[1]), int(parts[2] or parts[1])
    step = int(parts[3] or 1)
    if last < first or step < 1:
        raise ValueError(f"{echoed(term)}: {item} runs backwards")
    return (last - first) // step + 1
