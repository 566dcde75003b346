"""``samples: auto`` proves nothing false and alerts when eight exchanges do: simulated nodes."""

from random import Random

import pytest

from skewmon.clock.sampling import NEW_ROUNDS, WHOLE_BURST
from tests.alert.test_false_alerts import LINE, LopsidedPath, Simulated
from tests.alert.views import MS
from tests.clock.simulator import Step

NODES = 10
PAIRS = NODES * (NODES - 1) // 2

#: The most that one direction takes longer than the other: of a rack, a campus, and a long path.
DELAYS_NS = (MS // 5, 5 * MS, 200 * MS)

#: Rounds of one cluster, most of them past its first ones.
ROUNDS = 60

#: Rounds before a step, and those in which it may be proven.
BEFORE, AFTER = NEW_ROUNDS + 10, 4


async def _quiet(pair_rounds: int) -> tuple[int, int]:
    """Measure clusters whose pairs are within the line; return the numbers of short and of whole bursts."""
    short = whole = 0
    for seed in range(max(len(DELAYS_NS), pair_rounds // (PAIRS * ROUNDS))):
        dice = Random(seed)
        ahead_ns = [dice.randrange(LINE.limit_ns + 1) for _ in range(NODES)]
        simulated = Simulated(ahead_ns, seed, delay_ns=DELAYS_NS[seed % len(DELAYS_NS)])
        for _ in range(ROUNDS):
            await simulated.round()
            assert simulated.state.firing == [], (seed, simulated.state.firing)
            short += sum(count < WHOLE_BURST for count in simulated.exchanges)
            whole += sum(count == WHOLE_BURST for count in simulated.exchanges)
    return short, whole


@pytest.mark.parametrize(
    "pair_rounds", [8_000, pytest.param(1_000_000, marks=pytest.mark.prove)], ids=["few", "a million"]
)
async def test_a_short_burst_raises_no_false_alert(pair_rounds: int) -> None:
    """With all the delay on one side, at any distance within the line; sweeps check the truth as well."""
    short, whole = await _quiet(pair_rounds)
    assert min(short, whole) > pair_rounds // 200


class RestlessPath(LopsidedPath):
    """A path whose delays differ from packet to packet, so that each exchange may narrow a burst."""

    def __call__(self) -> tuple[int, int]:
        """Return the delays of one exchange, there and back."""
        return self._rng.randrange(self._most_ns + 1), self._rng.randrange(self._most_ns + 1)


async def _alerted_after(samples: int | None, seed: int) -> int | None:
    """Return the round after a step in which its alert fires, None if it does not."""
    dice = Random(seed)
    delay_ns = dice.choice(DELAYS_NS[:2])
    size_ns = round(LINE.limit_ns + delay_ns * dice.uniform(-0.1, 1)) * dice.choice((1, -1))
    simulated = Simulated([0, 0, 0], seed, samples=samples, delay_ns=delay_ns, path=RestlessPath)
    for _ in range(BEFORE):
        await simulated.round()
        assert simulated.state.firing == []
    simulated.machines[dice.randrange(3)].schedule(simulated.now_ns - MS, Step(size_ns))
    for number in range(AFTER):
        await simulated.round()
        if simulated.state.firing:
            return number
    return None


@pytest.mark.parametrize(
    "steps", [60, pytest.param(1_000, marks=pytest.mark.prove)], ids=["few", "a thousand"]
)
async def test_an_alert_begins_no_more_than_one_round_later(steps: int) -> None:
    """Than with eight exchanges over the same network; steps are off the line by about a bound's width."""
    fired = 0
    for seed in range(steps):
        by_eight = await _alerted_after(WHOLE_BURST, seed)
        fired += by_eight is not None
        if by_eight is not None and by_eight + 1 < AFTER:
            by_auto = await _alerted_after(None, seed)
            assert by_auto is not None, seed
            assert by_auto <= by_eight + 1, seed
    assert steps // 4 < fired < steps
