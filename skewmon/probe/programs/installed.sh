#!/bin/sh
# skewmon @VERSION@: the @KIND@ program, the only thing that skewmon's key may run on this machine.
#
# In authorized_keys:  restrict,command="@PATH@" ssh-ed25519 ...
# Made by:             skewmon keys authorize @OPTIONS@
# Owner root, mode 0755. It needs no privilege.
#
# It reads the clocks and asks the time daemons what they say. It changes nothing and executes nothing that it
# is sent: the first line of standard input chooses between its answers, and every later line can only ask for
# the clocks once more. The command that the other side asked for is ignored. A first line that is too long, or
# does not come in time, ends it.
@ABOUT@unset SSH_ORIGINAL_COMMAND PERL5OPT PERL5LIB PERL5DB TMOUT BASH_ENV ENV
LC_ALL=C
export LC_ALL
@LADDER@
refuse() {
    echo "This key answers skewmon and nobody else." >&2
    exit 1
}
# skewmon's first line has some 40 bytes and comes in one piece with the script that this program ignores, so it
# is within the first bytes that one read(2) returns. The shell's own read has no limit of bytes.
bytes=256
# skewmon gives up after 20 s.
patience=30
first_bytes() {
    dd bs="$bytes" count=1 <&7 7<&- &
    reader=$!
    {
        # KILL and $!, because the guard may have to go while it is just starting its sleep.
        trap 'kill -KILL $!; exit' TERM
        sleep "$patience" &
        wait $!
        kill "$reader"
    } </dev/null >/dev/null 7<&- &
    guard=$!
    wait "$reader"
    kill "$guard"
    echo .
} 7<&0 2>/dev/null
line=$(first_bytes)
newline='
'
case $line in
": SKEWMON1 "*"$newline"*) ;;
*) refuse ;;
esac
line=${line%%"$newline"*}
line=${line#": SKEWMON1 "}
nonce=${line%% *}
mode=${line#* }
case $nonce in
'' | *[!0-9A-Za-z]*) refuse ;;
esac
case $mode in
clock)
    printf '\n%s\n' "SKEWMON-INSTALLED $nonce @VERSION@"
    skewmon_ladder "$nonce"
    ;;
status)
@SHEET@
    ;;
@MODES@esac
refuse
