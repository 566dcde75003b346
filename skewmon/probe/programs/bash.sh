# Runs on the node under bash 5 or later, the first with EPOCHREALTIME (microseconds, rounded down); double quotes only.
[ "${BASH_VERSINFO[0]:-0}" -ge 5 ] && [ -n "$EPOCHREALTIME" ] || exit 77
LC_ALL=C
nonce=$1
read -r boot_id 2>/dev/null </proc/sys/kernel/random/boot_id
read -r clocksource 2>/dev/null </sys/devices/system/clocksource/clocksource0/current_clocksource
printf "\n%s\n" "SKEWMON1 $nonce hello probe=bash real=0,1000 boot_id=${boot_id:--} clocksource=${clocksource:--}"
# A request has some 40 bytes; without -n, read would keep a line that never ends.
while read -r -n 64 word id rest; do
    real_in=$EPOCHREALTIME
    [[ $word == "$nonce" && $id =~ ^[0-9]+$ && -z $rest ]] || continue
    printf "%s\n" "$nonce $id ${real_in/[.,]/}000 - - - - ${real_in/[.,]/}000"
done
