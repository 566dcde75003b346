"""When to read a clock that shows whole seconds only.

A reading of ``date +%s`` is loose unless it was taken just as the second changed. So the requests are timed
to arrive when the tick may come: a row of them across that span, then another row across the rest of it. The
intersection of the burst does the rest; the plan decides the send times alone, never the result.
"""

from skewmon.model import NS_PER_S, Interval

#: A clock that ticks more slowly than this is worth a search; the next finer rung reads nanoseconds.
COARSE_NS = 100_000_000

#: How often such a clock ticks. The rest of its quantum is how late a tick may show.
TICK_NS = NS_PER_S

#: Requests across one span. With 24, a second shrinks to 40 ms and then to the round trip.
REQUESTS = 24

#: Rows of requests: the third gains nothing on any path slower than 2 ms, and ``date`` itself takes 2 ms.
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
