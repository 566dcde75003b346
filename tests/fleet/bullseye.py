"""A node of yesterday: the sshd of a whole Debian 11, in a root directory of its own."""

import os
import tempfile
from pathlib import Path

from tests.fleet.node import FleetNode

ROOT = Path(__file__).resolve().parents[2] / ".cache" / "bullseye"

#: Makes the node's files visible under the same path inside, in a mount namespace that ends with the server.
ENTER = """\
set -e
root=$1 shared=$2
shift 2
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root$shared"
mount --bind "$shared" "$root$shared"
exec chroot "$root" "$@"
"""


class BullseyeNode(FleetNode):
    """One OpenSSH 8.4 with python2.7 beside it; needs root and logs in with root's own shell and home."""

    root = ROOT

    def _command(self) -> list[str]:
        assert (ROOT / "ready-1").exists(), "no Debian 11: run tests/fleet/bullseye.sh as root"
        assert self.login.shell is None, "a Debian 11 node logs in with the shell of its own /etc/passwd"
        enter = ["unshare", "--mount", "sh", "-c", ENTER, "enter", str(ROOT), tempfile.gettempdir()]
        return [*enter, *super()._command()]

    def _server_environment(self) -> dict[str, str]:
        return dict(os.environ)  # the library that changes the login needs a newer glibc
