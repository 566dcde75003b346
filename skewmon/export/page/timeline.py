"""The last day of a cluster or a node: alerts, wrong clocks, outages as bars; steps, reloads as marks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby

from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.past import DAY_S, EventRow, JournalDay, listed
from skewmon.model import EventKind
from skewmon.text import names

#: Hours between two labels of the axis.
TICK_H = 4

#: A bar or mark narrower than this part of the day cannot be seen, and is merged with its neighbour.
LEAST = 0.002

#: Sentences in the tooltip of one bar; more happened at once than a person reads.
SENTENCES_MAX = 6

LANE_HEIGHT = 18
AXIS_HEIGHT = 16

CLOCK_KINDS = (
    EventKind.STEP,
    EventKind.LEAP_SECOND,
    EventKind.OSCILLATOR_JUMP,
    EventKind.SUSPEND,
    EventKind.REBOOT,
)
DAEMON_KINDS = (
    EventKind.STARTED,
    EventKind.STOPPED,
    EventKind.RELOADED,
    EventKind.RELOAD_REFUSED,
    EventKind.INVENTORY,
    EventKind.INVENTORY_FAULT,
    EventKind.INVENTORY_RECOVERED,
    EventKind.ADMIN_BOX_PAUSED,
    EventKind.EVENTS_LOST,
    EventKind.JOURNAL_RESTARTED,
)


@dataclass(frozen=True, slots=True)
class TimelineSpan:
    """Something that lasted, or a mark if both ends are one; as parts of the day."""

    begin: float
    end: float
    level: str
    sentences: tuple[str, ...]


@dataclass(slots=True)
class OpenSpans:
    """Spans that began and did not end yet, by the thing that they are of."""

    begun: dict[tuple[str, ...], tuple[float, str, str]] = field(default_factory=dict)
    spans: list[TimelineSpan] = field(default_factory=list)

    def begin(self, key: tuple[str, ...], at: float, level: str, sentence: str) -> None:
        """Begin a span, unless it has begun already."""
        self.begun.setdefault(key, (at, level, sentence))

    def end(self, key: tuple[str, ...], at: float, level: str, sentence: str) -> None:
        """End a span; one that began before the first event lasted since then."""
        begin, level, sentence = self.begun.pop(key, (0.0, level, sentence))
        self.spans.append(TimelineSpan(begin, at, level, (sentence,)))

    def close(self) -> list[TimelineSpan]:
        """Return all spans; those without an end last until now."""
        for key in tuple(self.begun):
            self.end(key, 1.0, "", "")
        return self.spans


def timeline(journal: JournalDay, now: str, cluster: str, node: str | None = None) -> Markup:
    """Return the drawing with its lanes, and a sentence for those who cannot see it."""
    if journal.trouble:
        return tag("p", f"No timeline: {journal.trouble}", class_="minor")
    end = datetime.fromisoformat(now).replace(second=0, microsecond=0) + timedelta(minutes=1)
    events = [event for event in reversed(journal.events) if _is_of(event, cluster, node)]

    def place(event: EventRow) -> float:
        elapsed_s = (end - datetime.fromisoformat(event["time"])).total_seconds()
        return min(1.0, max(0.0, 1 - elapsed_s / DAY_S))

    lanes = [(name, spans) for name, spans in _lanes(events, place, node) if spans]
    if not lanes:
        return tag("p", "No events in the last 24 hours.", class_="minor")
    height = len(lanes) * LANE_HEIGHT + AXIS_HEIGHT
    drawn = tag(
        "svg",
        join(_axis(end, height)),
        *(join(_lane(spans, number)) for number, (_, spans) in enumerate(lanes)),
        class_="timeline",
        height=f"{height}",
        role="img",
        aria_label=_sentence(lanes),
    )
    names_shown = (*(name for name, _ in lanes), "24 h, UTC")
    labels = tag("ul", *(tag("li", name) for name in names_shown), class_="lanes", aria_hidden="true")
    cut = "Older events of the day were too many to draw." if journal.is_cut else None
    return join((tag("div", labels, drawn, class_="day"), tag("p", cut, class_="minor") if cut else None))


def _is_of(event: EventRow, cluster: str, node: str | None) -> bool:
    """Return whether an event is of the cluster, or its node, or of the daemon as a whole."""
    if event["cluster"] not in (None, cluster) and cluster not in listed(event, "clusters"):
        return False
    return node is None or event["node"] in (None, node)


def _lanes(
    events: Sequence[EventRow], place: Callable[[EventRow], float], node: str | None
) -> Iterator[tuple[str, list[TimelineSpan]]]:
    yield "Alerts", _alerts(events, place)
    yield "Wrong", _wrong(events, place, node)
    yield "Outages", _outages(events, place)
    yield "Clocks", _marks(events, place, CLOCK_KINDS, "warning")
    yield "skewmon", _marks(events, place, DAEMON_KINDS, "unknown")


def _alerts(events: Sequence[EventRow], place: Callable[[EventRow], float]) -> list[TimelineSpan]:
    open_ = OpenSpans()
    for event in events:
        detail = event["detail"]
        key = (str(detail.get("alert")), str(detail.get("severity")), event["node"] or "")
        level = "critical" if detail.get("severity") == "critical" else "warning"
        if event["kind"] == EventKind.ALERT_FIRING:
            open_.begin(key, place(event), level, event["message"])
        elif event["kind"] == EventKind.ALERT_RESOLVED:
            open_.end(key, place(event), level, event["message"])
    return open_.close()


def _outages(events: Sequence[EventRow], place: Callable[[EventRow], float]) -> list[TimelineSpan]:
    open_ = OpenSpans()
    for event in events:
        key = (event["node"] or "",)
        if event["kind"] == EventKind.NOT_MEASURED:
            open_.begin(key, place(event), "unknown", event["message"])
        elif event["kind"] == EventKind.MEASURED_AGAIN:
            open_.end(key, place(event), "unknown", event["message"])
    return open_.close()


def _wrong(
    events: Sequence[EventRow], place: Callable[[EventRow], float], node: str | None
) -> list[TimelineSpan]:
    open_ = OpenSpans()
    for event in events:
        if event["kind"] != EventKind.CULPRITS:
            continue
        named = {(name,) for name in listed(event, "culprits") if node in (None, name)}
        for key in open_.begun.keys() - named:
            open_.end(key, place(event), "", "")
        for key in named:
            open_.begin(key, place(event), "critical", event["message"] or f"{key[0]} is wrong.")
    return open_.close()


def _marks(
    events: Sequence[EventRow], place: Callable[[EventRow], float], kinds: Sequence[EventKind], level: str
) -> list[TimelineSpan]:
    chosen = (event for event in events if event["kind"] in kinds)
    return [TimelineSpan(place(event), place(event), level, (event["message"],)) for event in chosen]


def merged(spans: Iterable[TimelineSpan]) -> Iterator[TimelineSpan]:
    """Yield the spans with those of one level that overlap as one: a thousand outages are one bar."""
    for level, alike in groupby(sorted(spans, key=lambda one: (one.level, one.begin)), lambda one: one.level):
        last: TimelineSpan | None = None
        for span in alike:
            wide = TimelineSpan(span.begin, max(span.end, span.begin + LEAST), level, span.sentences)
            if last is not None and wide.begin <= last.end:
                last = TimelineSpan(
                    last.begin, max(last.end, wide.end), level, last.sentences + wide.sentences
                )
                continue
            if last is not None:
                yield last
            last = wide
        if last is not None:
            yield last


def _lane(spans: Sequence[TimelineSpan], number: int) -> Iterator[Markup]:
    top = number * LANE_HEIGHT
    y = f"{top + LANE_HEIGHT / 2:g}"
    yield tag("line", class_="axis", x1="0", x2="100%", y1=y, y2=y)
    for span in merged(spans):
        yield tag(
            "rect",
            tag("title", names(span.sentences, SENTENCES_MAX)),
            class_=f"span {span.level}",
            x=f"{min(span.begin, 1 - LEAST):.2%}",
            width=f"{span.end - span.begin:.2%}",
            y=f"{top + 3}",
            height=f"{LANE_HEIGHT - 6}",
        )


def _axis(end: datetime, height: int) -> Iterator[Markup]:
    first = end.astimezone(UTC).replace(minute=0) - timedelta(hours=end.hour % TICK_H)
    for step in range(24 // TICK_H + 1):
        at = first - timedelta(hours=TICK_H * step)
        place = 1 - (end - at).total_seconds() / DAY_S
        if 0 <= place <= 1:
            x = f"{place:.2%}"
            yield tag("line", class_="hour", x1=x, x2=x, y1="0", y2=f"{height - AXIS_HEIGHT}")
            if 0.03 < place < 0.97:
                yield tag("text", f"{at:%H:%M}", class_="tick minor", x=x, y=f"{height - 4}")


def _sentence(lanes: Sequence[tuple[str, list[TimelineSpan]]]) -> str:
    counts = ", ".join(f"{name} {len(spans)}" for name, spans in lanes)
    return f"Last 24 hours, number in each lane: {counts}. The events page lists them."
