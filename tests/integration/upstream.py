"""An NTP server that lies by a known amount: the ground truth of the sign tests.

    python upstream.py ADDRESS:OFFSET_S:STRATUM[:LEAP] …

A server whose OFFSET_S is -0.25 shows a time that is behind; to it, this machine's clock is 250 ms ahead.
"""

import selectors
import socket
import struct
import sys
import time

NTP_EPOCH_S = 2_208_988_800
PORT = 123


def stamp(offset_s: float) -> int:
    """Return now as a 64-bit NTP timestamp, shifted."""
    now_ns = time.time_ns() + round(offset_s * 1e9)
    return ((now_ns // 10**9 + NTP_EPOCH_S) << 32) | ((now_ns % 10**9) << 32) // 10**9


def reply(request: bytes, offset_s: float, stratum: int, leap: int, received: int) -> bytes:
    """Answer one client packet as a server of this stratum would."""
    version = request[0] >> 3 & 7
    refid = b"GPS\0" if stratum == 1 else socket.inet_aton("192.0.2.1")
    head = struct.pack("!BBbb", leap << 6 | version << 3 | 4, stratum, max(request[2], 0), -20)
    body = struct.pack("!II4s", 66, 66, refid)  # a millisecond of delay and of dispersion, in 16.16
    return (
        head + body + struct.pack("!Q8sQQ", received - (8 << 32), request[40:48], received, stamp(offset_s))
    )


def main() -> None:
    """Serve every address named, until killed."""
    ready = selectors.DefaultSelector()
    for word in sys.argv[1:]:
        address, offset_s, stratum, *leap = word.split(":")
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((address, PORT))
        ready.register(
            server, selectors.EVENT_READ, (float(offset_s), int(stratum), int(leap[0]) if leap else 0)
        )
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            offset_s, stratum, leap = key.data
            request, client = key.fileobj.recvfrom(512)
            received = stamp(offset_s)
            if len(request) >= 48 and request[0] & 7 == 3:
                key.fileobj.sendto(reply(request, offset_s, stratum, leap, received), client)


if __name__ == "__main__":
    main()
