"""Paths for operators and their tools: metrics, health, reload, configuration, discovery."""

import asyncio
import ipaddress
import json
from collections.abc import Iterable
from http import HTTPStatus
from itertools import chain
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import PLATFORM_COLLECTOR, PROCESS_COLLECTOR, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from skewmon.errors import SkewmonError
from skewmon.export.attempts import Attempts
from skewmon.export.clients import requesting_client
from skewmon.export.collector import AgeCollector, SnapshotCollector
from skewmon.export.encode import encodable
from skewmon.export.exposition import Encoder, exposition
from skewmon.export.published import Callbacks, Publication, Published
from skewmon.export.responses import busy, fault, rendered
from skewmon.model import Snapshot
from skewmon.probe.clocks import base_ns

#: Format versions that exist. choose_encoder accepts any greater one too, and each content type is cached.
VERSIONS = ("version=0.0.4;", "version=1.0.0;")


class AtScrape(Collector):
    """The families that change between two rounds: the ages of rounds, and those of the process."""

    def __init__(self, publication: Publication) -> None:
        self._ages = AgeCollector(publication.snapshot, publication.stats, base_ns())

    def collect(self) -> Iterable[Metric]:
        """Yield every family."""
        return chain(self._ages.collect(), PROCESS_COLLECTOR.collect(), PLATFORM_COLLECTOR.collect())


class Operations:
    """Handlers for Prometheus, systemd and administrators."""

    def __init__(self, published: Published, callbacks: Callbacks) -> None:
        self._published = published
        self._callbacks = callbacks
        self._reloading = asyncio.Lock()
        self._reloads = Attempts(lambda: asyncio.get_running_loop().time())

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [
            web.get("/metrics", self.metrics),
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.ready),
            web.post("/-/reload", self.reload),
            web.put("/-/reload", self.reload),
            web.get("/config", self.config),
            web.get("/sd", self.discovery),
        ]

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer in the format that the client prefers."""
        publication = self._published.newest
        encode, content_type = _encoder(",".join(request.headers.getall(hdrs.ACCEPT, ())))

        def render() -> bytes:
            collector = SnapshotCollector(publication.snapshot, publication.stats, publication.pairs)
            return exposition(collector, encode, content_type)

        rest = encode(AtScrape(publication))
        response = await rendered(request, publication, content_type, render, rest)
        response.headers[hdrs.CONTENT_TYPE] = content_type
        response.headers[hdrs.VARY] = "Accept, Accept-Encoding"
        return response

    async def healthy(self, _request: web.Request) -> web.Response:
        """Answer that the process runs; no node influences this."""
        return web.Response(text="skewmon is healthy.\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """Answer whether there are results."""
        if not self._published.ready:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text="The first round is not over.\n")
        return web.Response(text="skewmon is ready.\n")

    async def reload(self, request: web.Request) -> web.Response:
        """Reload the configuration; if it is invalid, the old one stays in force."""
        if self._callbacks.reload is None:
            return fault(request, HTTPStatus.NOT_FOUND, "This server has no configuration to reload.")
        if not self._reloads.take(requesting_client(request)):
            return busy(request, "Too many reloads.", HTTPStatus.TOO_MANY_REQUESTS)
        async with self._reloading:
            try:
                await self._callbacks.reload()
            except SkewmonError as error:
                message = f"The configuration was not reloaded; the old one stays in force.\n{error}"
                return fault(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)
        return web.Response(text="The configuration was reloaded.\n")

    async def config(self, request: web.Request) -> web.Response:
        """Show the configuration in force, without its secrets."""
        if self._callbacks.config_text is None:
            return fault(request, HTTPStatus.NOT_FOUND, "This server runs without a configuration file.")
        return web.Response(text=self._callbacks.config_text())

    async def discovery(self, _request: web.Request) -> web.Response:
        """List the nodes for Prometheus's http_sd, for instance to scrape their node exporters."""
        body = json.dumps(discovered(self._published.newest.snapshot))
        return web.Response(text=body, content_type="application/json")


def _encoder(accept: str) -> tuple[Encoder, str]:
    """Return encoder and content type for an Accept header: the oldest format for an unknown version."""
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # a version that is not a number
        return choose_encoder("")
    return (encode, content_type) if any(one in content_type for one in VERSIONS) else choose_encoder("")


def discovered(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one target group a node; nodes that do not answer now are listed, too."""
    return [
        {
            "targets": [_host(encodable(node.address))],
            "labels": {
                "__meta_skewmon_cluster_name": encodable(view.name),
                "__meta_skewmon_node": encodable(node.name),
            },
        }
        for view in snapshot.clusters
        for node in view.nodes
    ]


def _host(address: str) -> str:
    """Return the address in the form that a port is appended to."""
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address
