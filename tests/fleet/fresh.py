"""A node of its own: an OpenSSH in a copy of this machine's files, whose changes end with it."""

import tempfile

from tests.fleet.node import FleetNode

#: Lays an empty file system over the root directory, in a mount namespace that ends with the server.
ENTER = """\
set -e
layers=$1 shared=$2
shift 2
mkdir -p "$layers"
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --bind "$shared" "$root$shared"
exec chroot "$root" "$@"
"""


class FreshNode(FleetNode):
    """One node on which a test may install and add users; needs root."""

    def _command(self) -> list[str]:
        layers = str(self.directory / "layers")
        enter = ["unshare", "--mount", "sh", "-c", ENTER, "enter", layers, tempfile.gettempdir()]
        return [*enter, *super()._command()]
