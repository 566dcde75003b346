#!/bin/sh
# Makes .cache/release once, as root on Debian: the root directory of a Debian 12 that has Python and nothing else,
# into which the artefacts of a release are installed, and the base of the image.
set -eu
cd "$(dirname "$0")/../.."
cache=$PWD/.cache/release
packages='debootstrap buildah util-linux'

fail() {
  echo "root.sh: $*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail 'needs root: the artefacts are installed into roots of their own'
for program in debootstrap buildah unshare; do
  command -v "$program" >/dev/null && continue
  apt-get -qq update
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >/dev/null ||
    fail "cannot install what is missing of: $packages"
done
[ ! -e "$cache/root-1" ] || exit 0

# The mirror that this machine's own packages come from has Debian 12 where the machine is one.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' |
  head -n 1)}
mkdir -p "$cache"
root=$(mktemp -d "$cache/root.XXXXXX")
trap 'rm -rf "$root"' EXIT
# shellcheck disable=SC2086 # no mirror, no argument
debootstrap --variant=minbase --include=python3,python3-venv bookworm "$root" $mirror >"$cache/log" 2>&1 ||
  fail "debootstrap failed, see $cache/log"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*_* "$cache"/root-* "$cache/log"
chmod 755 "$root"
mv "$root" "$cache/root-1"
