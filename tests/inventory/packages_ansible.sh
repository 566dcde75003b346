#!/bin/sh
# Installs the ansible-core releases that the inventory tests run, each in a virtual environment of its own.
# Quick if they are there.
set -eu

cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
roots=.cache/ansible

# The oldest release still in use by enterprise distributions, the last before data tagging, the first with it.
for version in 2.16 2.18 2.19; do
  root=$roots/$version
  [ ! -x "$root/usable" ] || continue
  (
    "$python" -m venv "$root"
    "$root/bin/pip" install --quiet --disable-pip-version-check "ansible-core==$version.*"
    printf '#!/bin/sh\n' >"$root/usable" && chmod +x "$root/usable"
  ) &
done
wait
for version in 2.16 2.18 2.19; do
  [ -x "$roots/$version/usable" ] || {
    echo "ansible-core $version cannot be installed; its inventory tests will not run" >&2
    exit 1
  }
done
