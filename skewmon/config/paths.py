"""Paths in a configuration, and secrets that come as systemd credentials."""

import os
from pathlib import Path

from skewmon.errors import ConfigError, Fault, echoed

#: Marks a secret that systemd hands over (LoadCredential=); the name is looked up at use.
CREDENTIAL = "credential:"

#: The file of the shipped unit's credential (systemd/skewmon.service), for commands of root while the service
#: does not run yet.
SHIPPED_CREDENTIALS = {"ssh_key": "/etc/skewmon/ssh/id_ed25519"}

#: The directory of the running service's credentials. A command that an alert advises reads the service's
#: configuration, and as root finds the same key there.
SERVICE_CREDENTIALS = "/run/credentials/skewmon.service"


def absolute(text: str, base: str) -> str:
    """Return a path with ``~`` expanded and relative to ``base``; a credential stays as it is.

    Raise ValueError for the home of an unknown user.
    """
    if text.startswith(CREDENTIAL):
        return text
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{echoed(text)} names the home of a user that this machine does not have") from None
    return str(Path(base) / path)


def secret_file(text: str) -> str:
    """Return the file that holds a secret: a path, or ``credential:NAME`` in $CREDENTIALS_DIRECTORY."""
    if not text.startswith(CREDENTIAL):
        return text
    name = text.removeprefix(CREDENTIAL)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None and os.access(Path(SERVICE_CREDENTIALS) / name, os.R_OK):
        directory = SERVICE_CREDENTIALS
    if directory is None and os.access(SHIPPED_CREDENTIALS.get(name, ""), os.R_OK):
        return SHIPPED_CREDENTIALS[name]
    if directory is None:
        raise ConfigError(
            Fault(
                f"{text} cannot be read: systemd gave this process no credentials",
                hint=(
                    f"the service needs LoadCredential={name}:/path/of/the/secret; "
                    "a command needs root, and the service to run"
                ),
            )
        )
    return str(Path(directory) / name)


def default_state_directory() -> str:
    """Return $STATE_DIRECTORY as systemd sets it, else skewmon's directory in the XDG state home."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return given
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = Path(os.environ.get("HOME", "/")) / ".local" / "state"
    return str(home / "skewmon")
