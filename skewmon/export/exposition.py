"""Samples by metric, and their text in the formats of prometheus_client.

The library writes the lines that differ between its formats. Those of samples are the same in all of them,
and are written here: for 10,000 nodes they are 200,000, and the library takes ten times as long.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from prometheus_client import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from skewmon.export import catalogue
from skewmon.runtime.gil_yield import yielding_gil

#: The last line of OpenMetrics; families of the scrape itself follow those of the round.
OPENMETRICS_END = b"# EOF\n"

#: Ways to escape names that change those of skewmon's metrics.
FOREIGN_NAMES = ("escaping=dots", "escaping=values")

#: Samples rendered in about a millisecond.
SAMPLES_A_TURN = 512

Labels = dict[str, str]

Encoder = Callable[[Collector], bytes]

#: Labels and their text, by the identity of the labels: a node's metrics share them.
LabelTexts = dict[int, tuple[Mapping[str, str], str]]


class Series(Collection[Sample]):
    """The samples of one metric, made when they are rendered, without holding up the event loop.

    Two hundred thousand objects that live at once would be freed at once, for a tenth of a second.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._labels: list[Labels] = []
        self._values: list[float] = []

    def add(self, labels: Labels, value: float) -> None:
        """Add one sample."""
        self._labels.append(labels)
        self._values.append(value)

    def __iter__(self) -> Iterator[Sample]:
        for labels, value in yielding_gil(zip(self._labels, self._values, strict=True), SAMPLES_A_TURN):
            yield Sample(self._name, labels, value)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, sample: object) -> bool:
        return any(one == sample for one in self)


class Samples:
    """Samples gathered by metric; a value of None adds none."""

    def __init__(self) -> None:
        self._by_name: dict[str, Series] = {}

    def add(self, name: str, labels: Labels, value: float | None) -> None:
        """Add one sample."""
        if value is not None:
            if name not in self._by_name:
                self._by_name[name] = Series(name)
            self._by_name[name].add(labels, value)

    def families(self) -> Iterator[Family]:
        """Yield the metrics that have samples, in the order of the catalogue; drop each after its turn."""
        for metric in catalogue.METRICS:
            if metric.name in self._by_name:
                family = Family(metric.family, metric.help, metric.type, metric.unit)
                family.samples = self._by_name.pop(metric.name)  # type: ignore[assignment] # as iterable
                yield family


class _Header(Collector):
    """One family without its samples."""

    def __init__(self, family: Family) -> None:
        self._family = Family(family.name, family.documentation, family.type, family.unit)

    def collect(self) -> Iterable[Family]:
        """Yield the family."""
        yield self._family


def exposition(collector: Collector, encode: Encoder, content_type: str) -> bytes:
    """Return the metrics of a snapshot in the format of an encoder, without the last line of OpenMetrics."""
    if any(one in content_type for one in FOREIGN_NAMES):
        return encode(collector).removesuffix(OPENMETRICS_END)
    texts: LabelTexts = {}
    pieces: list[bytes] = []
    for family in collector.collect():
        pieces.append(encode(_Header(family)).removesuffix(OPENMETRICS_END))
        pieces.append("".join([_line(sample, texts) for sample in family.samples]).encode())
    return b"".join(pieces)


def _line(sample: Sample, texts: LabelTexts) -> str:
    known = texts.get(id(sample.labels))
    if known is None:
        known = texts[id(sample.labels)] = (sample.labels, _label_text(sample.labels))
    _, text = known
    value = floatToGoString(sample.value)  # type: ignore[no-untyped-call] # the library has no types here
    return f"{sample.name}{text} {value}\n"


def _label_text(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items())) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
