#!/bin/sh
# Installs what the tests run beside Python: real SSH servers, login shells, Prometheus, a C compiler.
# Debian or Ubuntu as root; anywhere else it says what is missing.
set -eu

packages='openssh-server openssh-client gcc libc6-dev make zsh fish tcsh busybox perl python3-minimal dropbear-bin
prometheus prometheus-alertmanager iproute2 util-linux debootstrap pssh chromium tmux docker-compose
systemd-container dbus sqlite3 curl'
programs='sshd:/usr/sbin/sshd ssh gcc zsh fish tcsh busybox perl python3 dropbear:/usr/sbin/dropbear
prometheus promtool alertmanager:/usr/bin/prometheus-alertmanager amtool ip:/sbin/ip setpriv unshare
debootstrap:/usr/sbin/debootstrap parallel-ssh chromium tmux docker-compose systemd-nspawn
dbus-daemon sqlite3 curl'

missing_programs() {
  for entry in $programs; do
    command -v "${entry%%:*}" >/dev/null || [ -x "${entry#*:}" ] || printf '%s ' "${entry%%:*}"
  done
}

# Packages start their services; on a developer's machine and in a container that is nobody's wish. The guard is
# the one that Debian has for this, and what was there before comes back whatever happens.
install_without_starting() {
  policy=/usr/sbin/policy-rc.d
  kept=$(mktemp -d)
  [ ! -e $policy ] || mv $policy "$kept/policy-rc.d"
  trap 'rm -f $policy; [ ! -e "$kept/policy-rc.d" ] || mv "$kept/policy-rc.d" $policy; rmdir "$kept"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  apt-get -qq update
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >/dev/null
}

missing=$(missing_programs)
[ -n "$missing" ] || exit 0

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  install_without_starting
  missing=$(missing_programs)
  [ -n "$missing" ] || exit 0
fi

echo "The tests also need: $missing" >&2
echo "On Debian or Ubuntu, type: sudo $0" >&2
exit 1
