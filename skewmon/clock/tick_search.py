"""When to ask a clock that only tells whole seconds.

A reading of ``date +%s`` says little, unless it was taken just where the second changes. So the requests are
timed to arrive where the edge may lie: a row of them across that span, then another row across what is left.
The intersection of the burst does the rest; the plan only decides when to ask, never what to believe.
"""

from skewmon.model import NS_PER_S, Interval

#: A clock that ticks more slowly than this is worth a search; the next finer rung reads nanoseconds.
COARSE_NS = 100_000_000

#: How often such a clock ticks. What its quantum has beyond that is how late a tick may show.
TICK_NS = NS_PER_S

#: Requests across one span. With 24, a second shrinks to 40 ms and then to the round trip.
REQUESTS = 24

#: Rows of requests: the third gains nothing on any path slower than 2 ms, and 2 ms is what ``date`` takes.
ROWS = 2

#: Time to prepare a row before its first request must leave.
LEAD_NS = 5_000_000


def send_instants(wall: Interval, round_trip_ns: int, now_ns: int) -> list[int]:
    """Return the instants of the base at which to send one row of requests, in order.

    ``wall`` contains the node's clock minus the base. The clock ticks on the base at n × tick − offset for
    every n; the row covers all instants at which the next tick may come. It is never denser than one request
    a round trip, since each must be answered before the next leaves.
    """
    first = -wall.upper_ns % TICK_NS
    span = min(wall.width_ns, TICK_NS)
    count = max(1, min(REQUESTS, span // max(1, round_trip_ns)))
    one_way = round_trip_ns // 2
    earliest = now_ns + LEAD_NS + one_way
    first += (earliest - first + TICK_NS - 1) // TICK_NS * TICK_NS
    return [first + span * (2 * k + 1) // (2 * count) - one_way for k in range(count)]
