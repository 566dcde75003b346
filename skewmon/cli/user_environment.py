"""HOME and LOGNAME of the user that skewmon runs as: libraries ask for both, and a service may have neither.

A unit with DynamicUser has no entry in the user database unless libnss-systemd is installed, and no HOME; a
container may run under a bare number. Both are looked up once: without a free descriptor the user database
cannot be read, and every node would fail for want of a name.
"""

import getpass
import os
from pathlib import Path

#: The home of Debian's accounts that have none; it does not exist.
NO_HOME = "/nonexistent"


def complete() -> None:
    """Set HOME and LOGNAME if the environment does not have them."""
    try:
        home = str(Path.home())
    except RuntimeError:
        home = NO_HOME
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # the latter since Python 3.13
        name = str(os.getuid())
    os.environ.setdefault("HOME", home)
    os.environ.setdefault("LOGNAME", name)
