#!/bin/sh
# Makes .cache/bullseye once, as root: the root directory of a Debian 11 for nodes of yesterday, with OpenSSH 8.4,
# python2.7 and ntp.org's ntp 4.2.8p15. Takes about a minute; chroot.py starts its sshd.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)/.cache/bullseye
packages=openssh-server,ntp,ntpstat,python2.7,perl-base

[ ! -e "$root/ready-1" ] || exit 0

fail() {
  echo "bullseye.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail 'needs root: it makes the root directory of another Debian'
command -v debootstrap >/dev/null || fail 'debootstrap is missing; tests/fleet/packages.sh installs it'

rm -rf "$root" "$root.partial"
mkdir -p "$(dirname "$root")"
debootstrap --variant=minbase --include=$packages bullseye "$root.partial" ${DEBIAN_MIRROR:-} >"$root.log" 2>&1 ||
  fail "debootstrap failed, see $root.log"
mkdir -p "$root.partial/run/sshd"
rm -f "$root.log" "$root.partial"/var/cache/apt/archives/*.deb
touch "$root.partial/ready-1"
mv "$root.partial" "$root"
