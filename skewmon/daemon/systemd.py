"""The sd_notify(3) protocol of systemd, in forty lines and without a dependency."""

import os
import socket
import time
from contextlib import suppress

#: Twice in every watchdog interval, as sd_watchdog_enabled(3) recommends.
WATCHDOG_SHARE = 0.5


class Systemd:
    """Notifies systemd of the daemon's state; does nothing if systemd does not listen.

    Its variables leave the environment: programs that the daemon starts, such as a time tool or a proxy
    command, would notify systemd in its name.
    """

    def __init__(self, environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_us = int(environment.pop("WATCHDOG_USEC", "0") or 0)
        watched = environment.pop("WATCHDOG_PID", "")
        if watched and watched != str(os.getpid()):
            self._watchdog_us = 0

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often ``alive`` must be called, or None without a watchdog."""
        return self._watchdog_us / 1e6 * WATCHDOG_SHARE if self._watchdog_us else None

    def ready(self, status: str) -> None:
        """Report the end of a start or reload."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Report the begin of a reload; Type=notify-reload requires the time."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def status(self, status: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Reset the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # The service manager may have gone away, or no descriptor may be left for this moment.
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify,
        ):
            notify.sendto(message.encode(), self._address)
