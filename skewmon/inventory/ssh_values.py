"""What the values found for a host mean: tokens and ~ replaced, defaults filled in, files that exist."""

import os
import re
from pathlib import Path

from skewmon.config.limits import MAX_PORT, MIN_PORT
from skewmon.errors import ConfigError, Fault, echoed
from skewmon.inventory.ssh_match import Evaluation
from skewmon.inventory.ssh_surroundings import Given, Surroundings

#: The keys that ssh offers where none is named; those of hardware tokens want a touch, and nobody is there.
DEFAULT_IDENTITIES = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")

#: Where ssh looks for host keys that the user trusts.
USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIME = re.compile(r"(?:[0-9]{1,7}[smhdw]?)+", re.IGNORECASE | re.ASCII)

#: Keywords by which a host is allowed older algorithms, and the names that mean them. hmac-sha1 does not, for
#: it is among ssh's own defaults.
_ALGORITHMS = ("kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes")
_LEGACY = frozenset({"ssh-rsa", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1"})


def _names_legacy(listed: str | None) -> bool:
    """Return whether a list of algorithms, which may add to the defaults, allows one with SHA-1."""
    text = listed or ""
    return not text.startswith("-") and not _LEGACY.isdisjoint(text.lstrip("+^").split(","))


class Values:
    """The values of one host, each as ssh would use it; raises ConfigError for what it cannot use."""

    def __init__(self, found: Evaluation, around: Surroundings) -> None:
        self._found = found
        self._around = around
        self.user = found.value("user") or around.user
        self.port = self._port()
        self.host_key_alias = found.value("hostkeyalias")
        self.identities_only = (found.value("identitiesonly") or "no").lower() in {"yes", "true"}
        self.legacy = any(_names_legacy(found.value(keyword)) for keyword in _ALGORITHMS)

    def fault(self, message: str, hint: str = "") -> ConfigError:
        """Return an error about this host."""
        return ConfigError(Fault(f"{self._found.host}: {message}", hint=hint))

    def named_identities(self) -> tuple[str, ...]:
        """Return the keys that IdentityFile names and that exist; ssh passes over the others, too.

        A public half alone is enough: it picks a key of the agent.
        """
        named = (self.path(name) for name in self._found.identities if name.lower() != "none")
        return tuple(path for path in named if Path(path).is_file() or Path(f"{path}.pub").is_file())

    def identities(self, given: Given) -> tuple[str, ...]:
        """Return the keys that ssh would offer; those of the command line come first."""
        if given.identities or self._found.identities:
            return tuple(dict.fromkeys((*given.identities, *self.named_identities())))
        return tuple(path for path in map(self.path, DEFAULT_IDENTITIES) if Path(path).is_file())

    def user_known_hosts(self) -> tuple[str, ...]:
        """Return the user's files of host keys; ``none`` is no file, so that no key is known."""
        names = self._found.values.get("userknownhostsfile", USER_KNOWN_HOSTS)
        return tuple(self.path(name) for name in names if name.lower() != "none")

    def known_hosts(self) -> tuple[str, ...]:
        """Return the files of host keys that exist, the user's before the machine's."""
        machine = self._found.values.get("globalknownhostsfile", self._around.global_known_hosts)
        files = (*self.user_known_hosts(), *(name for name in machine if name.lower() != "none"))
        return tuple(file for file in files if Path(file).exists())

    def agent(self) -> bool:
        """Tell whether ssh would ask the agent; only the one of SSH_AUTH_SOCK can be asked."""
        named = self._found.value("identityagent")
        if named is None or named == "SSH_AUTH_SOCK":
            return self._around.agent_socket is not None
        if named.lower() == "none":
            return False
        path = os.environ.get(named[1:], "") if re.fullmatch(r"\$\w+", named) else self.path(named)
        if path != self._around.agent_socket:
            raise self.fault(f"IdentityAgent {named} is not the agent here", f"set SSH_AUTH_SOCK={path}")
        return True

    def connect_timeout_s(self) -> float | None:
        """Return ConnectTimeout, or None where there is none."""
        text = self._found.value("connecttimeout")
        if text is None or text.lower() == "none":
            return None
        if not _TIME.fullmatch(text):
            raise self.fault(f"ConnectTimeout {echoed(text)} is not a time")
        parts = re.findall(r"([0-9]+)([a-z]?)", text.lower())
        return float(sum(int(number) * _SECONDS[unit] for number, unit in parts)) or None

    def path(self, text: str) -> str:
        """Return a path with ~, tokens and ${variables} replaced."""
        if text == "~" or text.startswith("~/"):
            text = self._around.home + text[1:]
        try:
            text = str(Path(text).expanduser())
        except RuntimeError:
            raise self.fault(f"{echoed(text)} names the home of an unknown user") from None
        return re.sub(r"%(.?)|\$\{(\w+)\}", self._replaced, text)

    def _replaced(self, part: re.Match[str]) -> str:
        """Return what one token or variable stands for."""
        if part[2] is not None:
            if part[2] not in os.environ:
                raise self.fault(f"the variable {part[2]} is not set")
            return os.environ[part[2]]
        found = self._found
        tokens = {
            "%": "%",
            "d": self._around.home,
            "h": found.hostname,
            "i": str(self._around.uid),
            "k": self.host_key_alias or found.host,
            "n": found.host,
            "p": str(self.port),
            "r": self.user,
            "u": self._around.user,
        }
        if part[1] not in tokens:
            raise self.fault(f"the token {part[0]} is not supported", f"known: %{' %'.join(tokens)}")
        return tokens[part[1]]

    def _port(self) -> int:
        """Return the port of sshd."""
        text = self._found.value("port") or "22"
        if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not MIN_PORT <= int(text) <= MAX_PORT:
            raise self.fault(f"Port {echoed(text)} is not a number from {MIN_PORT} to {MAX_PORT}")
        return int(text)
