"""HOME and LOGNAME of the user that skewmon runs as: libraries ask for both, and a service may have neither.

A unit with DynamicUser has no entry in the user database unless libnss-systemd is installed, and no HOME; a
container may run under a bare number.
"""

import getpass
import os
from pathlib import Path

#: The home of Debian's accounts that have none; it does not exist.
NO_HOME = "/nonexistent"


def complete() -> None:
    """Set HOME and LOGNAME if neither the environment nor the user database has them."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = NO_HOME
    try:
        getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        os.environ["LOGNAME"] = str(os.getuid())
