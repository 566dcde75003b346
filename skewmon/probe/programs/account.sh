#!/bin/sh
# skewmon @VERSION@: sets up the account that answers skewmon and can do nothing else. Run it on a node, as root.
# Made by: skewmon keys authorize --script. Running it again changes nothing.
set -eu
program=@PATH@
line='@LINE@'
key='@KEY@'
[ "$(id -u)" = 0 ] || {
    echo "Run this script as root." >&2
    exit 1
}
result=unchanged
# Replaces a file by standard input if they differ: owner, mode, file.
put() {
    cat >"$3.new"
    chown "$1" "$3.new"
    chmod "$2" "$3.new"
    if cmp -s "$3.new" "$3"; then
        rm "$3.new"
    else
        mv "$3.new" "$3"
        result=changed
    fi
}
mkdir -p "$(dirname "$program")"
put root 0755 "$program" <<'END-OF-SKEWMON-PROGRAM'
@PROGRAM@
END-OF-SKEWMON-PROGRAM
if ! id skewmon >/dev/null 2>&1; then
    # With "*" no password is right. With the usual "!" sshd without PAM takes the account for locked.
    useradd --system --create-home --shell /bin/sh --password '*' skewmon
    result=changed
fi
home=$(awk -F: '$1 == "skewmon" { print $6 }' /etc/passwd)
[ -n "$home" ] || {
    echo "The account skewmon is not in /etc/passwd; add the line by hand: $line" >&2
    exit 1
}
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
