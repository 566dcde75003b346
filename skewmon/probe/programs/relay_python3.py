import errno, gc, os, select, signal, socket, stat, struct, sys, time
# The relay of skewmon. It runs on a vantage, a machine near the nodes, under any Python from 3.3 on, for as long as the SSH
# session that started it. It opens TCP connections to the sshd of nodes, passes bytes both ways, and stamps each write
# and each read with CLOCK_MONOTONIC_RAW. The bytes are SSH between the admin box and the node: the relay has no key and
# cannot read them. Double quotes only, because a shell hands it over in single quotes.
#
# A frame, either way, is a header and a payload:  kind 1 byte, stream 4, number 4, stamp 8, length 4, big-endian.
#   to the relay    O open, payload "ADDRESS PORT"      from it    O opened
#                   D data, numbered; its stamp is its turn        S that frame was written, with its stamp
#                                                                  D data, with its stamp
#                   W so many bytes ("number") were taken          C closed, payload the reason
#                   C close
#                   P ping                                         P payload: the six readings of a clock program
#                   N "ADDRESS PORT", a newline, a datagram        N its reply with its stamp; payload: the stamp of
#                                                                    the datagram in 8 bytes, the reply
# A frame with the turn 1 waits until the node has sent something since the last write; one with the turn 2 begins a
# burst, and waits until few bursts are under way. Neither waits if a frame with the turn 0 is behind it. So the requests
# of many bursts come over a long path at once, and here they are as far apart as if skewmon was beside the nodes.
nonce = sys.argv[1]
# With a second argument only the targets in that file are opened; it has one numeric "ADDRESS PORT" a line.
listed = sys.argv[2] if len(sys.argv) > 2 else ""

# Connections at once; one skewmon has one for each node behind this vantage.
STREAMS_MAX = 1024
# Bytes of one stream that may wait here, each way; with it the other side holds back, so one that stalls stops no other.
WINDOW_BYTES = 65536
# Read at once: few, so that whatever arrives next does not wait for its stamp.
READ_BYTES = 4096
# No frame from skewmon is longer; after one that claims to be, everything up to the next start line is skipped.
FRAME_BYTES_MAX = 16384
# Names that are being looked up at once, each by a child process.
LOOKUPS_MAX = 64
# Datagrams that wait for their replies at once; the oldest one gives way.
DATAGRAMS_MAX = 64
DATAGRAM_BYTES = 1024
# Without a sign of life from skewmon for so long (it pings every minute) the relay ends.
IDLE_S = 300
# Reports of small writes wait for the reply that follows them, and replies for the last one of a burst, but not more
# than so many, and not for long.
REPORTS_HELD = 64
SMALL_BYTES = 1024
HELD_S = 0.05
# Bursts under way at once; with more, replies wait for each other before they are stamped. A burst that takes longer
# leaves the relay idle, and makes room for the next.
BURSTS_MAX = 4
BURST_S = 0.005

HEADER = struct.Struct(">cIIQI")
START = ("\n%s start\n" % nonce).encode()
RAW = 4
if not sys.platform.startswith("linux"):
    sys.exit(77)
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


def say(words):
    os.write(1, ("\nSKEWMON1 %s %s\n" % (nonce, words)).encode())


class Stream:
    def __init__(self, ident):
        self.ident, self.socket, self.is_open, self.places = ident, None, False, []
        self.queue, self.held = [], 0  # frames to write: number, bytes left, stamp, turn
        self.asked = False  # nothing has arrived since the last write
        self.window, self.events = WINDOW_BYTES, 0


streams, sockets, lookups, datagrams, out, urgent = {}, {}, {}, {}, [], False
waiting, under_way = [], {}  # streams whose burst has not begun; those whose burst has, and when
poller = select.epoll()


def put(kind, ident, number=0, stamp=0, payload=b"", waits=False):
    global urgent
    urgent = urgent or not waits
    out.append(HEADER.pack(kind, ident, number, stamp, len(payload)) + payload)


def flush():
    global urgent
    data, urgent = b"".join(out), False
    del out[:]
    while data:
        data = data[os.write(1, data):]


def may_write(stream):
    if not stream.queue or not all(frame[3] for frame in stream.queue):
        return bool(stream.queue)
    return stream in under_way if stream.queue[0][3] == 2 else not stream.asked


def begin_bursts():
    now = time.monotonic()
    for stream, began in list(under_way.items()):
        if now - began > BURST_S or not stream.socket or not (stream.queue or stream.asked):
            del under_way[stream]
    at = 0
    while at < len(waiting) and len(under_way) < BURSTS_MAX:
        stream = waiting[at]
        turns = [frame[3] for frame in stream.queue]
        if stream.socket and 2 in turns[1:] and turns[0] != 2:
            at += 1  # its last burst has not ended
            continue
        del waiting[at]
        if stream.socket and turns[:1] == [2]:
            under_way[stream] = now
            write(stream)


def watch(stream):
    # Reads while the other side takes what is read; writes while something may go, or the connection is being made.
    events = select.EPOLLIN if stream.is_open and stream.window > 0 else 0
    events |= select.EPOLLOUT if may_write(stream) or not stream.is_open else 0
    if events != stream.events:
        poller.modify(stream.socket.fileno(), events)
        stream.events = events


def hang_up(stream):
    if stream.socket:
        poller.unregister(stream.socket.fileno())
        del sockets[stream.socket.fileno()]
        stream.socket.close()
        stream.socket = None


def close(stream, reason=None):
    hang_up(stream)
    streams.pop(stream.ident, None)
    if reason is not None:
        put(b"C", stream.ident, payload=reason.encode()[:200])


def allowed():
    # Only root may have written the list: whoever may change it decides where this machine connects to.
    with open(listed) as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid != 0 or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise OSError(0, "it is not owned by root, or others may write it")
        return set(line.strip() for line in file if line.strip() and not line.startswith("#"))


def is_port(text):
    return text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536


def open_stream(ident, target):
    if ident in streams:
        return
    if len(streams) >= STREAMS_MAX:
        put(b"C", ident, payload=b"too many connections through this relay")
        return
    stream = Stream(ident)
    text = target.decode("utf-8", "replace")
    # The text itself is compared, not the address it stands for: another spelling is another target.
    if listed and text not in targets:
        close(stream, "not a target in %s" % listed)
        return
    host, _, port = text.rpartition(" ")
    if not host or not is_port(port):
        close(stream, "not an address and a port")
        return
    streams[ident] = stream
    try:
        found = socket.getaddrinfo(host, int(port), 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        found = []
    if found:
        connect(stream, [(one[0], one[4]) for one in found])
    elif listed:
        close(stream, "not a numeric address")
    else:
        look_up(stream, host, int(port))


def look_up(stream, host, port):
    # A name server may take its time; a child waits for it, and the relay goes on.
    if len(lookups) >= LOOKUPS_MAX:
        close(stream, "too many names are being looked up")
        return
    pipe = ()
    try:
        near, far = pipe = os.pipe()
        child = os.fork()
    except OSError as fault:
        for fd in pipe:
            os.close(fd)
        close(stream, os.strerror(fault.errno))
        return
    if child == 0:
        try:
            # What it inherits would keep connections open that end meanwhile.
            for fd in [0, 1, near, poller.fileno()] + list(sockets) + list(lookups) + list(datagrams):
                os.close(fd)
            found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
            os.write(far, " ".join(one[4][0] for one in found).encode())
        except (OSError, ValueError):
            pass
        os._exit(0)
    os.close(far)
    lookups[near] = (stream, port)
    poller.register(near, select.EPOLLIN)


def looked_up(near):
    stream, port = lookups.pop(near)
    addresses = os.read(near, READ_BYTES).decode().split()
    poller.unregister(near)
    os.close(near)
    if streams.get(stream.ident) is not stream:
        return
    if not addresses:
        close(stream, "the name does not resolve")
        return
    try:
        found = [socket.getaddrinfo(one, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0] for one in addresses]
    except OSError:
        close(stream, "the name does not resolve")
        return
    connect(stream, [(one[0], one[4]) for one in found])


def connect(stream, places, error=0):
    while places:
        family, place = places[0]
        places = places[1:]
        try:
            stream.socket = socket.socket(family, socket.SOCK_STREAM)
        except OSError as fault:  # no descriptor is left, or the kernel has no IPv6
            error = fault.errno
            continue
        stream.socket.setblocking(False)
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.places, stream.events = places, select.EPOLLOUT
        sockets[stream.socket.fileno()] = stream
        poller.register(stream.socket.fileno(), stream.events)
        error = stream.socket.connect_ex(place)
        if error in (0, errno.EINPROGRESS):
            return
        hang_up(stream)
    close(stream, os.strerror(error))


def connected(stream):
    error = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        hang_up(stream)
        connect(stream, stream.places, error)
        return
    stream.is_open = True
    put(b"O", stream.ident)
    write(stream)


def write(stream):
    # The stamp is read before the first byte leaves, and reported once the last one did.
    try:
        while may_write(stream):
            number, data, stamp, _ = stream.queue[0]
            stamp = stamp or read(RAW)
            try:
                sent = stream.socket.send(data)
            except BlockingIOError:
                sent = 0
            stream.held -= sent
            if sent < len(data):
                stream.queue[0] = (number, data[sent:], stamp, 0)
                break
            del stream.queue[0]
            stream.asked = True
            put(b"S", stream.ident, number, stamp, waits=len(data) < SMALL_BYTES)
        watch(stream)
    except OSError as error:
        close(stream, os.strerror(error.errno))


def arrive(stream):
    # Returns the bytes and their stamp, which is read after them.
    try:
        data = stream.socket.recv(min(READ_BYTES, stream.window))
        return stream, data, read(RAW)
    except BlockingIOError:
        return None
    except OSError as error:
        close(stream, os.strerror(error.errno))


def forward(stream, data, stamp):
    if not data:
        close(stream, "closed by the node")
        return
    put(b"D", stream.ident, 0, stamp, data, waits=any(frame[3] == 1 for frame in stream.queue[:1]))
    stream.window -= len(data)
    stream.asked = False
    if stream.queue:
        write(stream)
    elif stream.window <= 0:
        watch(stream)


def forget(fd):
    waiting = datagrams.pop(fd)
    poller.unregister(fd)
    waiting[0].close()


def ask(number, payload):
    # A numeric place only, and of a list only what is in it; without a reply the other side gives up by itself.
    target, _, data = payload.partition(b"\n")
    host, _, port = target.decode("ascii", "replace").rpartition(" ")
    if listed and "%s %s" % (host, port) not in targets or not is_port(port):
        return
    try:
        found = socket.getaddrinfo(host, int(port), 0, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0]
        asking = socket.socket(found[0], socket.SOCK_DGRAM)
        asking.setblocking(False)
        asking.connect(found[4])
        stamp = read(RAW)
        asking.send(data)
    except (OSError, ValueError):
        return
    while len(datagrams) >= DATAGRAMS_MAX:
        forget(min(datagrams, key=lambda fd: datagrams[fd][2]))
    datagrams[asking.fileno()] = (asking, number, stamp)
    poller.register(asking.fileno(), select.EPOLLIN)


def hear(fd):
    asking, number, sent = datagrams[fd]
    try:
        data, stamp = asking.recv(DATAGRAM_BYTES), read(RAW)
        put(b"N", 0, number, stamp, struct.pack(">Q", sent) + data)
    except OSError:
        pass
    forget(fd)


def obey(kind, ident, number, turn, payload):
    stream = streams.get(ident)
    if kind == b"P":
        clocks = (read(0), read(RAW), read(1), read(7), read(RAW), read(0))
        put(b"P", 0, number, 0, ("%d %d %d %d %d %d" % clocks).encode())
    elif kind == b"N":
        ask(number, payload)
    elif kind == b"O":
        open_stream(ident, payload)
    elif stream is None:
        pass
    elif kind == b"D":
        stream.queue.append((number, payload, 0, turn))
        stream.held += len(payload)
        if turn == 2:
            waiting.append(stream)
        if stream.held > WINDOW_BYTES:
            close(stream, "too many bytes in flight")
        elif stream.is_open:
            write(stream)
    elif kind == b"W":
        stream.window = min(WINDOW_BYTES, stream.window + number)
        if stream.is_open:
            watch(stream)
    elif kind == b"C":
        close(stream)


def take(pending, started):
    # Obeys every whole frame and returns what is left of the last one, and whether frames are expected next.
    if not started:
        before, found, pending = pending.partition(START)
        if not found:
            return before[-len(START):], False
    at = 0
    while len(pending) - at >= HEADER.size:
        kind, ident, number, turn, length = HEADER.unpack_from(pending, at)
        if length > FRAME_BYTES_MAX or kind not in b"ODWCPN":
            for stream in list(streams.values()):
                close(stream, "lost the thread")
            return b"", False
        if len(pending) - at < HEADER.size + length:
            break
        obey(kind, ident, number, turn, pending[at + HEADER.size : at + HEADER.size + length])
        at += HEADER.size + length
    return pending[at:], True


try:
    targets = allowed() if listed else ()
except (OSError, UnicodeError) as fault:
    say("refused %s: %s" % (listed, getattr(fault, "strerror", None) or fault))
    sys.exit(0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
hello = "hello probe=python3 real=%s raw=%s mono=%s boot=%s" % (quantum(0), quantum(RAW), quantum(1), quantum(7))
hello += " boot_id=" + slurp("/proc/sys/kernel/random/boot_id")
hello += " clocksource=" + slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource")
say("%s ntp=1 turns=1 relay=%s" % (hello, "listed" if listed else "any"))
gc.disable()
poller.register(0, select.EPOLLIN)


def serve():
    # The start line may follow directly on the line that started this program.
    pending, started, heard = b"\n", False, time.monotonic()
    while time.monotonic() - heard < IDLE_S:
        found = poller.poll(BURST_S if waiting else HELD_S if out else IDLE_S)
        ready = [(fd, events, sockets.get(fd)) for fd, events in found]
        # Everything that has arrived gets its stamp before anything else is done.
        arrived = [arrive(one) for _, events, one in ready if one and one.is_open and events & ~select.EPOLLOUT]
        for fd, _, _ in ready:
            if fd in datagrams:
                hear(fd)
        for fd, events, stream in ready:
            if fd in lookups:
                looked_up(fd)
            elif stream and stream.socket and not stream.is_open:
                connected(stream)
            elif stream and stream.socket and events & select.EPOLLOUT:
                write(stream)
        for arrival in arrived:
            if arrival and arrival[0].socket:
                forward(*arrival)
        if any(fd == 0 for fd, _, _ in ready):
            piece = os.read(0, READ_BYTES)
            if not piece:
                return
            heard = time.monotonic()
            pending, started = take(pending + piece, started)
        begin_bursts()
        if urgent or len(out) > REPORTS_HELD or not ready:
            flush()


try:
    serve()
finally:
    # It has said hello, so it has served: no other rung may start.
    os._exit(0)
