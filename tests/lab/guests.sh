#!/bin/sh
# Makes .cache/lab once, as root on Debian: user-mode-linux and the root disk of the guests, a Debian 12 with a
# real sshd, chrony, etcd and systemd; and the root directory of a box, a fresh Debian 12 server on which the package
# is installed. Some four minutes; `make lab` calls it.
set -eu

cd "$(dirname "$0")/../.."
source=$PWD
lab=$source/.cache/lab
disk=$lab/root-1.img
box=$lab/box-1
site=$lab/site-1
packages='user-mode-linux debootstrap e2fsprogs iproute2 util-linux openssh-client systemd-container'
inside=systemd-sysv,dbus,openssh-server,openssh-client,chrony,etcd-server,etcd-client,perl-base,python3,iproute2,procps
server=systemd-sysv,dbus,openssh-server,openssh-client,python3,sudo,iproute2,procps

fail() {
  echo "guests.sh: $*" >&2
  exit 1
}

have_programs() {
  for program in linux.uml debootstrap mkfs.ext4 ip nsenter ssh systemd-nspawn; do
    command -v "$program" >/dev/null || return 1
  done
}

[ "$(id -u)" = 0 ] || fail 'needs root: guests have network devices and disks of their own'
command -v apt-get >/dev/null || fail 'needs Debian: apt-get is missing'
if ! have_programs; then
  apt-get -qq update
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >/dev/null
  have_programs || fail "cannot install what is missing of: $packages"
fi

# What skewmon needs beside Python, for the Python that Debian 12 has, whatever this machine's is.
if [ ! -e "$site" ]; then
  rm -rf "$site.partial"
  mkdir -p "$site.partial"
  "$source/.venv/bin/python" -c 'import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' >"$site.partial/needs.txt"
  "$source/.venv/bin/pip" install --quiet --target "$site.partial" --python-version 3.11 --only-binary :all: \
    --requirement "$site.partial/needs.txt" || fail 'cannot install what skewmon needs'
  mv "$site.partial" "$site"
fi
[ ! -e "$disk" ] || [ ! -e "$box" ] || exit 0

# The mirror that this machine's own packages come from has Debian 12 where the machine is one.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
  head -n 1)}
mkdir -p "$lab"
root=
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT TERM

# Sets $root to a new Debian 12 with these packages.
debian() {
  root=$(mktemp -d "$lab/root.XXXXXX")
  # shellcheck disable=SC2086 # no mirror, no argument
  debootstrap --variant=minbase --include="$1" bookworm "$root" $mirror >"$lab/debootstrap.log" 2>&1 ||
    fail "debootstrap failed, see $lab/debootstrap.log"
  rm -f "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*_* "$lab/debootstrap.log"
}

if [ ! -e "$box" ]; then
  rm -rf "$lab"/box-*
  debian "$server"
  chmod 755 "$root"
  mv "$root" "$box"
fi
[ ! -e "$disk" ] || exit 0

debian "$inside"
mkdir "$root/lab"
# All else comes from the directory on this machine that the kernel's command line names.
cat >"$root/sbin/lab-init" <<'INIT'
#!/bin/sh
mount -t hostfs none /lab -o "$lab_directory" && exec /bin/sh /lab/init
INIT
chmod 755 "$root/sbin/lab-init"
rm -f "$lab"/root-*.img
# No journal: a guest is killed and never looked at again, and each writes to a layer of its own.
mkfs.ext4 -q -F -O ^has_journal -d "$root" "$disk.partial" 1G >/dev/null
mv "$disk.partial" "$disk"
