"""A real Prometheus scrapes the exporter: new series, stale series, and the dashboard's queries."""

from collections.abc import AsyncIterator

import bcrypt
import pytest

from skewmon.export.server import Exporter
from tests.export import dashboard, samples
from tests.export.certificates import Authority
from tests.export.samples import BY_NAME
from tests.integration.scraper import prometheus

SCRAPE_CONFIG = """\
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: skewmon
"""


@pytest.fixture
async def exporter() -> AsyncIterator[tuple[Exporter, str]]:
    """Return an exporter with a round of every kind, and its address."""
    started = Exporter()
    (bound,) = await started.start("127.0.0.1:0")
    started.publish(samples.everything(), samples.STATS)
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
        for title, query in dashboard.queries():
            assert await server.query(query), title
        (up,) = await server.query("up")
        assert up["value"][1] == "1"


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
