"""One snapshot as Prometheus scrapes it."""

import subprocess
from dataclasses import replace

import pytest
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from skewmon.errors import Reason
from skewmon.export.collector import SnapshotCollector
from skewmon.export.exposition import OPENMETRICS_END, exposition
from skewmon.export.pairs import PairExport
from skewmon.export.published import DaemonStats
from skewmon.model import Interval, Snapshot, Verdict
from tests.export import samples
from tests.export.samples import EVERY_SAMPLE, STATS

KINDS = ("application/openmetrics-text", "text/plain")
WAYS = ("", *(f";escaping={way}" for way in ("underscores", "allow-utf-8", "dots", "values")))


class Rendered:
    """The samples that a scrape of one snapshot gives."""

    def __init__(self, snapshot: Snapshot, pairs: PairExport = "auto") -> None:
        text = generate_latest(SnapshotCollector(snapshot, STATS, pairs)).decode()
        self.samples = [sample for family in parse_text(text) for sample in family.samples]

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of the samples with this name and at least these labels."""
        return [
            sample.value
            for sample in self.samples
            if sample.name == f"skewmon_{name}" and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only such sample."""
        (value,) = self.values(name, **labels)
        return value


@pytest.mark.parametrize("build", EVERY_SAMPLE, ids=lambda build: build.__name__)
def test_both_formats_can_be_parsed_and_agree(build: object) -> None:
    """Text and OpenMetrics carry the same samples, whatever the nodes sent."""
    collector = SnapshotCollector(build(), STATS)
    text = parse_text(generate_latest(collector).decode())
    openmetrics = parse_openmetrics(generate_openmetrics(collector).decode())

    def series(families: object) -> set[tuple[str, frozenset[tuple[str, str]], float]]:
        return {(s.name, frozenset(s.labels.items()), s.value) for f in families for s in f.samples}

    assert series(text) == series(openmetrics)


@pytest.mark.parametrize("accept", ["", *(f"{kind};version=1.0.0{way}" for kind in KINDS for way in WAYS)])
@pytest.mark.parametrize("build", EVERY_SAMPLE, ids=lambda build: build.__name__)
def test_the_text_is_that_of_the_client_library(build: object, accept: str) -> None:
    """Byte for byte, in every format and with every way to escape names."""
    collector = SnapshotCollector(build(), STATS)
    encode, content_type = choose_encoder(accept)
    expected = encode(collector).removesuffix(OPENMETRICS_END)
    assert exposition(collector, encode, content_type) == expected


@pytest.mark.parametrize("build", EVERY_SAMPLE, ids=lambda build: build.__name__)
def test_promtool_has_no_complaint(build: object) -> None:
    """The project's own linter accepts the exposition."""
    text = generate_latest(SnapshotCollector(build(), STATS))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_jump_shows_as_skew_offset_and_culprit() -> None:
    """The numbers of a jumped clock arrive in seconds and with their bounds."""
    scrape = Rendered(samples.jumped())
    assert scrape.value("skew_lower_seconds", cluster_name="etcd-prod") == pytest.approx(70.000012 - 80e-6)
    assert scrape.value("skew_seconds") == pytest.approx(70.000012)
    assert scrape.value("skew_upper_seconds") == pytest.approx(70.000012 + 80e-6)
    assert scrape.value("node_offset_seconds", node="etcd3") == 70.0
    assert scrape.value("node_offset_lower_seconds", node="etcd3") == pytest.approx(69.99996)
    assert scrape.value("node_offset_upper_seconds", node="etcd3") == pytest.approx(70.00004)
    assert scrape.value("node_admin_offset_seconds", node="etcd3") == pytest.approx(70.003)
    assert scrape.value("node_culprit", node="etcd3") == 1
    assert scrape.value("node_culprit", node="etcd1") == 0
    assert scrape.value("node_steps_total", node="etcd3") == 1
    assert scrape.value("finding", node="etcd3", kind="claims-sync-but-off") == 1
    assert scrape.value("round_timestamp_seconds") == pytest.approx(samples.WALL_NS / 1e9, abs=1e-6)


def test_exactly_one_verdict_holds() -> None:
    """The verdict is a set of 0/1 series, one for every verdict."""
    scrape = Rendered(samples.ambiguous())
    held = {verdict: scrape.value("verdict", verdict=verdict.value) for verdict in Verdict}
    assert held == {verdict: float(verdict is Verdict.AMBIGUOUS) for verdict in Verdict}


def test_a_node_not_measured_loses_its_series_but_not_its_name() -> None:
    """Silence is shown as failure with its reason; no old number is repeated, even if left in the view."""
    silent = samples.silent().clusters[0]
    leftover = replace(silent.nodes[2], offset=Interval(1, 2), admin_offset=Interval(1, 2))
    scrape = Rendered(samples.snapshot(replace(silent, nodes=(*silent.nodes[:2], leftover))))
    assert scrape.value("node_success", node="etcd3") == 0
    assert scrape.value("node_failures_total", node="etcd3", reason="no-answer") == 240
    assert scrape.value("node_last_success_timestamp_seconds", node="etcd3") == pytest.approx(
        samples.WALL_NS / 1e9 - 3600
    )
    for name in (
        "offset_seconds",
        "offset_lower_seconds",
        "admin_offset_seconds",
        "round_trip_seconds",
        "culprit",
    ):
        assert scrape.values(f"node_{name}", node="etcd3") == []
    assert scrape.values("pair_offset_seconds", peer="etcd3") == []
    assert len(scrape.values("pair_offset_seconds")) == 1


@pytest.mark.parametrize(("count", "series"), [(32, len(Reason)), (33, 1)])
def test_failures_of_every_reason_begin_at_zero_in_small_clusters(count: int, series: int) -> None:
    """An increase sees the first failure; a large cluster has only the reasons that occurred."""
    nodes = (samples.unreachable("down"), *(samples.node(f"n{n}") for n in range(count - 1)))
    scrape = Rendered(samples.snapshot(samples.cluster_view(nodes)))
    assert len(scrape.values("node_failures_total", node="down")) == series
    assert scrape.value("node_failures_total", node="down", reason="no-answer") == 240


def test_a_single_measured_node_has_no_skew() -> None:
    """A skew that was not measured has no series."""
    view = samples.cluster_view((samples.node("a"), samples.unreachable("b")), verdict=Verdict.UNKNOWN)
    assert Rendered(samples.snapshot(view)).values("skew_seconds") == []


def test_claims_are_exported_as_claims() -> None:
    """Claims of the time daemon have their own metrics; a missing claim has none."""
    status = replace(samples.chrony(), synchronized=None, stratum=None, offset_s=None)
    view = samples.cluster_view((samples.node("a", timesync=status), samples.node("b")))
    scrape = Rendered(samples.snapshot(view))
    assert scrape.values("timesync_synchronized", node="a") == []
    assert scrape.values("timesync_stratum", node="a") == []
    assert scrape.values("timesync_offset_seconds", node="a") == []
    assert scrape.value("timesync_synchronized", node="b") == 1
    assert scrape.value("timesync_reachable_sources", node="b") == 1
    assert scrape.value("timesync_info", node="b", daemon="chronyd", source="192.0.2.1") == 1


def test_only_servers_that_answer_are_reachable_sources() -> None:
    """Neither the machine's own clock nor the placeholder of a pool brings time from anywhere."""
    chrony = samples.chrony()
    peer = chrony.peers[0]
    local = replace(peer, name="LOCAL(0)", refid="LOCL")
    pool = replace(peer, name="pool.example.org", refid="POOL", kind="p")
    for peers, count in (((peer, local, pool), 1), ((local,), 0), ((replace(peer, reach=0), pool), 0)):
        view = samples.cluster_view((samples.node("a", timesync=replace(chrony, peers=peers)),))
        assert Rendered(samples.snapshot(view)).value("timesync_reachable_sources", node="a") == count


def test_a_pair_series_keeps_its_name_when_the_clocks_pass_each_other() -> None:
    """Node and peer are in alphabetical order, and the sign shows which clock is ahead."""
    for ahead_ns in (5 * samples.MS, -5 * samples.MS):
        view = samples.cluster_view((samples.node("b", ahead_ns), samples.node("a")))
        scrape = Rendered(samples.snapshot(view))
        assert scrape.value("pair_offset_seconds", node="a", peer="b") == -ahead_ns / 1e9
        assert scrape.value("pair_offset_lower_seconds") == pytest.approx(-ahead_ns / 1e9 - 80e-6)


@pytest.mark.parametrize(
    ("count", "export", "pairs"),
    [
        (37, "auto", 666),
        (38, "auto", 100),
        (38, "all", 703),
        (37, "worst", 100),
        (37, "none", 0),
        (3, "worst", 3),
        (317, "all", 100),
    ],
)
def test_pair_series_are_bounded(count: int, export: PairExport, pairs: int) -> None:
    """Each mode of export.pairs keeps to its documented number of series."""
    view = samples.cluster_view(tuple(samples.node(f"n{n:03}", n * samples.US) for n in range(count)))
    assert len(Rendered(samples.snapshot(view), export).values("pair_offset_seconds")) == pairs


def test_before_the_first_round_only_the_daemon_has_series() -> None:
    """No cluster is shown as healthy before it was measured."""
    families = SnapshotCollector(Snapshot(0), DaemonStats()).collect()
    assert [family.name for family in families] == [
        "skewmon_build",
        "skewmon_config_last_reload_successful",
        "skewmon_loop_lag_seconds",
    ]
