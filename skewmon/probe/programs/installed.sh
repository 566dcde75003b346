#!/bin/sh
# skewmon @VERSION@: the node-side program, the only thing that skewmon's key may run on this machine.
#
# In authorized_keys:  restrict,command="@PATH@" ssh-ed25519 ...
# Made by:             skewmon keys authorize --program
# Owner root, mode 0755. It needs no privilege.
#
# It reads the clocks and asks the time daemons what they say. It changes nothing and executes nothing that it
# is sent: the first line of standard input chooses between two answers, and every later line can only ask for
# the clocks once more. The command that the other side asked for is ignored.
unset SSH_ORIGINAL_COMMAND PERL5OPT PERL5LIB PERL5DB TMOUT BASH_ENV ENV
LC_ALL=C
export LC_ALL
@LADDER@
refuse() {
    echo "This key answers skewmon and nobody else." >&2
    exit 1
}
IFS=' ' read -r colon word nonce mode rest || refuse
[ "$colon $word" = ": SKEWMON1" ] && [ -z "$rest" ] || refuse
case $nonce in
'' | *[!0-9A-Za-z]*) refuse ;;
esac
case $mode in
clock) skewmon_ladder "$nonce" ;;
status)
@SHEET@
    ;;
esac
refuse
