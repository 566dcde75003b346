r"""The status script: one POSIX sh script that runs a node's time tools, and the parser of its output.

``script(nonce)`` is sent to ``/bin/sh`` on standard input; ``split(nonce, text)`` takes the answer apart. The
script writes no file, needs no privilege, asks only, and runs in dash, bash and busybox ash.

Tools run at the same time, each under its own limit, so that a hanging one costs one limit and no more. Each
stage of one long pipeline holds its tool's output in a variable, passes on the blocks before it, then prints
its own: the order is fixed and nothing interleaves, without a temporary file. A block is::

    \n<nonce> begin ntpq\n  standard output  \n<nonce> err\n  standard error  \n<nonce> end 0\n

A newline always precedes a mark, so output without a final newline comes back as it was.
"""

import re
from dataclasses import dataclass

from skewmon.text import harmless
from skewmon.timesync.parsers.report import KILLED

#: One tool may take this long: ntpq's own time-out is 5 s, and no healthy daemon needs that long.
TOOL_LIMIT_S = 4

#: All tools run at once; starting shells on a loaded node and passing the text on may take as long again.
SCRIPT_LIMIT_S = 15

#: One tool may print this much: a table of 200 sources is 16 KiB.
TOOL_LIMIT_BYTES = 32_768

#: Limit of the whole status output: two streams of each of a dozen tools, and marks.
OUTPUT_LIMIT_BYTES = 13 * 2 * TOOL_LIMIT_BYTES

#: Name of the block with facts that no tool prints.
FACTS = "facts"

#: Unprintable characters that are kept; all others of a node are made visible here, so that names are
#: harmless wherever they are shown.
LINE_SIGNS = "\n\r\t"

#: A nonce is used inside a shell script and a pattern: letters and digits only.
_NONCE = re.compile(r"[A-Za-z0-9]{8,64}")

#: Only commands that exist are run. timedatectl wakes systemd-timedated, which writes two lines to the node's
#: log each time: it is run only if timesyncd keeps the time or no other tool would answer. Its timesync
#: verbs could start a stopped timesyncd: they are used only while that one's runtime directory exists.
_SCRIPT = r"""
LC_ALL=C
TZ=UTC0
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin:/usr/local/bin
export LC_ALL TZ PATH
mark={nonce}
limit={limit_s}
patience={patience_s}
bytes={limit_bytes}

have() { command -v "$1" >/dev/null 2>&1; }

if timeout -s KILL 9 true; then
  within() { timeout -s KILL "$@"; }
elif timeout -t 9 -s KILL true; then
  within() { timeout -s KILL -t "$@"; }
else
  within() {
    span=$1
    shift
    "$@" <&7 7<&- &
    tool=$!
    {
      trap 'kill "$nap"; exit' TERM
      sleep "$span" &
      nap=$!
      wait "$nap"
      kill -KILL "$tool"
    } >/dev/null 2>&1 6>&- 7<&- &
    guard=$!
    wait "$tool"
    code=$?
    kill "$guard"
    return "$code"
  } 7<&0
fi 2>/dev/null

limited() { within "$limit" "$@" 2>&6; }

# A tool that ends and leaves a child behind leaves its output open, too: reading has a limit.
reading() {
  { within "$patience" cat | head -c "$bytes"; } 2>/dev/null
}

# A process that has another number in a namespace below this one's runs in a container.
contained() {
  while read -r key _ inner; do
    if [ "$key" = NSpid: ]; then
      [ -n "$inner" ]
      return
    fi
  done <"/proc/$1/status"
  return 1
}

daemon() {
  case $2 in
    ntpd | chronyd | systemd-timesyn* | openntpd | ntp-daemon | ptp4l | phc2sys | timemaster | busybox) ;;
    *) return ;;
  esac
  if contained "$1"; then place=contained; else place=process; fi
  command=$(tr '\000\n' '  ' <"/proc/$1/cmdline" | head -c 300)
  case $2$command in
    busybox*ntpd*) echo "$place $1 ntpd $command" ;;
    busybox*) ;;
    *) echo "$place $1 $2 $command" ;;
  esac
}

facts() {
  echo "uname $(uname -srm)"
  echo "clock $(date +%s)"
  if read -r boot </proc/sys/kernel/random/boot_id; then echo "boot $boot"; fi
  if [ -e /run/systemd/container ]; then echo container; fi
  case $(readlink -f "$(command -v ntpd)") in *busybox*) echo "ntpd busybox" ;; esac
  if [ -r /proc/1/comm ]; then
    for comm in /proc/[0-9]*/comm; do
      read -r name <"$comm" || continue
      pid=${comm%/comm}
      daemon "${pid##*/}" "$name"
    done
  else
    echo "processes hidden"
    ps -A -o pid= -o comm= | while read -r pid name; do daemon "$pid" "${name##*/}"; done
  fi
}

kernel() {
  if have ntptime; then
    limited ntptime
  elif have adjtimex; then
    case $(readlink -f "$(command -v adjtimex)") in
      *busybox*) limited adjtimex ;; # takes no --print, and to it -p is a value to set
      *) limited adjtimex --print ;;
    esac
  else
    limited busybox adjtimex
  fi
}

run() {
  case $1 in
    facts) facts ;;
    ntpq) limited ntpq -pn ;;
    ntpq-rv) limited ntpq -n -c rv ;;
    ntpstat) limited ntpstat ;;
    chronyc-tracking) limited chronyc -n tracking ;;
    chronyc-sources) limited chronyc -n sources ;;
    ntpctl) limited ntpctl -s all ;;
    ntp-ctl) limited ntp-ctl status -f prometheus ;;
    timedatectl) limited timedatectl status ;;
    timesync-status) limited timedatectl timesync-status ;;
    show-timesync) limited timedatectl show-timesync ;;
    ntptime) kernel ;;
  esac
}

# Descriptors: 3 the block, 4 its second half, 5 the exit status, 6 the tool's own standard error; bash's
# own message about a killed tool is discarded.
block() {
  {
    printf '\n%s begin %s\n' "$mark" "$1"
    second=$(
      {
        code=$({
          {
            {
              run "$1" </dev/null 3>&- 4>&- 5>&- 6>&2 2>/dev/null
              echo "$?" >&5
            } | reading >&3
          } 2>&1 | reading >&4
        } 5>&1)
      } 4>&1
      printf '\n%s end %s' "$mark" "$code"
    )
    printf '\n%s err\n%s\n' "$mark" "$second"
  } 3>&1
}

follow() {
  if [ $# -eq 0 ]; then
    cat
    return
  fi
  {
    own=$(block "$1")
    cat
    printf '%s\n' "$own"
  } | {
    shift
    follow "$@"
  }
}

status_output() {
  set -- facts
  if have ntpq; then set -- "$@" ntpq ntpq-rv; fi
  if have chronyc; then set -- "$@" chronyc-tracking chronyc-sources; fi
  if have ntpctl; then set -- "$@" ntpctl; fi
  if have ntp-ctl; then set -- "$@" ntp-ctl; fi
  if have timedatectl; then
    if [ -d /run/systemd/timesync ]; then
      set -- "$@" timedatectl timesync-status show-timesync
    elif [ $# -eq 1 ]; then
      set -- "$@" timedatectl
    fi
  fi
  if have ntpstat; then set -- "$@" ntpstat; fi
  if have ntptime || have adjtimex || have busybox; then set -- "$@" ntptime; fi
  follow "$@" </dev/null
  printf '\n%s done\n' "$mark"
}

status_output
exit 0
"""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The output of one tool; ``status`` is None if the status output ends before the tool did."""

    name: str
    stdout: str
    stderr: str = ""
    status: int | None = 0
    timed_out: bool = False
    flooded: bool = False


def script(nonce: str) -> str:
    """Return the script to send to ``/bin/sh`` of a node; its marks carry the nonce."""
    assert _NONCE.fullmatch(nonce), nonce
    return (
        _SCRIPT.replace("{nonce}", nonce)
        .replace("{limit_s}", str(TOOL_LIMIT_S))
        .replace("{patience_s}", str(TOOL_LIMIT_S + 1))
        .replace("{limit_bytes}", str(TOOL_LIMIT_BYTES))
    )


def split(nonce: str, text: str) -> dict[str, ToolOutput]:
    """Return the output of each tool; text before the first mark, such as a banner, is ignored."""
    assert _NONCE.fullmatch(nonce), nonce
    outputs = {}
    _, *blocks = text.split(f"\n{nonce} begin ")
    for block in blocks:
        name, _, body = block.partition("\n")
        outputs[harmless(name)] = _output(nonce, name, body)
    return outputs


def is_complete(nonce: str, text: str) -> bool:
    """Return whether the script ran to its end."""
    return f"\n{nonce} done\n" in text


def _output(nonce: str, name: str, body: str) -> ToolOutput:
    stdout, _, rest = body.partition(f"\n{nonce} err\n")
    stderr, _, rest = rest.partition(f"\n{nonce} end ")
    flooded = any(len(stream.encode(errors="replace")) >= TOOL_LIMIT_BYTES for stream in (stdout, stderr))
    code = rest.split("\n", maxsplit=1)[0]
    status = int(code) if code.isdecimal() and len(code) <= 3 else None
    return ToolOutput(
        harmless(name),
        harmless(stdout, keep=LINE_SIGNS),
        harmless(stderr, keep=LINE_SIGNS),
        status,
        timed_out=status in KILLED,
        flooded=flooded,
    )
