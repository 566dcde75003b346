"""The axes of one round: which vantages can be used, and each of their nodes as measured from there."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from skewmon.clock.history import History, HistoryUpdate
from skewmon.clock.state import JUMPS
from skewmon.clock.vantage import (
    common_instant,
    common_offset,
    exchanges_of,
    followed_vantage,
    on_axis,
    stamped,
    to_base,
    vantage_exchanges,
    vantage_program,
)
from skewmon.model import (
    Axis,
    Burst,
    Cluster,
    Endpoint,
    Failed,
    Interval,
    Measured,
    Outcome,
    VantageReading,
    VantageView,
)
from skewmon.probe.sweep import Sweep
from skewmon.timesync.findings.evidence import VantageEvidence

#: No machine falls asleep and wakes within this, and no reads of its clocks take so long.
LEAST_SLEEP_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class VantageState:
    """A vantage between rounds; a value. ``at_ns`` is the common instant of the last round that used it.

    ``epoch`` counts its sleeps: meanwhile its oscillator stood still.
    """

    at_ns: int = -1
    history: History | None = None
    slept_ns: int | None = None
    epoch: int = 0

    def awake(self, slept_ns: int | None) -> "VantageState":
        """Return the state by the time slept since the vantage's boot: a new epoch if it slept again."""
        if self.slept_ns is None or slept_ns is None or abs(slept_ns - self.slept_ns) < LEAST_SLEEP_NS:
            return replace(self, slept_ns=slept_ns if slept_ns is not None else self.slept_ns)
        return replace(self, history=None, slept_ns=slept_ns, epoch=self.epoch + 1)

    def after(
        self, burst: Burst, offset: Interval, at_ns: int, *, steady_base: bool
    ) -> tuple["VantageState", HistoryUpdate]:
        """Return the state after a round with all these exchanges, and the conclusions from earlier ones."""
        if self.at_ns >= at_ns:  # a round that began later was committed before
            return self, HistoryUpdate(None, None)
        history, update = followed_vantage(self.history, burst, offset, at_ns, steady_base=steady_base)
        return replace(self, at_ns=at_ns, history=history), update


@dataclass(frozen=True, slots=True)
class SurveyedAxis:
    """One vantage in a round: its axis by this round alone, its new state, and the nodes measured from it."""

    axis: Axis
    state: VantageState
    update: HistoryUpdate
    nodes: Mapping[Endpoint, Outcome]
    was_followed: bool = False  # it had a prediction against the base that this round can contradict

    @property
    def deviation(self) -> Interval | None:
        """By how much its oscillator left its course against the base; None if it did not."""
        reset = self.update.reset
        return reset.moved if reset and reset.reason in JUMPS else None

    def tightened(self) -> Axis:
        """Return the axis with its earlier offsets to the base."""
        known = self.update.proven
        offset = self.axis.to_base.meet(known.interval) if known is not None else None
        return replace(self.axis, to_base=offset) if offset is not None else self.axis


@dataclass(frozen=True, slots=True)
class Survey:
    """The axes of a round by label, and the nodes whose stamps are dropped, with the vantage's label."""

    axes: Mapping[str, SurveyedAxis] = field(default_factory=dict)
    contradicting: Mapping[Endpoint, str] = field(default_factory=dict)

    def outcome(self, endpoint: Endpoint, measured: Outcome) -> Outcome:
        """Return a node as measured from its vantage, if that is possible."""
        surveyed = self.axes.get(measured.burst.vantage) if isinstance(measured, Measured) else None
        return surveyed.nodes.get(endpoint, measured) if surveyed else measured

    def evidence(self, endpoint: Endpoint, sweep: Sweep) -> VantageEvidence | None:
        """Return what hinders the measurement of a node from its vantage; None if nothing does."""
        if not (self.contradicting or sweep.vantage_of or sweep.detours):
            return None  # no node is measured from one
        if endpoint in self.contradicting:
            return VantageEvidence(self.contradicting[endpoint], contradicts=True)
        label = sweep.vantage_of.get(endpoint, "")
        reading = sweep.vantages.get(label)
        failed = reading if isinstance(reading, Failed) else sweep.detours.get(endpoint)
        return VantageEvidence(label, failed=failed) if failed is not None else None

    def views(self, cluster: Cluster, sweep: Sweep) -> tuple[VantageView, ...]:
        """Return the published view of each vantage that nodes of a cluster are to be measured from."""
        names: dict[str, dict[Endpoint, str]] = {}
        for node in cluster.nodes if self.axes or sweep.vantages or sweep.vantage_of else ():
            outcome = sweep.outcomes[node.endpoint]
            label = outcome.burst.vantage if isinstance(outcome, Measured) else ""
            if label := label or sweep.vantage_of.get(node.endpoint, ""):
                names.setdefault(label, {})[node.endpoint] = node.name
        return tuple(self._view(sweep, label, its) for label, its in names.items())

    def _view(self, sweep: Sweep, label: str, names: Mapping[Endpoint, str]) -> VantageView:
        reading, surveyed = sweep.vantages.get(label), self.axes.get(label)
        failed = reading if isinstance(reading, Failed) else None
        if surveyed is None and failed is None:
            failed = next((sweep.detours[one] for one in names if one in sweep.detours), None)
        return VantageView(
            label,
            surveyed.axis.to_base if surveyed else None,
            reading.streams if isinstance(reading, VantageReading) else 0,
            failed,
            tuple(name for endpoint, name in names.items() if endpoint in self.contradicting),
        )


#: The survey of a round in which all nodes are measured directly.
NO_AXES = Survey()

#: A node as the admin box sees it, and its burst by the vantage's stamps.
Stream = tuple[Measured, Burst]


def survey(sweep: Sweep, states: Mapping[str, VantageState], *, steady_base: bool) -> Survey:
    """Return the axes of a round: for each vantage what its own exchanges and all its streams agree on.

    A stream that contradicts the others has falsified stamps, or broken ones: its node keeps the interval of
    the admin box's own stamps. So do all nodes of a vantage whose claims have no majority.
    """
    streams: dict[str, dict[Endpoint, Stream]] = {}
    for endpoint, outcome in sweep.outcomes.items():
        if isinstance(outcome, Measured) and (seen := stamped(outcome.burst)) is not None:
            streams.setdefault(seen.vantage, {})[endpoint] = outcome, seen
    axes, contradicting = dict[str, SurveyedAxis](), dict[Endpoint, str]()
    for label, nodes in streams.items():
        reading = sweep.vantages.get(label)
        if isinstance(reading, VantageReading):
            state = states.get(label, VantageState())
            found = _surveyed(reading, nodes, sweep.at_ns, state, steady_base=steady_base)
            axes |= {label: found} if found is not None else {}
            used = found.nodes if found is not None else {}
            contradicting |= {endpoint: label for endpoint in nodes if endpoint not in used}
    return Survey(axes, contradicting)


def _surveyed(
    reading: VantageReading,
    nodes: Mapping[Endpoint, Stream],
    at_ns: int,
    state: VantageState,
    *,
    steady_base: bool,
) -> SurveyedAxis | None:
    """Return one vantage, with the nodes that are consistent; None if its claims have no majority."""
    program, own = vantage_program(reading.burst.program), exchanges_of(reading.burst)
    passed = [vantage_exchanges(measured.burst) for measured, _ in nodes.values()]
    claims = [to_base(one, program, at_ns) for one in (own, *passed)]
    offset, dissenting = common_offset(claims)
    if offset is None:
        return None
    agreeing = [one for number, one in enumerate((own, *passed)) if number not in dissenting]
    exchanges = sorted(chain.from_iterable(agreeing), key=lambda one: one.sent_ns)
    burst = Burst(program, tuple(exchanges), vantage=reading.label)
    awake = state.awake(reading.slept_ns)
    known, update = awake.after(burst, offset, at_ns, steady_base=steady_base)
    streams = {one: its for number, (one, its) in enumerate(nodes.items(), 1) if number not in dissenting}
    pairs = [(measured.burst, seen) for measured, seen in streams.values()]
    instant_ns = common_instant(pairs, exchanges, program, at_ns + offset.upper_ns)
    axis = Axis(reading.label, program.boot_id, program.clocksource, instant_ns, offset, known.epoch)
    seen_there = {endpoint: on_axis(measured, seen, axis) for endpoint, (measured, seen) in streams.items()}
    consistent = {endpoint: one for endpoint, one in seen_there.items() if one is not None}
    if len(consistent) < len(seen_there):  # the vantage stood still, or lies: no node failed by its own fault
        consistent = {endpoint: one for endpoint, one in consistent.items() if isinstance(one, Measured)}
    return SurveyedAxis(axis, known, update, consistent, awake.history is not None)
