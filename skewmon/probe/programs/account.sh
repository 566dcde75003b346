#!/bin/sh
# skewmon @VERSION@: sets up the account that answers skewmon and can do nothing else. Run it on a node, as root.
# Made by: skewmon keys authorize --script. Running it again changes nothing.
set -eu
program=@PATH@
line='@LINE@'
key='@KEY@'
fail() {
    echo "$1" >&2
    exit 1
}
[ "$(id -u)" = 0 ] || fail "Run this script as root."
# Under a mask of 077 the account could not reach the program.
umask 022
# grep leaves lines out that are not valid in its locale; a plain su has a path without useradd.
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
result=unchanged
# Replaces a file by standard input: owner, mode, file.
put() {
    cat >"$3.new"
    chown "$1" "$3.new"
    chmod "$2" "$3.new"
    cmp -s "$3.new" "$3" || result=changed
    mv -f "$3.new" "$3" # an equal file, too: it may have another owner or mode
}
# The shell reads the braces as a whole: if the connection is lost, a part of the script does nothing.
{
mkdir -p "$(dirname "$program")"
put root 0755 "$program" <<'END-OF-SKEWMON-PROGRAM'
@PROGRAM@
END-OF-SKEWMON-PROGRAM
if ! id skewmon >/dev/null 2>&1; then
    command -v useradd >/dev/null || fail "useradd is missing; make the account skewmon with /bin/sh and run this again."
    # With "*" no password is right. With the usual "!" sshd without PAM takes the account for locked.
    useradd --system --create-home --shell /bin/sh --password '*' skewmon
    result=changed
fi
home=$(awk -F: '$1 == "skewmon" { print $6 }' /etc/passwd)
[ -n "$home" ] || fail "The account skewmon is not in /etc/passwd; add the line by hand: $line"
case $(awk -F: '$1 == "skewmon" { print $7 }' /etc/passwd) in
*/nologin | */false) fail "The shell of skewmon starts nothing. Run: usermod -d /home/skewmon -s /bin/sh skewmon" ;;
esac
# Root must not follow a link that the account made.
for place in "$home/.ssh" "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys.new"; do
    [ ! -L "$place" ] || fail "$place is a link; remove it, and run this again."
done
mkdir -p "$home/.ssh"
chown skewmon: "$home/.ssh"
chmod 0700 "$home/.ssh"
keys=$home/.ssh/authorized_keys
others=$(grep -vF "$key" "$keys" 2>/dev/null || :)
put skewmon: 0600 "$keys" <<END-OF-KEYS
${others:+$others
}$line
END-OF-KEYS
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$home/.ssh" "$program"; fi
echo "$result: this node answers skewmon."
}
