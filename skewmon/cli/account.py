"""The account that skewmon runs under: libraries ask for its name and home, a service may have neither.

A unit with DynamicUser has no entry in the user database unless libnss-systemd is installed, and no HOME; a
container may run under a bare number.
"""

import getpass
import os
from pathlib import Path

#: What Debian gives accounts that have no home; nothing is there, so ``~`` leads nowhere.
NO_HOME = "/nonexistent"


def complete() -> None:
    """Put a name and a home into the environment where neither it nor the user database has them."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NO_HOME
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        os.environ["LOGNAME"] = str(os.getuid())
