"""When a time server may be queried: servers belong to others, and some block clients without manners."""

from dataclasses import dataclass, replace

from skewmon.model import NS_PER_S

#: Requests of the initial burst, and the time between them: as iburst of ntpd and chronyd. Servers that limit
#: their clients drop requests that follow each other within two seconds.
BURST = 4
BURST_GAP_S = 2.0

#: A server that limits this client may double its interval up to NTP's MAXPOLL: 2^17 s.
INTERVAL_MAX_S = 131_072.0


@dataclass(frozen=True, slots=True)
class NtpSchedule:
    """The requests so far to one server, and when the next one is allowed, on the base."""

    interval_s: float
    asked: int = 0
    due_ns: int = 0
    is_stopped: bool = False
    least_s: float = 0.0  # by the server's own request

    def allows(self, now_ns: int) -> bool:
        """Return whether a request may be sent now."""
        return not self.is_stopped and now_ns >= self.due_ns

    def after_request(self, now_ns: int) -> "NtpSchedule":
        """Return this after a request: a short pause within the initial burst, else the interval."""
        asked = self.asked + 1
        pause_s = BURST_GAP_S if asked < BURST else self.interval_s
        return replace(self, asked=asked, due_ns=now_ns + round(pause_s * NS_PER_S))

    def slowed(self, now_ns: int) -> "NtpSchedule":
        """Return this after the kiss RATE: no more burst, and twice the interval."""
        interval_s = min(2 * self.interval_s, INTERVAL_MAX_S)
        due_ns = now_ns + round(interval_s * NS_PER_S)
        return NtpSchedule(interval_s, max(self.asked, BURST), due_ns, least_s=interval_s)

    def resumed(self, interval_s: float) -> "NtpSchedule":
        """Return this for another entry of the same server: no further burst, and no earlier request."""
        interval_s = max(interval_s, self.least_s)
        due_ns = self.due_ns
        if self.asked >= BURST:
            due_ns += round((interval_s - self.interval_s) * NS_PER_S)
        return replace(self, interval_s=interval_s, due_ns=due_ns, is_stopped=False)

    def stopped(self) -> "NtpSchedule":
        """Return this after the kisses DENY and RSTR: no more requests."""
        return replace(self, is_stopped=True)
