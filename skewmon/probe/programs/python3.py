import gc, os, sys, time
# Runs on the node under any Python from 3.3 on, with only os, sys and time; double quotes only, because
# the shell hands it over in single quotes. Answers "NONCE ID" with the clocks, read at once on arrival.
nonce = sys.argv[1].encode()
linux = sys.platform.startswith("linux")
if hasattr(time, "clock_gettime_ns"):
    read, early, late = time.clock_gettime_ns, 0, 0
else:
    # Before 3.7 a float, rounded to the nearest 2**-22 s (238 ns), and printed without a second rounding.
    def read(clock):
        return int(("%.9f" % time.clock_gettime(clock)).replace(".", ""))
    early = late = 239
def quantum(clock):
    return "%d,%d" % (early, late + max(1, round(time.clock_getres(clock) * 1e9)))
def slurp(path):
    try:
        with open(path) as file:
            return file.read(64).strip() or "-"
    except OSError:
        return "-"
# The numbers of Linux: REALTIME 0, MONOTONIC 1, MONOTONIC_RAW 4, BOOTTIME 7. Elsewhere only 0 means the same.
hello = "SKEWMON1 %s hello probe=python3 real=%s" % (sys.argv[1], quantum(0))
if linux:
    hello += " raw=%s mono=%s boot=%s" % (quantum(4), quantum(1), quantum(7))
hello += " boot_id=" + slurp("/proc/sys/kernel/random/boot_id")
hello += " clocksource=" + slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource")
os.write(1, ("\n" + hello + "\n").encode())
gc.disable()
pending = b""
while 1:
    piece = os.read(0, 65536)
    if linux:
        real_in = read(0); raw_in = read(4); mono = read(1); boot = read(7); raw_out = read(4); real_out = read(0)
    else:
        real_in = read(0); real_out = real_in; raw_in = mono = boot = raw_out = "-"
    if not piece:
        break
    pending = (pending + piece)[-65536:]
    if not pending.endswith(b"\n"):
        continue
    for line in pending.split(b"\n"):
        words = line.split()
        if len(words) == 2 and words[0] == nonce and words[1].isdigit():
            reply = (real_in, raw_in, mono, boot, raw_out, real_out)
            os.write(1, line.strip() + (" %s %s %s %s %s %s\n" % reply).encode())
    pending = b""
