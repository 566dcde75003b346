#!/bin/sh
# Prepares real time daemons below .cache/timesync, without installing one: their packages conflict with each
# other and would touch this machine's clock. Debian 12 or later, as root; a minute the first time.
#
#   .cache/timesync/bookworm/<package>   chrony, ntpsec, openntpd, ntpstat, … unpacked side by side
#   .cache/timesync/bullseye             a root with ntp.org's ntp 4.2.8p15 and the older ntpstat, for chroot
set -eu

cache=$(cd "$(dirname "$0")/../.." && pwd)/.cache/timesync
stamp=$cache/ready-3
packages='chrony ntpsec python3-ntp openntpd ntpstat systemd-timesyncd adjtimex'
libraries='libedit2 libgnutls30 libnettle8 libseccomp2 libbsd0 libcap2 libssl3 iproute2 util-linux busybox dash dbus'

[ -e "$stamp" ] && exit 0

fail() {
  echo "packages_timesync.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail 'needs root: it unpacks system packages and makes a root for chroot'
command -v apt-get >/dev/null || fail 'needs Debian or Ubuntu: apt-get is missing'
for tool in debootstrap dpkg unshare nsenter setpriv; do
  command -v "$tool" >/dev/null || missing="${missing:-} $tool"
done
if [ -n "${missing:-}" ]; then
  apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap util-linux >/dev/null ||
    fail "cannot install what is missing:$missing"
fi
# shellcheck disable=SC2086 # lists of words
for library in $libraries; do
  dpkg -s "$library" >/dev/null 2>&1 || wanted="${wanted:-} $library"
done
if [ -n "${wanted:-}" ]; then
  apt-get -qq update
  # shellcheck disable=SC2086
  apt-get -qq install -y --no-install-recommends $wanted >/dev/null || fail "cannot install:$wanted"
fi

mkdir -p "$cache/debs"
(
  cd "$cache/debs"
  # shellcheck disable=SC2086
  apt-get -qq download $packages 2>/dev/null || { apt-get -qq update && apt-get -qq download $packages; }
) || fail "cannot download: $packages"
for package in $packages; do
  rm -rf "$cache/bookworm/$package"
  mkdir -p "$cache/bookworm/$package"
  dpkg -x "$cache/debs/$package"_*.deb "$cache/bookworm/$package"
done

# NTPsec's Python looks for its C library beside itself before it looks where the package puts it.
find "$cache/bookworm/python3-ntp" -name libntpc.so -exec cp -L {} \
  "$cache/bookworm/python3-ntp/usr/lib/python3/dist-packages/ntp/" \;

# The Debian 11 that the fleet's nodes of yesterday live in has the older daemon and ntpstat, too.
"$(dirname "$0")/bullseye.sh"
rm -rf "$cache/bullseye"
ln -s ../bullseye "$cache/bullseye"
touch "$stamp"
