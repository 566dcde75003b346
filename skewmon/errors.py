"""Every error that skewmon raises on purpose, with its reason and advice.

SkewmonError
├── ConfigError             the user's configuration or arguments: file:line:col, expectation, hint
│   └── MissingFileError    a file that the user names does not exist
├── InventoryError          a source of nodes cannot be read
│   └── InventoryAwayError  its server does not answer now
├── ListenError             an address cannot be listened at now
├── JournalError            the state directory cannot be used
└── NodeError               one node was not measured this round; carries a Reason
    ├── ConnectError        no authenticated session: name, network, host key, key, login
    └── ProbeError          a session, but no usable exchange: program, output, time, contradiction

``Reason`` is the closed set that becomes the ``reason`` label of ``skewmon_node_failures_total`` and
the ``reason`` of the JSON. Foreign exceptions are translated once, at the boundary that meets them.
"""

from dataclasses import dataclass
from enum import StrEnum

from skewmon.text import masked_text

#: Characters of a user's own text that a message repeats; they are there to find it again, not to read it.
MAX_ECHOED = 60


def echoed(value: object) -> str:
    """Return a user's own text as evidence in a message: in quotes, without secrets, cut if it is long."""
    return repr(_cut(masked_text(value))) if isinstance(value, str) else _cut(masked_text(repr(value)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_ECHOED else text[: MAX_ECHOED - 1] + "…"


class Reason(StrEnum):
    """The reason for a node that was not measured."""

    NAME_NOT_RESOLVED = "name-not-resolved"
    NO_ANSWER = "no-answer"
    CONNECTION_REFUSED = "connection-refused"
    NETWORK_UNREACHABLE = "network-unreachable"
    HOST_KEY_UNKNOWN = "host-key-unknown"
    HOST_KEY_CHANGED = "host-key-changed"
    HOST_CERTIFICATE_EXPIRED = "host-certificate-expired"
    HOST_CERTIFICATE_NOT_YET_VALID = "host-certificate-not-yet-valid"
    HOST_CERTIFICATE_UNUSABLE = "host-certificate-unusable"
    PERMISSION_DENIED = "permission-denied"
    KEY_UNUSABLE = "key-unusable"
    LOGIN_TIMEOUT = "login-timeout"
    NOT_SSH = "not-ssh"
    NO_COMMON_ALGORITHM = "no-common-algorithm"
    JUMP_FAILED = "jump-failed"
    PROXY_FAILED = "proxy-failed"
    SSH_CONFIG_UNUSABLE = "ssh-config-unusable"
    SESSION_REFUSED = "session-refused"
    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    NO_PROGRAM = "no-program"
    PROGRAM_ENDED = "program-ended"
    NO_REPLY = "no-reply"
    GARBLED_REPLY = "garbled-reply"
    TOO_MUCH_OUTPUT = "too-much-output"
    CLOCK_MOVED = "clock-moved"
    LATE = "late"
    FLOOD = "flood"
    TOO_MANY_OPEN_FILES = "too-many-open-files"
    INTERNAL_ERROR = "internal-error"


class SkewmonError(Exception):
    """Base of every error that skewmon raises on purpose."""


class InventoryError(SkewmonError):
    """A source of nodes cannot be read or understood."""


class InventoryAwayError(InventoryError):
    """A source of nodes is a server that does not answer now; that may pass."""


class ListenError(SkewmonError):
    """An address to listen at is taken, or is not there yet; both may pass."""


class JournalError(SkewmonError):
    """The journal cannot be opened or written."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a configuration file or argument: message, position and hint."""

    message: str
    source: str = ""
    line: int | None = None
    column: int | None = None
    hint: str = ""

    def __str__(self) -> str:
        place = ":".join(
            str(part) for part in (self.source, self.line, self.column) if part not in ("", None)
        )
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} ({self.hint})" if self.hint else text


class ConfigError(SkewmonError):
    """The configuration or the arguments are unusable; lists every fault found."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class MissingFileError(ConfigError):
    """A file that the user names does not exist."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A node that was not measured in this round: the reason, the details and the next step."""

    reason: Reason
    detail: str
    advice: str = ""


class NodeError(SkewmonError):
    """One node was not measured; ``failed`` is the same as a value."""

    def __init__(self, reason: Reason, detail: str, advice: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.advice = advice
        super().__init__(f"{detail} {advice}".strip())

    @property
    def failed(self) -> Failed:
        """The outcome of the node's round."""
        return Failed(self.reason, self.detail, self.advice)


class ConnectError(NodeError):
    """An authenticated session could not be opened."""


class ProbeError(NodeError):
    """The session is open, but it had no usable exchange."""
