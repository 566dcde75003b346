import ctypes, os, sys
# Runs on the node under Python 2.7, whose time module cannot read these clocks; ctypes can. Double quotes only.
nonce = sys.argv[1]
class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
library = ctypes.CDLL(None)
try:
    gettime, getres = library.clock_gettime, library.clock_getres
except AttributeError:
    # Before glibc 2.17 the clocks lived in librt.
    library = ctypes.CDLL("librt.so.1")
    gettime, getres = library.clock_gettime, library.clock_getres
def make(function):
    spec = Timespec()
    pointer = ctypes.byref(spec)
    def read(clock):
        if function(clock, pointer):
            sys.exit(77)
        return spec.seconds * 1000000000 + spec.nanoseconds
    return read
read, resolution = make(gettime), make(getres)
def quantum(clock):
    return "0,%d" % max(1, resolution(clock))
def slurp(path):
    try:
        with open(path) as file:
            return file.read(64).strip() or "-"
    except (IOError, OSError):
        return "-"
if not sys.platform.startswith("linux"):
    sys.exit(77)
hello = "SKEWMON1 %s hello probe=python2 real=%s raw=%s mono=%s boot=%s" % (nonce, quantum(0), quantum(4), quantum(1), quantum(7))
hello += " boot_id=" + slurp("/proc/sys/kernel/random/boot_id")
hello += " clocksource=" + slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource")
os.write(1, "\n" + hello + "\n")
pending = ""
while 1:
    piece = os.read(0, 65536)
    real_in = read(0); raw_in = read(4); mono = read(1); boot = read(7); raw_out = read(4); real_out = read(0)
    if not piece:
        break
    pending = (pending + piece)[-65536:]
    if not pending.endswith("\n"):
        continue
    for line in pending.split("\n"):
        words = line.split()
        if len(words) == 2 and words[0] == nonce and words[1].isdigit():
            reply = (real_in, raw_in, mono, boot, raw_out, real_out)
            os.write(1, line.strip() + " %d %d %d %d %d %d\n" % reply)
    pending = ""
