"""Which of the three exposition formats a client wants, and how it is rendered."""

from enum import Enum

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

#: Media ranges that are looked at; a scraper sends five.
RANGES_MAX = 16


class Exposition(Enum):
    """A format, by the one Accept header that stands for it.

    Clients may write a thousand different headers; as they all end here, a snapshot is rendered at most
    once a format.
    """

    TEXT_0_0_4 = "text/plain;version=0.0.4"
    TEXT_1_0_0 = "text/plain;version=1.0.0"
    OPENMETRICS = "application/openmetrics-text;version=1.0.0"

    def render(self, collector: Collector) -> bytes:
        """Return the exposition of everything that the collector yields."""
        encoder, _ = choose_encoder(self.value)
        return encoder(collector)

    @property
    def content_type(self) -> str:
        """The header that goes with it."""
        _, content_type = choose_encoder(self.value)
        return content_type


def negotiate(accept: str) -> Exposition:
    """Return the format that an Accept header prefers, the oldest where it names none that exists."""
    wanted = sorted(map(_parse, accept.split(",")[:RANGES_MAX]), key=lambda wish: -wish[0])  # a stable sort
    formats = (_format(media_type, version) for _, media_type, version in wanted)
    return next((found for found in formats if found), Exposition.TEXT_0_0_4)


def _parse(media_range: str) -> tuple[float, str, str]:
    """Return quality, media type and version of one media range."""
    media_type, *parameters = (part.strip().lower() for part in media_range.split(";"))
    values = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    try:
        quality = float(values.get("q", "1"))
    except ValueError:
        quality = 0.0
    return quality, media_type, values.get("version", "")


def _format(media_type: str, version: str) -> Exposition | None:
    if media_type == "application/openmetrics-text" and version in {"", "1.0.0"}:
        return Exposition.OPENMETRICS
    if media_type == "text/plain":
        return Exposition.TEXT_1_0_0 if version == "1.0.0" else Exposition.TEXT_0_0_4
    return None
