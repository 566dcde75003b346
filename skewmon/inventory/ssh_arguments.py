"""Arguments for ssh that Ansible keeps in text: ``ansible_ssh_common_args`` and its kin.

The options that say how a host is reached are read, those that change nothing here are left out, and any
other refuses its host: reached in another way than Ansible does, it might be another machine.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from skewmon.config.limits import MAX_HOPS, MAX_PORT, MIN_PORT
from skewmon.config.paths import absolute
from skewmon.config.targets import check_host, check_user, parse_target
from skewmon.errors import echoed
from skewmon.model import SshSettings

#: Options of ssh without a value that change nothing here: terminals, forwarding, compression, words.
FLAGS = frozenset("46AaCKkNnqTtvXxy")

#: Options of ssh with a value, and the keyword that each stands for.
LETTERS = {"J": "proxyjump", "p": "port", "l": "user", "i": "identityfile"}

#: Keywords that change nothing here. Host keys are always verified, and connections are not shared.
IGNORED = frozenset(
    {"addkeystoagent", "addressfamily", "batchmode", "checkhostip", "compression"}
    | {"connectionattempts", "connecttimeout", "controlmaster", "controlpath", "controlpersist"}
    | {"escapechar", "exitonforwardfailure", "forwardagent", "forwardx11", "globalknownhostsfile"}
    | {"gssapiauthentication", "gssapidelegatecredentials", "hashknownhosts", "ipqos"}
    | {"kbdinteractiveauthentication", "loglevel", "numberofpasswordprompts", "passwordauthentication"}
    | {"permitlocalcommand", "preferredauthentications", "requesttty", "sendenv", "serveralivecountmax"}
    | {"serveraliveinterval", "setenv", "stricthostkeychecking", "tcpkeepalive", "updatehostkeys"}
    | {"visualhostkey"}
)

#: The file without keys, by which users switch the check off: the known_hosts of the cluster count.
NO_FILE = "/dev/null"

#: Of these the first counts.
_WAY, _WAYS = "way", ("proxyjump", "proxycommand")


def with_arguments(ssh: SshSettings, words: Sequence[str], base: str, *, is_data: bool) -> SshSettings:
    """Return the settings with arguments of ssh; raise ValueError for one that is not understood.

    As with ssh, the first value of an option counts. Paths are relative to ``base``. Words that are data of
    another system start no program.
    """
    seen: set[str] = set()
    for keyword, value in _options(words):
        way = _WAY if keyword in _WAYS else keyword
        if way in seen:
            continue
        seen.add(way)
        if keyword == "proxycommand" and is_data:
            raise ValueError("ProxyCommand in a value that Ansible marks as unsafe is not run")
        ssh = _READ[keyword](ssh, absolute(value, base) if keyword == "identityfile" else value)
    return ssh


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield keyword, in lower case, and value of each option that counts."""
    waiting = iter(words)
    for word in waiting:
        letters = word.removeprefix("-").lstrip("".join(FLAGS))
        if not word.startswith("-") or word == "-":
            raise ValueError(f"{echoed(word)} is not an option of ssh")
        if not letters:
            continue
        letter, value = letters[0], letters[1:] or next(waiting, "")
        keyword, value = (LETTERS.get(letter, f"-{letter}"), value) if letter != "o" else _assignment(value)
        if keyword in IGNORED:
            continue
        if keyword not in _READ:
            raise ValueError(f"the option {echoed(keyword)} of ssh is not read from Ansible")
        if not value:
            raise ValueError(f"the option {echoed(keyword)} of ssh has no value")
        yield keyword, value


def _assignment(text: str) -> tuple[str, str]:
    """Split ``Keyword=value`` or ``Keyword value``."""
    keyword, _, value = text.strip().replace("=", " ", 1).partition(" ")
    value = value.strip()
    is_quoted = len(value) > 1 and value[0] == value[-1] == '"' and '"' not in value[1:-1]
    return keyword.lower(), value[1:-1] if is_quoted else value


def _jump(ssh: SshSettings, value: str) -> SshSettings:
    hops = () if value.lower() == "none" else tuple(value.split(","))
    if len(hops) > MAX_HOPS:
        raise ValueError(f"ProxyJump has {len(hops)} hops; at most {MAX_HOPS} are allowed")
    jump = tuple(str(parse_target(hop.strip())) for hop in hops)
    return replace(ssh, jump=jump, bastions=(), proxy_command=None)


def _command(ssh: SshSettings, value: str) -> SshSettings:
    command = None if value.lower() == "none" else value
    return replace(ssh, jump=(), bastions=(), proxy_command=command)


def _identity(ssh: SshSettings, value: str) -> SshSettings:
    if "%" in value:
        raise ValueError(f"the key file {echoed(value)} has a token, which only ssh evaluates")
    return replace(ssh, identities=(value,))


def _known_hosts(ssh: SshSettings, value: str) -> SshSettings:
    files = tuple(value.split())
    return ssh if NO_FILE in files else replace(ssh, known_hosts=files)


def _port(ssh: SshSettings, value: str) -> SshSettings:
    if not value.isdecimal() or len(value) > 5 or not MIN_PORT <= int(value) <= MAX_PORT:
        raise ValueError(f"{echoed(value)} is not a port")
    return replace(ssh, port=int(value))


#: Keyword → settings with its value.
_READ: Mapping[str, Callable[[SshSettings, str], SshSettings]] = {
    "proxyjump": _jump,
    "proxycommand": _command,
    "port": _port,
    "user": lambda ssh, value: replace(ssh, user=check_user(value)),
    "identityfile": _identity,
    "identitiesonly": lambda ssh, value: replace(ssh, identities_only=value.lower() == "yes"),
    "userknownhostsfile": _known_hosts,
    "hostkeyalias": lambda ssh, value: replace(ssh, host_key_alias=check_host(value)),
}
