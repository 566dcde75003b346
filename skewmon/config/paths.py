"""Paths in a configuration, and secrets that come as systemd credentials."""

import os
from pathlib import Path

from skewmon.errors import ConfigError, Fault, echoed

#: Marks a secret that systemd hands over (LoadCredential=); the name is looked up at use.
CREDENTIAL = "credential:"


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
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise ConfigError(
            Fault(
                f"{text} cannot be read: systemd gave this process no credentials",
                hint=f"add LoadCredential={text.removeprefix(CREDENTIAL)}:/path/of/the/secret to the unit",
            )
        )
    return str(Path(directory) / text.removeprefix(CREDENTIAL))


def default_state_directory() -> str:
    """Return $STATE_DIRECTORY as systemd sets it, else skewmon's place in the XDG state home."""
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return given
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not home.is_absolute():
        home = Path(os.environ.get("HOME", "/")) / ".local" / "state"
    return str(home / "skewmon")
