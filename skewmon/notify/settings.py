"""What a notifier is built from."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from yarl import URL

from skewmon.alert.alerts import RUNBOOK_URL, Alert
from skewmon.config.paths import secret_file
from skewmon.errors import ConfigError, SkewmonError
from skewmon.files import read_text
from skewmon.model import NS_PER_S

#: A secret file is a line or a few; more is a mistake, and memory stays bounded.
SECRET_BYTES_MAX = 64 * 1024


class SecretError(SkewmonError):
    """A file that holds a secret cannot be used."""


@dataclass(frozen=True, slots=True)
class Target:
    """One receiver as the configuration names it; ``kind`` is a key of NOTIFIERS.

    Files are paths or ``credential:NAME``; their content is read when it is needed and never kept.
    """

    kind: str
    url: str = ""
    url_file: str = ""
    headers_file: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What every notification says of its sender: the longest round interval, and where the page is."""

    interval_s: float = 15.0
    page_url: str = ""
    runbook_url: str = RUNBOOK_URL

    def runbook(self, alert: Alert) -> str:
        """Return the address of an alert's runbook section."""
        return f"{self.runbook_url}#{alert.key.name.lower()}"


def identity_of(target: Target) -> str:
    """Return a name for a receiver that survives restarts and gives no secret away."""
    return f"{target.kind}-{hashlib.sha256(repr(target).encode()).hexdigest()[:16]}"


def shown(url: str) -> str:
    """Return a URL without user, password, path and query: chat services put their secrets there."""
    try:
        parsed = URL(url)
        return str(parsed.origin()) if parsed.absolute else "an unusable URL"
    except ValueError:
        return "an unusable URL"


def read_secret(name: str) -> str:
    """Return the text of a secret file; raise SecretError, which does not quote it, where that fails."""
    try:
        return read_text(secret_file(name), SECRET_BYTES_MAX, wait_s=0)
    except ConfigError as fault:
        raise SecretError(str(fault)) from None


def rfc3339(wall_ns: int) -> str:
    """Return an instant of the wall clock as RFC 3339 with milliseconds."""
    seconds, rest_ns = divmod(wall_ns, NS_PER_S)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest_ns // 1_000_000:03d}Z"
