"""An admin box and its nodes in one room: a copy of this machine's files with a systemd of its own.

Every node's name leads to one real sshd on ports 22 and 2222. Time daemons run there without the right to set
a clock, the network ends at the room's loopback, and all changes to files are in memory.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fleet.processes import end_tree
from tests.integration.container import CACHE, prepare

ROOT = Path(__file__).resolve().parents[2]

#: systemd is up within a few seconds; on a busy machine it takes longer.
BOOT_S = 60.0

#: Names that the documents use; all are the one machine.
NAMES = (
    *("n1", "n2", "n3", "n4", "n5", "db1", "db2", "db3", "bastion", "ntp1", "ntp2", "ntp3"),
    *(f"{kind}{number}.example.com" for kind in ("etcd", "db") for number in (1, 2, 3)),
    *("NODE", "VANTAGE", "HOST", "NAME", "pool.ntp.org", "ntp1.example.com"),
)

#: Lays memory over this machine's files and boots them without its services. The checkout may lie in /tmp,
#: which systemd empties, so it is mounted by itself.
BOOT = """\
set -e
layers=$1 checkout=$2
mount -t tmpfs tmpfs "$layers"
cd "$layers"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" root
echo uninitialized >root/etc/machine-id
exec systemd-nspawn --register=no --keep-unit --private-network --quiet --console=pipe \
  --bind-ro="$checkout" -b -D root -- --unit=basic.target </dev/null
"""

SSHD = """\
Port 22
Port 2222
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin yes
UsePAM no
PidFile none
"""

#: Makes the files that packages and an operator would have left there.
FURNISH = """\
set -e
mkdir -p -m 755 /root/work /run/sshd /var/lib/chrony /var/log/ntpsec
printf '127.0.1.1 %s\\n' {names} >>/etc/hosts
rm -rf /etc/ssh/ssh_host_* /root/.ssh /etc/skewmon /var/lib/skewmon; mkdir -m 700 /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
for name in {names} 127.0.1.1; do
  echo "$name,[$name]:2222 $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
done >/root/.ssh/known_hosts
printf '%s\\n' '#!/bin/sh' 'exec "$@"' >/usr/bin/sudo
ln -sf {skewmon} /usr/bin/skewmon
chmod 755 /usr/bin/sudo
for package in chrony ntpsec ntpstat adjtimex openntpd python3-ntp; do
  for part in usr lib etc sbin; do
    [ ! -d {packages}/$package/$part ] || cp -an {packages}/$package/$part/. "$(readlink -f /$part)/"
  done
done
id _chrony >/dev/null 2>&1 || useradd --system _chrony
id ntpsec >/dev/null 2>&1 || useradd --system ntpsec
printf %s '{sshd}' >/etc/ssh/sshd_config
cp {root}/systemd/skewmon.service /etc/systemd/system/
mkdir -p /etc/chrony /etc/systemd/system/chrony.service.d
printf '%s\\n' 'port 0' 'server 127.0.0.1 iburst' >/etc/chrony/chrony.conf
printf '%s\\n' '[Unit]' ConditionCapability= '[Service]' Type=exec User= \
  'ExecStart=' 'ExecStart=/usr/sbin/chronyd -x -d -u root' >/etc/systemd/system/chrony.service.d/room.conf
mkdir -p /etc/systemd/system/skewmon.service.d
printf '%s\\n' '[Service]' DynamicUser=no User=root ProtectHome=no PrivateUsers=no \
  >/etc/systemd/system/skewmon.service.d/room.conf
systemctl daemon-reload
systemctl mask -q --runtime systemd-networkd-wait-online.service
systemctl stop ssh.socket
systemctl start ssh dbus chrony
printf '%s\\n' 'server 127.0.0.1' 'restrict default' 'restrict 127.0.0.1' 'restrict ::1' >/root/ntpd.conf
systemd-run -q --unit=room-ntpd /usr/sbin/ntpd -n -g -c /root/ntpd.conf
until ntpq -n -c rv | grep -q ^associd; do sleep 0.1; done
"""


class Room:
    """The room, by the id of its systemd."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def run(self, line: str, *, limit_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Type a line as root on the admin box, in /root/work."""
        places = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
        return subprocess.run(
            [
                "nsenter",
                "-t",
                str(self._pid),
                "-m",
                "-n",
                "-p",
                "-u",
                "-i",
                "-C",
                "-r",
                "--",
                "bash",
                "-c",
                f"cd /root/work; {line}",
            ],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
            env={
                "PATH": ":".join(places),
                "HOME": "/root",
                "USER": "root",
                "LANG": "C.UTF-8",
                "TERM": "dumb",
            },
        )


@contextmanager
def room(directory: Path) -> Iterator[Room]:
    """Open a room; needs root and systemd-nspawn."""
    prepare()
    layers = directory / "layers"
    layers.mkdir()
    with (directory / "console.log").open("wb") as log:
        booted = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", BOOT, "boot", layers, ROOT],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        opened = _up(booted, directory / "console.log")
        furnish = FURNISH.format(
            names=" ".join(NAMES),
            sshd=SSHD,
            skewmon=Path(sys.executable).parent / "skewmon",
            packages=CACHE / "bookworm",
            root=ROOT,
        )
        done = opened.run(furnish)
        assert done.returncode == 0, done
        yield opened
    finally:
        end_tree(booted)


def _up(booted: "subprocess.Popen[bytes]", log: Path) -> Room:
    """Wait until systemd answers."""
    children = Path(f"/proc/{booted.pid}/task/{booted.pid}/children")
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline:
        assert booted.poll() is None, log.read_text(errors="replace")
        found = children.read_text().split()
        if found:
            opened = Room(int(found[0]))
            if opened.run("mkdir -p /root/work; systemctl is-system-running").stdout.strip() in {
                "running",
                "degraded",
            }:
                return opened
        time.sleep(0.1)
    raise TimeoutError(log.read_text(errors="replace"))
