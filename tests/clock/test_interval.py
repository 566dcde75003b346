"""One exchange: the truth is inside whatever the network did, and nothing is added that need not be."""

from dataclasses import dataclass, replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.interval import (
    OSCILLATOR,
    RHO_WALL_PPB,
    UNKNOWN_RATE,
    WALL,
    RateBounds,
    age_slack_ns,
    aged,
    correction,
    intersection,
    middle_ns,
    offset_of,
)
from skewmon.model import NS_PER_S, Exchange, Interval, Program, Quantum

DAY_NS = 86_400 * NS_PER_S

#: From the same instant to half a minute: no SSH session survives worse.
delays = st.one_of(st.integers(0, 2_000), st.integers(0, 500_000_000), st.integers(0, 30 * NS_PER_S))
offsets = st.integers(-(10**19), 10**19)
instants = st.integers(0, 10**18)
quanta = st.sampled_from(
    [Quantum(0, 1), Quantum(0, 1_000), Quantum(120, 120), Quantum(239, 240), Quantum(0, NS_PER_S)]
)
intervals = st.tuples(offsets, st.integers(0, DAY_NS)).map(lambda two: Interval(two[0], two[0] + two[1]))


@dataclass(frozen=True)
class Clock:
    """A clock that runs straight: offset and rate against the base, exact as a fraction."""

    offset_ns: int
    rate_ppb: int
    origin_ns: int

    def ahead(self, base_ns: Fraction | int) -> Fraction:
        """Return by how much the clock is ahead of the base at an instant."""
        return self.offset_ns + Fraction(self.rate_ppb, NS_PER_S) * (base_ns - self.origin_ns)

    def read(self, base_ns: int, quantum: Quantum) -> int:
        """Return a reading that the quantum permits: rounded down, or to the nearest."""
        exact = base_ns + self.ahead(base_ns)
        step = max(1, quantum.late_ns - quantum.early_ns) if not quantum.early_ns else 2 * quantum.early_ns
        if quantum.early_ns:
            return round(exact / step) * step
        return exact // step * step


@dataclass(frozen=True)
class Story:
    """The true course of one exchange."""

    clock: Clock
    exchange: Exchange
    program: Program

    def holds(self, interval: Interval, at_ns: Fraction | int) -> bool:
        """Whether the truth at an instant lies inside."""
        return interval.lower_ns <= self.clock.ahead(at_ns) <= interval.upper_ns


ppbs = st.integers(UNKNOWN_RATE.lower_ppb, UNKNOWN_RATE.upper_ppb)
bounds = st.tuples(ppbs, ppbs).map(lambda pair: RateBounds(*sorted(pair)))


@st.composite
def stories(draw: st.DrawFn, limit_ppb: int = UNKNOWN_RATE.upper_ppb) -> Story:
    """Draw an exchange of any clock over any network, stamped early on the way out and late on the way in."""
    departure_ns, quantum = draw(instants), draw(quanta)
    clock = Clock(draw(offsets), draw(st.integers(-limit_ppb, limit_ppb)), departure_ns)
    read_in_ns = departure_ns + draw(delays)
    read_out_ns = read_in_ns + draw(st.integers(0, 100_000))
    arrival_ns = read_out_ns + draw(delays)
    readings = (clock.read(read_in_ns, quantum), clock.read(read_out_ns, quantum))
    exchange = Exchange(
        sent_ns=departure_ns - draw(st.integers(0, 5_000)),
        received_ns=arrival_ns + draw(st.integers(0, 5_000)),
        real_in_ns=readings[0],
        real_out_ns=readings[1],
        raw_in_ns=readings[0],
        raw_out_ns=readings[1],
    )
    return Story(clock, exchange, Program("python3", real=quantum, raw=quantum))


@given(stories())
def test_the_oscillator_is_inside_on_any_network(story: Story) -> None:
    """Causality alone: no delay, however lopsided, moves the truth out."""
    interval = offset_of(story.exchange, story.program, OSCILLATOR)
    assert interval is not None
    assert story.holds(interval, Fraction(story.exchange.sent_ns + story.exchange.received_ns, 2))


@given(stories(RHO_WALL_PPB))
def test_the_wall_clock_is_inside_on_any_network(story: Story) -> None:
    """The same for a clock that is steered as far as the kernel permits."""
    interval = offset_of(story.exchange, story.program, WALL)
    assert interval is not None
    assert story.holds(interval, Fraction(story.exchange.sent_ns + story.exchange.received_ns, 2))


@given(stories())
def test_the_width_is_the_round_trip_less_the_nodes_own_turn(story: Story) -> None:
    """Nothing is added but the quanta, the drift of the round trip and a few nanoseconds of rounding."""
    one, quantum = story.exchange, story.program.real
    interval = offset_of(one, story.program, OSCILLATOR)
    assert interval is not None
    bare = one.round_trip_ns - (one.real_out_ns - one.real_in_ns) + quantum.early_ns + quantum.late_ns
    assert 0 <= interval.width_ns - bare - age_slack_ns(one.round_trip_ns, UNKNOWN_RATE.upper_ppb) <= 4


@given(offsets, st.integers(1, 10**9), st.booleans())
def test_neither_end_can_be_had_for_less(offset_ns: int, delay_ns: int, forward: bool) -> None:
    """With all delay on one way the truth lies at an end: a narrower interval would miss it."""
    read_ns = 10**15 + (delay_ns if forward else 0)
    exchange = Exchange(10**15, 10**15 + delay_ns, read_ns + offset_ns, read_ns + offset_ns)
    interval = offset_of(exchange, Program("bash"), WALL._replace(rate=RateBounds(0, 0)))
    assert interval is not None
    end_ns = interval.lower_ns if forward else interval.upper_ns
    assert abs(end_ns - offset_ns) <= 3
    assert offset_ns in interval


@given(stories(), offsets)
def test_a_clock_that_is_ahead_by_more_is_measured_as_ahead_by_more(story: Story, by_ns: int) -> None:
    """To the nanosecond and with its sign, at any size: nothing is rounded or turned round."""
    one, program = story.exchange, story.program
    ahead = replace(one, real_in_ns=one.real_in_ns + by_ns, real_out_ns=one.real_out_ns + by_ns)
    before, after = offset_of(one, program, WALL), offset_of(ahead, program, WALL)
    assert before is not None
    assert after == before.shifted(by_ns)


@given(stories(), offsets)
def test_the_base_itself_drops_out_of_the_comparison(story: Story, by_ns: int) -> None:
    """Another base moves every offset by the same amount, so differences of nodes stay the same."""
    one, program = story.exchange, story.program
    moved = Exchange(one.sent_ns + by_ns, one.received_ns + by_ns, one.real_in_ns, one.real_out_ns)
    before, after = offset_of(one, program, WALL), offset_of(moved, program, WALL)
    assert before is not None
    assert after == before.shifted(-by_ns)


@given(stories())
def test_readings_that_run_backwards_by_more_than_the_round_trip_are_refused(story: Story) -> None:
    """A clock cannot lose more than passed while it was asked: the exchange contradicts itself."""
    one, quantum = story.exchange, story.program.real
    torn = 2 * one.round_trip_ns + quantum.early_ns + quantum.late_ns + 10
    assert offset_of(replace(one, real_out_ns=one.real_in_ns + torn), story.program, WALL) is None


@given(intervals, st.integers(0, DAY_NS), st.integers(0, DAY_NS), bounds)
def test_ageing_composes(interval: Interval, first_ns: int, second_ns: int, rate: RateBounds) -> None:
    """Twice a while is never less than the whole while at once, and at most a nanosecond more."""
    twice = aged(aged(interval, first_ns, rate), second_ns, rate)
    once = aged(interval, first_ns + second_ns, rate)
    assert 0 <= once.lower_ns - twice.lower_ns <= 1
    assert 0 <= twice.upper_ns - once.upper_ns <= 1


@given(stories(), st.integers(-DAY_NS, DAY_NS), st.integers(0, 50_000), st.integers(0, 50_000))
def test_an_aged_interval_still_holds_the_truth(
    story: Story, elapsed_ns: int, below_ppb: int, above_ppb: int
) -> None:
    """At any other instant, later or earlier, for bounds of the rate that are lopsided about the truth."""
    rate = RateBounds(story.clock.rate_ppb - below_ppb, story.clock.rate_ppb + above_ppb)
    one = story.exchange
    at_ns = middle_ns(one)
    interval = intersection((one,), story.program, at_ns, OSCILLATOR, rate)
    assert interval is not None
    assert story.holds(aged(interval, elapsed_ns, rate), at_ns + elapsed_ns)
    there = intersection((one,), story.program, at_ns + elapsed_ns, OSCILLATOR, rate)
    assert there is not None
    assert story.holds(there, at_ns + elapsed_ns)


@given(stories(), st.integers(0, DAY_NS))
def test_the_ends_of_an_exchange_age_from_their_own_instants(story: Story, elapsed_ns: int) -> None:
    """Dating both ends at the middle first can only be wider."""
    one = story.exchange
    at_ns = middle_ns(one) + elapsed_ns
    middle = offset_of(one, story.program, OSCILLATOR)
    there = intersection((one,), story.program, at_ns, OSCILLATOR)
    assert middle is not None
    assert there is not None
    later = aged(middle, elapsed_ns, UNKNOWN_RATE)
    assert later.lower_ns - 2 <= there.lower_ns
    assert there.upper_ns <= later.upper_ns + 2


def test_a_clock_that_drifts_at_the_limit_needs_all_of_the_ageing() -> None:
    """A thousand seconds at 1,000 ppm are a second: less slack would miss it."""
    second = aged(Interval(0, 0), 1_000 * NS_PER_S, UNKNOWN_RATE)
    assert second == Interval(-NS_PER_S, NS_PER_S)
    assert aged(Interval(0, 0), -1_000 * NS_PER_S, RateBounds(-30_000, 10_000)) == Interval(
        -10_000_000, 30_000_000
    )
    assert age_slack_ns(-1, 100_000) == 1


def test_the_middle_lies_half_way() -> None:
    """The instant of an exchange is between departure and arrival."""
    assert middle_ns(Exchange(10, 31, 0, 0)) == 20


@given(st.integers(-DAY_NS, DAY_NS), st.lists(st.integers(0, 50_000), min_size=3, max_size=3), quanta)
def test_the_correction_encloses_the_readings_of_the_node(
    ahead_ns: int, gaps_ns: list[int], quantum: Quantum
) -> None:
    """REALTIME − RAW is known to the bracket of the reads, whatever the pauses between them."""
    real, raw = Clock(ahead_ns, 0, 0), Clock(0, 0, 0)
    at = [DAY_NS, DAY_NS + gaps_ns[0], DAY_NS + sum(gaps_ns[:2]), DAY_NS + sum(gaps_ns)]
    exchange = Exchange(
        sent_ns=at[0],
        received_ns=at[3],
        real_in_ns=real.read(at[0], quantum),
        raw_in_ns=raw.read(at[1], quantum),
        raw_out_ns=raw.read(at[2], quantum),
        real_out_ns=real.read(at[3], quantum),
    )
    found = Interval(*correction(exchange, Program("python3", real=quantum, raw=quantum)))
    assert ahead_ns in found
    assert found.width_ns <= gaps_ns[0] + gaps_ns[2] + 4 * (quantum.early_ns + quantum.late_ns)
