# Skewmon's relay on a vantage: the best program that it can run serves. Its arguments are the nonce and, for a
# restricted relay, the file of its targets.
skewmon_relay_rung() {
    "$@" 2>/dev/null
    status=$?
    if [ "$status" -eq 0 ] || [ "$status" -gt 128 ]; then exit "$status"; fi
}
skewmon_relay() {
    unset TMOUT BASH_ENV ENV PERL5OPT PERL5LIB
    LC_ALL=C
    export LC_ALL
    for python in python3 /usr/libexec/platform-python; do
        command -v "$python" >/dev/null 2>&1 && skewmon_relay_rung "$python" -ISuc '@RELAY_PYTHON3@' "$@"
    done
    command -v perl >/dev/null 2>&1 && skewmon_relay_rung perl -e '@RELAY_PERL@' "$@"
    printf '\n%s\n' "SKEWMON1 $1 none"
    exit 1
}
