"""A real Prometheus scrapes the exporter: new series, stale series, and the dashboard's queries."""

from collections.abc import AsyncIterator
from dataclasses import replace

import bcrypt
import pytest

from skewmon.export.server import Exporter
from skewmon.model import NS_PER_S, Snapshot
from skewmon.probe.clocks import base_ns
from tests.export import dashboard, samples
from tests.export.certificates import Authority
from tests.export.samples import BY_NAME
from tests.integration.scraper import Prometheus, prometheus

SCRAPE_CONFIG = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: skewmon
"""


#: The choices on the dashboards: everything, a node that jumped, one that drifts to a line, one off UTC.
CHOICES = ((".+", ".+"), ("etcd-prod", "etcd3"), ("lab", "b"), ("utc", "r1"))

#: An age of some intervals.
LONG_NS = 600 * NS_PER_S


def rounds_of(at_ns: int) -> Snapshot:
    """Return rounds of every kind that ended at about this instant of the base."""
    everything = samples.everything()
    views = tuple(replace(view, at_ns=view.at_ns - samples.AT_NS + at_ns) for view in everything.clusters)
    return replace(everything, clusters=views)


@pytest.fixture
async def exporter() -> AsyncIterator[tuple[Exporter, str]]:
    """Return an exporter with a round of every kind, and its address."""
    started = Exporter()
    (bound,) = await started.start("127.0.0.1:0")
    started.publish(rounds_of(base_ns()), samples.STATS)
    yield started, bound
    await started.stop()


async def test_every_metric_and_every_panel_has_data(exporter, tmp_path) -> None:
    """The whole catalogue arrives with its own labels; every query of the dashboard returns something."""
    _, bound = exporter
    config = SCRAPE_CONFIG + f"    static_configs: [{{targets: ['{bound}']}}]\n"
    async with prometheus(tmp_path, config) as server:
        await server.until("count_over_time(skewmon_rounds_total[1m]) >= 3")
        series = await server.query('{__name__=~"skewmon_.+"}')
        assert {found["metric"]["__name__"] for found in series} == set(BY_NAME)
        for found in series:
            own = set(found["metric"]) - {"__name__", "job", "instance"}
            assert own <= set(BY_NAME[found["metric"]["__name__"]].labels)
        (up,) = await server.query("up")
        assert up["value"][1] == "1"
        found = await with_data(server)
        assert {title for title, _ in dashboard.queries()} - found == dashboard.ABOUT_ABSENCE


async def with_data(server: Prometheus) -> set[str]:
    """Return the titles of all queries of the dashboards that return something, for one of the choices."""
    return {
        title
        for cluster, node in CHOICES
        for title, query in dashboard.queries(cluster, node)
        if await server.query(query)
    }


async def test_no_present_value_outlives_its_round_or_its_scrape(exporter, tmp_path) -> None:
    """Rounds that stopped leave no verdict, and a dead skewmon nothing but the note that it is gone."""
    publisher, bound = exporter
    overdue = {"skewmon-overview: Verdict-B", "skewmon-node: Measured-B"}
    gone = {"skewmon-overview: Verdict-C", "skewmon-node: Measured-C"}
    of_rounds = {
        "skewmon-overview: Verdict-A",
        "skewmon-overview: Proven skew-A",
        "skewmon-overview: Nodes not measured-A",
        "skewmon-node: Measured-A",
        "skewmon-node: Named-A",
        "skewmon-node: Claim-A",
        "skewmon-node: Offset to the cluster-A",
    }
    config = SCRAPE_CONFIG + f"    static_configs: [{{targets: ['{bound}']}}]\n"
    async with prometheus(tmp_path, config) as server:
        await server.until("skewmon_round_age_seconds < 60")
        await server.until("count_over_time(skewmon_rounds_total[1m]) >= 3")
        assert of_rounds <= await with_data(server)
        publisher.publish(rounds_of(base_ns() - LONG_NS), samples.STATS)
        await server.until("min(skewmon_round_age_seconds) > 60")
        found = await with_data(server)
        assert overdue <= found
        assert not of_rounds & found
        await publisher.stop()
        await server.until("up == 0")
        assert {title for title in await with_data(server) if title in dashboard.present()} == gone


async def test_a_node_that_falls_silent_loses_its_offset_at_the_next_scrape(exporter, tmp_path) -> None:
    """Nothing old is carried on for five minutes; a node that left the cluster vanishes altogether."""
    publisher, bound = exporter
    publisher.publish(samples.jumped())
    config = SCRAPE_CONFIG + f"    static_configs: [{{targets: ['{bound}']}}]\n"
    async with prometheus(tmp_path, config) as server:
        (offset,) = await server.until('skewmon_node_offset_seconds{node="etcd3"}')
        assert float(offset["value"][1]) == 70.0
        publisher.publish(samples.silent())
        await server.until('skewmon_node_offset_seconds{node="etcd3"}', empty=True)
        (success,) = await server.query('skewmon_node_success{node="etcd3"}')
        assert success["value"][1] == "0"
        publisher.publish(samples.ambiguous())
        await server.until('{node="etcd3"}', empty=True)


async def test_prometheus_scrapes_over_tls_with_a_password(tmp_path) -> None:
    """The web file that exporter-toolkit's users know works with the client that they use."""
    authority = Authority(tmp_path)
    authority.issue("server")
    digest = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
        f"basic_auth_users: {{prometheus: '{digest}'}}\n",
        encoding="utf-8",
    )
    config = SCRAPE_CONFIG + (
        "    scheme: https\n"
        f"    tls_config: {{ca_file: {authority.path}}}\n"
        "    basic_auth: {username: prometheus, password: secret}\n"
    )
    publisher = Exporter(web_config_file=str(web))
    (bound,) = await publisher.start("127.0.0.1:0")
    publisher.publish(samples.jumped())
    try:
        config += f"    static_configs: [{{targets: ['{bound}']}}]\n"
        async with prometheus(tmp_path, config) as server:
            assert await server.until("up == 1")
            assert await server.query("skewmon_skew_lower_seconds > 69")
    finally:
        await publisher.stop()
