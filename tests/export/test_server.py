"""The HTTP surface, over real sockets."""

import asyncio
import gzip
import json
import re
import socket
import threading
import time
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from skewmon.errors import ConfigError, Fault, JournalError, ListenError
from skewmon.export.attempts import BURST
from skewmon.export.collector import SnapshotCollector
from skewmon.export.connection_slots import limits
from skewmon.export.published import Callbacks, DaemonStats
from skewmon.export.server import REQUEST_BYTES_MAX, Exporter
from skewmon.export.status import encode, status, summary
from skewmon.model import NS_PER_S, Cluster, EventQuery
from skewmon.probe.clocks import base_ns
from tests.export import samples
from tests.export.certificates import Authority

PROMETHEUS_2 = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/html", "text/plain; version=0.0.4"),
        (PROMETHEUS_2, "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS_3, "application/openmetrics-text; version=1.0.0"),
        (PROMETHEUS_3_TEXT, "text/plain; version=1.0.0"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=no.number; q=no", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=9.9.9", "text/plain; version=0.0.4"),
    ],
)
async def test_metrics_are_negotiated(serve, client, accept, content_type) -> None:
    """Every scraper gets the format that it prefers, and nonsense gets the oldest one."""
    exporter, url = await serve()
    exporter.publish(samples.jumped())
    async with client.get(f"{url}/metrics", headers={"Accept": accept} if accept else {}) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(content_type)
        body = (await answer.read()).decode()
    assert 'skewmon_skew_lower_seconds{cluster_name="etcd-prod"} 69.99' in body
    assert "process_resident_memory_bytes" in body
    if content_type.startswith("application/openmetrics"):
        assert list(parse_openmetrics(body))


async def test_a_client_cannot_choose_how_often_a_snapshot_is_rendered(serve, client, monkeypatch) -> None:
    """Only format versions that exist are rendered; each would be kept in memory until the next round."""
    renderings = []
    collect = SnapshotCollector.collect
    monkeypatch.setattr(SnapshotCollector, "collect", lambda self: renderings.append(1) or collect(self))
    exporter, url = await serve()
    exporter.publish(samples.healthy())
    for kind in ("application/openmetrics-text", "text/plain"):
        for version in ("1.0.1", "1.0.0.0", "2.0.0", "3", "1.0.0"):
            async with client.get(
                f"{url}/metrics", headers={"Accept": f"{kind};version={version}"}
            ) as answer:
                assert answer.status == 200
    assert len(renderings) <= 3


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("accept", [PROMETHEUS_2, "text/plain"])
async def test_the_age_of_a_round_grows_between_two_rounds(serve, client, accept, encoding) -> None:
    """Each scrape measures it, on the monotonic base, even though the rest is rendered once a round."""
    exporter, url = await serve()
    now_ns = base_ns()
    (view,) = samples.healthy().clusters
    old = replace(view, at_ns=now_ns - 3_600 * NS_PER_S)
    waiting = Cluster("new", (), interval_s=600.0)
    exporter.publish(samples.snapshot(old), DaemonStats(awaited=((waiting, now_ns),)))
    ages = []
    for _ in range(2):
        async with client.get(
            f"{url}/metrics", headers={"Accept": accept, "Accept-Encoding": encoding}
        ) as answer:
            body = await answer.read()
        text = (gzip.decompress(body) if encoding == "gzip" else body).decode()
        found = re.findall(r'skewmon_round_age_seconds\{cluster_name="([\w-]+)"\} (\S+)', text)
        ages.append({name: float(value) for name, value in found})
        assert 'skewmon_round_interval_seconds{cluster_name="new"} 600.0' in text
    assert 3_600 <= ages[0]["etcd-prod"] < ages[1]["etcd-prod"]
    assert 0 <= ages[0]["new"] < ages[1]["new"] < 3_600


def of_the_round(metrics: bytes) -> bytes:
    """Return the part of /metrics that changes with a round alone."""
    return metrics.partition(b"# HELP skewmon_round_age_seconds")[0]


async def test_metrics_are_compressed_if_the_client_accepts_it(serve, client) -> None:
    """A compressed scrape is the plain one, smaller."""
    exporter, url = await serve()
    exporter.publish(samples.jumped())
    async with client.get(f"{url}/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        packed = await answer.read()
    async with client.get(f"{url}/metrics") as answer:
        assert "Content-Encoding" not in answer.headers
        plain = await answer.read()
    unpacked = gzip.decompress(packed)
    assert of_the_round(unpacked) == of_the_round(plain)
    assert unpacked.endswith(plain[-100:])
    assert len(packed) < len(plain) / 4


async def test_a_snapshot_is_rendered_once_and_off_the_event_loop(serve, client, monkeypatch) -> None:
    """However many scrape at the same time, one thread renders, and it is not the loop's."""
    threads = []
    collect = SnapshotCollector.collect

    def watched(self):
        threads.append(threading.current_thread())
        return collect(self)

    monkeypatch.setattr(SnapshotCollector, "collect", watched)
    exporter, url = await serve()
    exporter.publish(samples.thousand())

    async def scrape():
        async with client.get(f"{url}/metrics") as answer:
            return await answer.read()

    bodies = [of_the_round(body) for body in await asyncio.gather(*(scrape() for _ in range(8)))]
    assert len(set(bodies)) == 1
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    exporter.publish(samples.healthy())
    assert of_the_round(await scrape()) != bodies[0]
    assert len(threads) == 2


async def test_a_client_that_leaves_does_not_spoil_the_answer_for_others(serve, client) -> None:
    """The rendering continues after the client that started it has left."""
    exporter, url = await serve()
    exporter.publish(samples.thousand())
    first = asyncio.ensure_future(client.get(f"{url}/metrics"))
    await asyncio.sleep(0.01)
    first.cancel()
    async with client.get(f"{url}/metrics") as answer:
        assert answer.status == 200
        assert b"skewmon_skew_seconds" in await answer.read()


async def test_status_is_the_document_of_check(serve, client) -> None:
    """The API's document is that of the command, byte for byte."""
    exporter, url = await serve()
    exporter.publish(samples.jumped())
    async with client.get(f"{url}/api/v1/status") as answer:
        assert answer.content_type == "application/json"
        body = await answer.read()
    assert body == encode(status(samples.jumped()))


async def test_health_does_not_depend_on_results_but_readiness_does(serve, client) -> None:
    """Before the first round the process is healthy and not ready."""
    exporter, url = await serve()

    async def codes():
        found = []
        for path in ("/-/healthy", "/-/ready"):
            async with client.get(url + path) as answer:
                found.append(answer.status)
        return found

    assert await codes() == [200, 503]
    exporter.publish(samples.silent())
    assert await codes() == [200, 200]


async def test_reload_is_done_by_post_and_put_only(serve, client) -> None:
    """A GET changes nothing; an error is reported and does not crash; a foreign page cannot cause it."""
    calls = []

    async def reload():
        calls.append(1)
        if len(calls) > 2:
            raise ConfigError(Fault("unknown key", "skewmon.yml", 3, 1))

    _, url = await serve(Callbacks(reload=reload))
    async with client.get(f"{url}/-/reload") as answer:
        assert answer.status == 405
        assert "use POST or PUT" in await answer.text()
        assert answer.headers["Allow"] == "POST,PUT"
    async with client.post(f"{url}/-/reload", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
    assert calls == []
    async with client.post(f"{url}/-/reload") as answer:
        assert answer.status == 200
    async with client.put(f"{url}/-/reload") as answer:
        assert answer.status == 200
    async with client.post(f"{url}/-/reload") as answer:
        assert answer.status == 500
        assert "skewmon.yml:3:1: unknown key" in await answer.text()


async def test_one_client_reloads_ten_times_at_once_and_not_more(serve, client) -> None:
    """Each reload reads inventories, and may run programs; the log has a line for each."""
    calls = []

    async def reload() -> None:
        calls.append(1)

    _, url = await serve(Callbacks(reload=reload))
    statuses = []
    for _ in range(BURST + 5):
        async with client.post(f"{url}/-/reload") as answer:
            statuses.append(answer.status)
    assert statuses[:BURST] == [200] * BURST
    assert 429 in statuses
    assert len(calls) == statuses.count(200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://skewmon.example:10061"}, 200),
        ({"Origin": "https://SKEWMON.example:10061"}, 200),
        ({"Origin": "http://skewmon.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://time.example", "Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
async def test_a_foreign_origin_cannot_reload(serve, client, headers, status) -> None:
    """Without Sec-Fetch-Site the Origin decides; with it, the Origin does not count."""

    async def reload():
        pass

    _, url = await serve(Callbacks(reload=reload))
    headers = {"Host": "skewmon.example:10061", **headers}
    async with client.post(f"{url}/-/reload", headers=headers) as answer:
        assert answer.status == status


async def test_pairs_are_answered_on_request(serve, client) -> None:
    """Limit, node and least size narrow the answer; sizes are seconds or durations."""
    exporter, url = await serve()
    exporter.publish(samples.thousand())

    async def ask(query):
        async with client.get(f"{url}/api/v1/clusters/big/pairs{query}") as answer:
            assert answer.content_type == "application/json"
            return answer.status, json.loads(await answer.text())

    code, document = await ask("")
    assert (code, len(document["pairs"]), document["cluster"]) == (200, 100, "big")
    assert {pair["node"] for pair in document["pairs"]} == {"n0500"}
    _, document = await ask("?node=n0001&limit=1000")
    assert len(document["pairs"]) == 979
    assert document["pairs"][0]["peer"] == "n0500"
    for least in ("1s", "1", "60.5"):
        _, document = await ask(f"?node=n0001&min={least}")
        assert [pair["peer"] for pair in document["pairs"]] == ["n0500"]
    for query in ("?limit=0", "?limit=x", "?limit=1001", "?min=-1", "?min=nan", "?min=1y"):
        code, document = await ask(query)
        assert (code, document["error"].split(":")[0]) == (400, query[1:].split("=")[0])
    for path in ("/api/v1/clusters/small/pairs", "/api/v1/clusters/big/pairs?node=absent"):
        async with client.get(url + path) as answer:
            assert answer.status == 404
            assert "error" in json.loads(await answer.text())


async def test_events_come_from_the_journal(serve, client) -> None:
    """The journal is asked for as many events as the client wants."""
    asked = []

    async def events(query):
        asked.append(query)
        return [{"kind": "stepped", "node": "etcd3"}]

    _, url = await serve(Callbacks(events=events))
    async with client.get(f"{url}/api/v1/events?limit=7") as answer:
        assert json.loads(await answer.text()) == {
            "schema": 1,
            "events": [{"kind": "stepped", "node": "etcd3"}],
        }
    async with client.get(f"{url}/api/v1/events?limit=all") as answer:
        assert answer.status == 400
    assert asked == [EventQuery(7)]


async def test_an_unreadable_journal_is_an_error_and_not_an_empty_list(serve, client) -> None:
    """No events would mean that nothing happened."""

    async def events(_query):
        raise JournalError("The journal cannot be read: disk I/O error.")

    _, url = await serve(Callbacks(events=events))
    async with client.get(f"{url}/api/v1/events") as answer:
        assert answer.status == 503
        assert json.loads(await answer.text()) == {"error": "The journal cannot be read: disk I/O error."}


async def test_events_are_chosen_by_node_kind_cluster_and_age(serve, client) -> None:
    """Each filter reaches the journal; a misspelled one is refused, because it would select everything."""
    asked = []

    async def events(query):
        asked.append(query)
        return []

    _, url = await serve(Callbacks(events=events))
    began_ns = time.time_ns()
    async with client.get(f"{url}/api/v1/events?node=n1&kind=step&cluster=a+b&since=2h") as answer:
        assert answer.status == 200
    (query,) = asked
    assert (query.node, query.kind, query.cluster, query.limit) == ("n1", "step", "a b", 100)
    assert 0 <= query.since_ns - (began_ns - 7_200 * 10**9) < 60 * 10**9
    for wrong in (
        "since=yesterday",
        "since=-1",
        "node=",
        "kind=%00",
        "limit=0",
        "nodes=n1",
        f"cluster={'x' * 254}",
    ):
        async with client.get(f"{url}/api/v1/events?{wrong}") as answer:
            assert answer.status == 400
            assert wrong.split("=")[0] in json.loads(await answer.text())["error"]
    assert len(asked) == 1


async def test_discovery_lists_every_node_and_is_empty_at_first(serve, client) -> None:
    """Prometheus gets a list in any case, and nodes that are silent stay in it."""
    exporter, url = await serve()
    async with client.get(f"{url}/sd") as answer:
        assert answer.content_type == "application/json"
        assert await answer.text() == "[]"
    exporter.publish(samples.silent())
    async with client.get(f"{url}/sd") as answer:
        groups = json.loads(await answer.text())
    assert [group["targets"] for group in groups] == [[f"etcd{n}.example.com"] for n in (1, 2, 3)]
    assert groups[2]["labels"] == {
        "__meta_skewmon_cluster_name": "etcd-prod",
        "__meta_skewmon_node": "etcd3",
    }


async def test_unknown_paths_list_the_known_ones(serve, client) -> None:
    """A wrong path is answered by the right ones, as text or as JSON."""
    _, url = await serve()
    async with client.get(f"{url}/metric") as answer:
        assert answer.status == 404
        assert "/metrics" in await answer.text()
    async with client.get(f"{url}/api/v2/status") as answer:
        assert answer.status == 404
        assert "/api/v1/status" in json.loads(await answer.text())["error"]
    async with client.get(f"{url}/config") as answer:
        assert answer.status == 404


async def test_the_configuration_is_shown_unchanged(serve, client) -> None:
    """The daemon's masked text is passed on as plain text."""
    _, url = await serve(Callbacks(config_text=lambda: "web:\n  listen: <b>\n"))
    async with client.get(f"{url}/config") as answer:
        assert answer.content_type == "text/plain"
        assert await answer.text() == "web:\n  listen: <b>\n"


@pytest.mark.parametrize("path", ["/", "/metrics", "/nowhere", "/api/v1/status", "/page/page.js"])
async def test_every_answer_carries_security_headers(serve, client, path) -> None:
    """No inline script, no sniffing, no framing, no sharing with other origins; HEAD works too."""
    exporter, url = await serve()
    exporter.publish(samples.jumped())
    for method in ("GET", "HEAD"):
        async with client.request(method, url + path, headers={"Origin": "http://evil.example"}) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert not [name for name in answer.headers if name.startswith("Access-Control")]
            body = await answer.read()
    assert body == b""


async def test_large_requests_are_refused(serve, client) -> None:
    """Neither a long path nor long headers reach a handler."""
    _, url = await serve()
    async with client.get(f"{url}/?{'x' * 9000}") as answer:
        assert answer.status == 400
        assert await answer.text() == "The address or a header of the request is too long.\n"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    async with client.post(f"{url}/-/reload", data=b"x" * (REQUEST_BYTES_MAX + 1)) as answer:
        assert answer.status in {404, 413}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:0"])
async def test_the_server_listens_at_addresses_of_both_families(listen, client) -> None:
    """The bound address is returned in the form of the request."""
    exporter = Exporter()
    bound = await exporter.start(listen)
    try:
        for address in bound:
            async with client.get(f"http://{address}/-/healthy") as answer:
                assert answer.status == 200
    finally:
        await exporter.stop()


async def test_a_port_alone_means_every_address(client) -> None:
    """``:port`` answers on the loopback address as well."""
    exporter = Exporter()
    try:
        bound = await exporter.start(":0")
        assert {address.rpartition(":")[0] for address in bound} >= {"0.0.0.0"}
        port = next(a.rpartition(":")[2] for a in bound if a.startswith("0.0.0.0"))
        async with client.get(f"http://127.0.0.1:{port}/-/healthy") as answer:
            assert answer.status == 200
    finally:
        await exporter.stop()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:10061", "http://127.0.0.1:10061/"),
        ("[::1]:10061", "http://[::1]:10061/"),
        ("0.0.0.0:10061", f"http://{socket.gethostname()}:10061/"),
        ("[::]:10061", f"http://{socket.gethostname()}:10061/"),
    ],
)
async def test_the_page_of_a_socket_on_every_address_is_found_by_the_host_name(address, url) -> None:
    """Links in alerts lead to it, and 0.0.0.0 leads to the reader's own machine."""
    exporter = Exporter()
    assert exporter.url(address) == url
    await exporter.stop()


async def test_the_page_is_found_by_https_if_the_server_has_tls(tmp_path) -> None:
    """A link with http would be answered with a reset."""
    Authority(tmp_path).issue("server")
    web_file = tmp_path / "web.yml"
    web_file.write_text("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    exporter = Exporter(web_config_file=str(web_file))
    assert exporter.url("127.0.0.1:10061") == "https://127.0.0.1:10061/"
    await exporter.stop()


@pytest.mark.parametrize(
    ("listen", "kind", "words"),
    [
        ("127.0.0.1", ConfigError, "expected host:port"),
        ("::1:10061", ConfigError, "brackets"),
        ("192.0.2.1:0", ListenError, "cannot assign requested address"),
        ("no-such-host.invalid:0", ListenError, "no such host"),
    ],
)
async def test_an_unavailable_address_is_explained(listen, kind, words) -> None:
    """The error is one readable message; a temporary one has its own type."""
    exporter = Exporter()
    try:
        with pytest.raises(kind, match=words):
            await exporter.start(listen)
    finally:
        await exporter.stop()


async def test_a_taken_port_is_explained() -> None:
    """The error is temporary, and names the command that finds the owner of the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        exporter = Exporter()
        try:
            with pytest.raises(ListenError, match=f"address already in use .*: ss -ltnp 'sport = :{port}'"):
                await exporter.start(f"127.0.0.1:{port}")
        finally:
            await exporter.stop()


async def test_the_stream_sends_an_event_now_and_one_a_round(serve, client) -> None:
    """A subscriber gets the present state at once and every later one."""
    exporter, url = await serve()
    exporter.publish(samples.healthy())
    async with client.get(f"{url}/api/v1/stream") as answer:
        assert answer.content_type == "text/event-stream"
        verdicts = []
        for snapshot in (samples.jumped(), samples.silent(), None):
            document = await next_round(answer)
            verdicts.append(document["clusters"][0]["verdict"])
            assert document["age_seconds"] >= 0
            assert "nodes" not in document["clusters"][0]
            if snapshot:
                exporter.publish(snapshot)
    assert verdicts == ["ok", "critical", "unknown"]


async def next_round(answer):
    """Return the data of the next event of a stream."""
    while True:
        line = await answer.content.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            return json.loads(line[6:])


async def test_streams_are_bounded_and_leave_no_trace(serve, client) -> None:
    """One stream too many of a client is refused with a time to retry; a slot is free after one ends."""
    exporter, url = await serve()
    exporter.publish(samples.healthy())
    answers = [await client.get(f"{url}/api/v1/stream") for _ in range(limits().client_streams)]
    assert {answer.status for answer in answers} == {200}
    async with client.get(f"{url}/api/v1/stream") as refused:
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.headers["Connection"] == "close"
        assert "error" in json.loads(await refused.text())
    answers.pop().close()
    async with asyncio.timeout(10):
        while True:
            exporter.publish(samples.healthy())
            async with client.get(f"{url}/api/v1/stream") as again:
                if again.status == 200:
                    break
    for answer in answers:
        answer.close()


async def test_a_slow_reader_is_dropped_and_delays_no_other(serve, client) -> None:
    """A reader that takes nothing loses its connection; another one gets every round."""
    exporter, url = await serve()
    host, port = url.removeprefix("http://").rsplit(":", 1)
    big = samples.snapshot(*[samples.jumped().clusters[0]] * 1_000)
    exporter.publish(big)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((host, int(port)))
        slow.sendall(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
        async with client.get(f"{url}/api/v1/stream") as quick:
            for _ in range(12):
                await next_event_bytes(quick)
                exporter.publish(big)
        slow.settimeout(5)
        received = await asyncio.to_thread(read_to_the_end, slow)
    assert received < 12 * len(encode(summary(big)))


def read_to_the_end(connection: socket.socket) -> int:
    """Return how many bytes arrive before the other side ends the connection; fail if it does not."""
    received = 0
    try:
        while chunk := connection.recv(1 << 20):
            received += len(chunk)
    except ConnectionResetError:
        pass
    return received


async def next_event_bytes(answer):
    """Read up to the end of one event, however long its line is."""
    tail = b""
    while not tail.endswith(b"\n\n") or b"data: " not in tail:
        chunk = await answer.content.readany()
        assert chunk
        tail = (tail[-8:] if b"data: " not in tail else b"data: ") + chunk


async def test_stopping_takes_seconds_even_with_open_streams(client) -> None:
    """Neither an open stream nor a silent connection delays the end."""
    exporter = Exporter()
    (bound,) = await exporter.start("127.0.0.1:0")
    exporter.publish(samples.healthy())
    answers = [await client.get(f"http://{bound}/api/v1/stream") for _ in range(5)]
    with socket.create_connection(bound.rsplit(":", 1)):
        began = time.monotonic()
        await exporter.stop()
        assert time.monotonic() - began < 4
    for answer in answers:
        await answer.read()
