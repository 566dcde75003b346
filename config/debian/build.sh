#!/bin/sh
# Builds dist/skewmon_VERSION_ARCH.deb, for the Debian or Ubuntu that it runs on: a virtual environment of that
# system's Python under /opt/skewmon. dh-virtualenv would do the same and needs a Debian source package; plain
# dpkg-deb needs only this file. `make deb` calls it after it set up .venv, which has pip and click-man.
set -eu
umask 022

cd "$(dirname "$0")/../.."
python=${DEB_PYTHON:-/usr/bin/python3}
[ -x "$python" ] || { echo "build.sh: $python is missing; set DEB_PYTHON" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
venv=$root/opt/skewmon

.venv/bin/pip wheel --quiet --no-deps --wheel-dir "$work" .
wheel=$(ls "$work"/*.whl)
version=$(basename "$wheel" | cut -d- -f2)
series=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=${series%.*}.$((${series#*.} + 1))
arch=$(dpkg --print-architecture)

mkdir -p "$root/usr/bin" "$root/usr/share/doc/skewmon" "$root/DEBIAN"
"$python" -m venv --without-pip "$venv"
.venv/bin/pip --python "$venv/bin/python" install --quiet --no-compile "$wheel"
# Only the program stays of the scripts; the others, and what pip wrote down, name the place where it was built.
find "$venv/bin" -type f -delete
printf '#!/opt/skewmon/bin/python3 -I\nimport sys\nfrom skewmon.cli.main import main\nsys.exit(main())\n' >"$venv/bin/skewmon"
chmod 755 "$venv/bin/skewmon"
sed -i '/^command/d' "$venv/pyvenv.cfg"
find "$venv" -name direct_url.json -delete
"$venv/bin/python" -m compileall -q --invalidation-mode unchecked-hash -s "$root" "$venv/lib"
ln -s ../../opt/skewmon/bin/skewmon "$root/usr/bin/skewmon"

shipped=/opt/skewmon/lib/python$series/site-packages/skewmon/assets
install -D -m 644 systemd/skewmon.service "$root/lib/systemd/system/skewmon.service"
ln -s "$shipped" "$root/usr/share/skewmon"
install -m 644 LICENSE "$root/usr/share/doc/skewmon/copyright"
gzip -9n <CHANGELOG.md >"$root/usr/share/doc/skewmon/changelog.gz"
.venv/bin/python config/debian/man.py "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*.1
for shell in bash:bash-completion/completions/skewmon zsh:zsh/vendor-completions/_skewmon \
  fish:fish/vendor_completions.d/skewmon.fish; do
  file=$root/usr/share/${shell#*:}
  mkdir -p "$(dirname "$file")"
  .venv/bin/skewmon completion "${shell%%:*}" >"$file"
done

install -m 755 config/debian/postinst config/debian/prerm config/debian/postrm "$root/DEBIAN/"
cat >"$root/DEBIAN/control" <<CONTROL
Package: skewmon
Version: $version
Architecture: $arch
Maintainer: skewmon developers
Section: admin
Priority: optional
Depends: python3 (>= $series), python3 (<< $next), libc6
Recommends: openssh-client
Homepage: https://github.com/skewmon/skewmon
Installed-Size: $(du -sk "$root" | cut -f1)
Description: measures the clocks of a cluster over SSH and proves the skew
 Measures every clock against every other with bounds that contain the truth,
 reads the claims of the time daemons, and names the wrong clock, the cause and
 the next command to type. Nothing is installed on the nodes.
CONTROL
mkdir -p dist
rm -f dist/skewmon_*_"$arch".deb # so that apt install ./dist/skewmon_*.deb names one
dpkg-deb --root-owner-group --build "$root" "dist/skewmon_${version}_$arch.deb"
