#!/bin/sh
# Prints the licences of everything that `pip install skewmon` installs.
set -eu
cd "$(dirname "$0")/../.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place"
"$place/bin/pip" install --quiet .
.venv/bin/pip-licenses --python "$place/bin/python" --ignore-packages pip setuptools --order license
