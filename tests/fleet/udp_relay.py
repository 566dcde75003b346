"""A UDP relay with a delay on one side of each exchange, chosen at random: fully one-sided paths.

    python udp_relay.py DELAY_MAX_S FD=ADDRESS:PORT …

Each FD is a socket that listens, perhaps in another network namespace, and was inherited. Prints "ready".
"""

import heapq
import random
import selectors
import socket
import sys
import time
from itertools import count


class Relay:
    """One thread; datagrams wait in a heap until they are due."""

    def __init__(self, delay_max_s: float) -> None:
        self._delay_max_s = delay_max_s
        self._ready = selectors.DefaultSelector()
        self._waiting = []
        self._upstream = {}
        self._number = count()

    def listen(self, descriptor: int, server: tuple[str, int]) -> None:
        """Pass datagrams of a socket on to a server."""
        listening = socket.socket(fileno=descriptor)
        self._ready.register(listening, selectors.EVENT_READ, (listening, server, None))

    def run(self) -> None:
        """Relay until killed."""
        while True:
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, _, send, data = heapq.heappop(self._waiting)
                send(data)
            left = self._waiting[0][0] - now if self._waiting else None
            for key, _ in self._ready.select(left):
                self._take(*key.data, key.fileobj)

    def _take(self, listening, server, back, readable) -> None:
        try:
            data, client = readable.recvfrom(2048)
        except OSError:  # an ICMP message of the server's machine
            return
        if back is not None:
            client, delay_s = back
            self._later(delay_s, lambda data: listening.sendto(data, client), data)
            return
        # All of the delay on the way there, or all of it on the way back.
        delay_s = random.uniform(0, self._delay_max_s)
        there_s, back_s = (delay_s, 0.0) if random.random() < 0.5 else (0.0, delay_s)
        upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        upstream.connect(server)
        self._ready.register(upstream, selectors.EVENT_READ, (listening, server, (client, back_s)))
        self._close_old(upstream)
        self._later(there_s, upstream.send, data)

    def _close_old(self, upstream) -> None:
        """Keep the sockets of the last requests alone."""
        self._upstream[upstream] = None
        if len(self._upstream) > 256:
            oldest = next(iter(self._upstream))
            del self._upstream[oldest]
            self._ready.unregister(oldest)
            oldest.close()

    def _later(self, delay_s, send, data) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + delay_s, next(self._number), send, data))


def main() -> None:
    """Relay as the command line says."""
    relay = Relay(float(sys.argv[1]))
    for word in sys.argv[2:]:
        descriptor, _, place = word.partition("=")
        host, _, port = place.partition(":")
        relay.listen(int(descriptor), (host, int(port)))
    print("ready", flush=True)
    relay.run()


if __name__ == "__main__":
    main()
