"""A simulated day with known truth: every figure of its report contains it; hostile names are text."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from skewmon.cli.main import run
from skewmon.export.document import ns
from skewmon.journal import Journal
from skewmon.journal.record.store import RecordFile, Retention
from skewmon.journal.record.tally import Tally
from skewmon.model import ClusterView, Event, EventKind, SyncStatus
from tests.journal import day
from tests.journal.rounds import HOUR_S, a_round, offsets
from tests.journal.test_record import KEPT

#: The day of the simulation.
SPAN = ("--since", "2026-11-18T12:00", "--until", "2026-11-19T12:00")


async def written(
    directory: Path, views: Iterator[ClusterView], events: Sequence[Event], retention: Retention = KEPT
) -> None:
    """Record views as a daemon does, minute by minute, and their events."""
    file, tally = RecordFile(directory), Tally()
    for view in views:
        minutes = tally.take(view.at_wall_ns // 60_000_000_000 * 60)
        if minutes:
            file.write(minutes, retention)
        tally.add(view, "c0ffee")
    file.write(tally.take(None), retention)
    file.close()
    async with Journal.open(str(directory)) as journal:
        for event in events:
            journal.note(event)


def reported(directory: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """Return the output of ``skewmon report``."""
    assert run(["report", "--state-directory", str(directory), *SPAN, *options]) == 0
    return capsys.readouterr().out


def _contains(interval: dict[str, Any] | None, truth_ns: int) -> bool:
    return interval is not None and ns(interval["at_least"]) <= truth_ns <= ns(interval["at_most"])


def _times(lines: list[dict[str, Any]]) -> dict[tuple[str, int], tuple[float, float]]:
    return {
        (line["kind"], ns(line["limit"])): (line["at_least_seconds"], line["at_most_seconds"])
        for line in lines
    }


@pytest.fixture
def instant_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a thousand commits cost no thousand waits for the disk; durability is tested elsewhere."""
    plain = RecordFile._prepare

    def prepare(file: RecordFile, connection: Any) -> None:
        plain(file, connection)
        connection.execute("PRAGMA synchronous = OFF")

    monkeypatch.setattr(RecordFile, "_prepare", prepare)


@pytest.mark.usefixtures("instant_disk")
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.prove) for seed in range(2, 20))])
async def test_every_figure_contains_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Of steps, drift, outages and ambiguity; and what is certain is not called unknown."""
    await written(tmp_path, day.rounds(seed), day.events())
    document = json.loads(reported(tmp_path, capsys, "-o", "json"))
    truth = day.truth()
    (cluster,) = document["clusters"]
    assert document["verification"]["whole"]
    found = document["verification"]
    assert (found["checked_hours"], found["checked_hours_in_minutes"]) == (21, 1)
    assert _contains(cluster["skew"], truth.skew_ns)
    assert "2026-11-18T15:00:00Z" <= cluster["worst_at"] <= "2026-11-18T17:00:00Z"
    for (kind, limit_ns), (least_s, most_s) in _times(cluster["lines"]).items():
        if kind == "skew":
            assert least_s <= truth.skew_s[limit_ns] <= most_s
    for node in cluster["nodes"]:
        name, times = node["name"], _times(node["lines"])
        assert _contains(node["offset"], truth.offset_ns[name])
        assert _contains(node["utc"], truth.utc_ns[name])
        assert node["steps"] == node["steps_at_most"] == truth.steps.get(name, 0)
        for limit_ns in truth.skew_s:
            least_s, most_s = times["skew", limit_ns]
            assert least_s <= truth.offset_s[name, limit_ns] <= most_s
        least_s, most_s = times["utc", day.UTC_NS]
        assert least_s <= truth.utc_s[name] <= most_s
    _check_times(cluster, truth)


def _check_times(cluster: dict[str, Any], truth: day.Truth) -> None:
    """Check that no more time is open than outages, wide bounds and changes explain."""
    stopped_s, ambiguous_s = len(day.STOPPED_S), len(day.AMBIGUOUS_S)
    unknown_s = stopped_s + ambiguous_s + 1_800 + 600
    least_s, most_s = _times(cluster["lines"])["skew", day.CRITICAL_NS]
    assert most_s - least_s <= unknown_s + 20 * day.INTERVAL_S
    assert least_s > 0.9 * truth.skew_s[day.CRITICAL_NS]
    shares = cluster["share_seconds"]
    assert sum(shares.values()) == day.DAY_S
    assert abs(shares["not observed"] - stopped_s) <= 2 * day.INTERVAL_S
    assert cluster["lead_at_most_seconds"] == 45
    assert abs(shares["unknown"] - 2_400) <= 2_400  # during an outage other nodes may prove a breach
    assert abs(shares["ambiguous"] - ambiguous_s) <= 0.1 * ambiguous_s


#: Begin and end of spans: within excesses, outages and a stop, at and between minutes and hours.
CUTS = (
    (11_520, 19_200), (12_000, 12_600), (14_400, 21_600), (18_000, 72_000), (30_000, 86_400),
    (46_801, 57_599), (19_140, 19_260), (11_405, 11_470), (0, 60), (75_000, 78_000),
)  # fmt: skip


@pytest.mark.usefixtures("instant_disk")
@pytest.mark.parametrize("retention", [Retention(1, 99), KEPT], ids=["hours", "minutes"])
async def test_every_time_of_any_part_of_the_day_contains_the_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], retention: Retention
) -> None:
    """Time between two rounds is recorded with the later one; none from before the span is proven in it."""
    await written(tmp_path, day.rounds(1), day.events(), retention)
    proven_s = 0.0
    for cut in CUTS:
        span = [datetime.fromtimestamp(HOUR_S + at_s, UTC).isoformat() for at_s in cut]
        options = ("--since", span[0], "--until", span[1], "-o", "json", "--state-directory", str(tmp_path))
        assert run(["report", *options]) == 0
        document = json.loads(capsys.readouterr().out)
        since_s, until_s = (
            round(datetime.fromisoformat(document[end]).timestamp()) - HOUR_S for end in ("since", "until")
        )
        truth = day.truth(since_s, until_s)
        (cluster,) = document["clusters"]
        for (kind, limit_ns), (least_s, most_s) in _times(cluster["lines"]).items():
            if kind == "skew":
                assert least_s <= truth.skew_s[limit_ns] <= most_s, cut
                proven_s += least_s
        for node in cluster["nodes"]:
            for (kind, limit_ns), (least_s, most_s) in _times(node["lines"]).items():
                name = node["name"]
                true_s = truth.utc_s[name] if kind == "utc" else truth.offset_s[name, limit_ns]
                assert least_s <= true_s <= most_s, (cut, name)
    assert proven_s > 20_000


@pytest.mark.usefixtures("instant_disk")
async def test_excesses_are_dated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The notice that rules on business clocks ask for: which clock, which line, when, how far."""
    await written(tmp_path, day.rounds(1, 21_600), [])
    short = ("--since", "2026-11-18T15:00", "--until", "2026-11-18T18:00")
    assert run(["report", "--state-directory", str(tmp_path), *short, "-o", "json"]) == 0
    (cluster,) = json.loads(capsys.readouterr().out)["clusters"]
    (node,) = (node for node in cluster["nodes"] if node["name"] == "b")
    excesses = [one for one in node["excesses"] if one["limit"] == 1.0]
    (before, after) = excesses  # an outage lies between them
    assert (before["since"], before["until"]) == ("2026-11-18T15:10:00Z", "2026-11-18T15:20:00Z")
    assert (after["since"], after["until"]) == ("2026-11-18T15:30:00Z", "2026-11-18T17:21:00Z")
    assert 1.9 < after["worst_proven"] <= 2.0


@pytest.mark.usefixtures("instant_disk")
async def test_a_wall_clock_that_goes_back_lengthens_the_span(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The hour before the step passes twice; an outage in one of both is not made up for by the other."""
    limit = day.WARNING_NS

    def views() -> Iterator[ClusterView]:
        for passed_s in range(0, 10_800, 15):
            if 6_000 <= passed_s < 6_900:
                continue  # skewmon did not run for a quarter of an hour, after the step back at 02:00
            at_s = passed_s if passed_s < 7_200 else passed_s - 3_600
            far = offsets(a=0, b=4 * limit if passed_s < 1_800 or passed_s >= 6_000 else 0)
            yield replace(a_round(at_s, far, lines=day.LINES), at_ns=passed_s * 1_000_000_000)

    await written(tmp_path, views(), day.events())
    span = ("--since", "2026-11-18T12:00", "--until", "2026-11-18T14:00", "-o", "json")
    assert run(["report", "--state-directory", str(tmp_path), *span]) == 0
    document = json.loads(capsys.readouterr().out)
    (cluster,) = document["clusters"]
    least_s, most_s = _times(cluster["lines"])["skew", limit]
    assert 1_800 + 900 < least_s <= 6_600 <= most_s < 10_800
    assert document["set_back_at_most_seconds"] in range(3_600, 3_700)
    assert document["verification"]["whole"]
    html = reported(tmp_path, capsys)
    assert "went back in this span" in html


@pytest.mark.usefixtures("instant_disk")
async def test_steps_before_the_journal_begins_are_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The journal keeps 90 days and the record five years: what was forgotten is not counted as none."""
    late = Event((HOUR_S + 40_000) * 1_000_000_000, EventKind.STARTED, "skewmon started.")
    await written(tmp_path, day.rounds(1, 50_000), [late])
    document = json.loads(reported(tmp_path, capsys, "-o", "json"))
    assert (document["events_cut"], document["events_from"]) == (True, "2026-11-18T23:06:40Z")
    assert {(node["steps"], node["steps_at_most"]) for node in document["clusters"][0]["nodes"]} == {
        (0, None)
    }
    table = reported(tmp_path, capsys, "-o", "csv")
    assert "prod,b,steps,steps,0,," in table
    assert ",,all events since,,,,2026-11-18T23:06:40Z" in table
    html = reported(tmp_path, capsys)
    assert "Events before 2026-11-18 23:06:40 UTC are missing" in html
    assert "<td>0 or more</td>" in html


HOSTILE = [
    "<script>alert(1)</script>", '" onload="x', "a&amp;b", "\x1b[31mred", "\u202egnp.exe", "=HYPERLINK(1)",
    "@SUM(1)", "line\nbreak", "\udcff\udcfe", "]]>", "</style>", "-->", "n'1", "a" * 253,
]  # fmt: skip


@pytest.mark.usefixtures("instant_disk")
async def test_hostile_names_are_text_in_every_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Markup, control characters, marks of direction, formulas of spreadsheets, bytes that are no text."""

    def views() -> Iterator[ClusterView]:
        for at_s in range(0, 7_200, 600):
            view = a_round(
                at_s, dict.fromkeys(HOSTILE, offsets(a=at_s)["a"]), name=HOSTILE[0], interval_s=600
            )
            claims = [replace(node, timesync=SyncStatus("chronyd", source=node.name)) for node in view.nodes]
            yield replace(view, nodes=tuple(claims))

    evil = [
        Event((HOUR_S + 60) * 10**9, HOSTILE[0], name, HOSTILE[0], name, {"text": name}) for name in HOSTILE
    ]
    await written(tmp_path, views(), evil)
    html = reported(tmp_path, capsys)
    assert "<script" not in html
    assert "onload=" not in re.sub(r"&quot;[^<]*", "", html)
    assert html.replace("\n", "").isprintable()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "gnp.exe" in html
    table = reported(tmp_path, capsys, "-o", "csv")
    assert table.replace("\n", "").isprintable()
    assert not re.search(r'(^|,)"?[=@]', table, re.MULTILINE)
    text = reported(tmp_path, capsys, "-o", "json")
    assert text.replace("\n", "").isprintable()
    (cluster,) = json.loads(text)["clusters"]
    assert cluster["name"] == HOSTILE[0]
    assert len(cluster["nodes"]) == len(HOSTILE)


@pytest.mark.usefixtures("instant_disk")
async def test_the_page_is_one_file_that_asks_for_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No reference to the outside, no script, no style but its own, which its policy names by hash."""
    await written(tmp_path, day.rounds(3, 21_600), day.events())
    html = reported(tmp_path, capsys)
    assert not re.search(r"(?:src=|href=|url\(|@import|http://|https://|<script|<link|style=)", html)
    assert "default-src &#x27;none&#x27;; style-src &#x27;sha256-" in html
    assert html.count("<svg") == 5
    assert "The chain of seals is whole: checked 5 seals" in html
    assert "The clock of b jumped forward by 2 s." in html
    assert "c0ffee" in html


@pytest.mark.usefixtures("instant_disk")
async def test_a_changed_record_is_reported_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the report and on standard error; the figures are printed all the same."""
    await written(tmp_path, day.rounds(1, 8_000), [])
    with closing(sqlite3.connect(tmp_path / "record.db")) as connection, connection:
        connection.execute("UPDATE node_row SET upper_max = 1 WHERE block = 2 AND minute = 60")
    assert run(["report", "--state-directory", str(tmp_path), *SPAN]) == 2
    output = capsys.readouterr()
    assert "The record was changed after it was sealed." in output.out
    assert "hour 2 (2026-11-18T13:00:00Z) were changed" in output.err
    assert run(["record", "verify", "--state-directory", str(tmp_path)]) == 2
    assert run(["record", "size", "--state-directory", str(tmp_path)]) == 0


@pytest.mark.usefixtures("instant_disk")
@pytest.mark.parametrize("column", ["upper_max", "measured_ms"])
async def test_a_value_that_is_no_number_is_a_change_and_not_a_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], column: str
) -> None:
    """No figure can be made of it; the faults are reported with the same exit code."""
    await written(tmp_path, day.rounds(1, 8_000), [])
    with closing(sqlite3.connect(tmp_path / "record.db")) as connection, connection:
        connection.execute(f"UPDATE node_row SET {column} = 'x' WHERE block = 2 AND minute = 60")
    assert run(["report", "--state-directory", str(tmp_path), *SPAN]) == 2
    output = capsys.readouterr()
    assert not output.out
    assert "no report can be made of it" in output.err
    assert "hour 2 (2026-11-18T13:00:00Z) were changed" in output.err


@pytest.mark.usefixtures("instant_disk")
async def test_a_span_whose_events_were_not_all_read_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it ended long ago: events after it count towards the limit."""
    monkeypatch.setattr("skewmon.cli.report.EVENTS_MAX", 4)
    events = [
        Event((HOUR_S + at_s) * 1_000_000_000, EventKind.STARTED, f"at {at_s}")
        for at_s in (60, 61, 4_000, 4_001, 4_002)
    ]
    await written(tmp_path, day.rounds(1, 4_100), events)
    span = ("--since", "2026-11-18T12:00", "--until", "2026-11-18T13:00", "-o", "json")
    assert run(["report", "--state-directory", str(tmp_path), *span]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [event["message"] for event in report["events"]] == ["at 61"]
    assert report["events_cut"]


@pytest.mark.parametrize(
    ("change", "word"),
    [("PRAGMA user_version = 2", "later version"), ("ALTER TABLE cluster_row DROP judged", "no such column")],
)
@pytest.mark.parametrize("command", [("report", *SPAN), ("record", "verify"), ("record", "size")])
async def test_a_record_of_another_version_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, word: str, command: tuple[str, ...]
) -> None:
    """In one line, with the exit code of unusable input."""
    await written(tmp_path, day.rounds(1, 100), [])
    with closing(sqlite3.connect(tmp_path / "record.db")) as connection, connection:
        connection.execute(change)
    assert run([*command, "--state-directory", str(tmp_path)]) == 3
    assert word in capsys.readouterr().err


@pytest.mark.usefixtures("instant_disk")
async def test_a_broken_configuration_does_not_stop_the_report_of_a_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profiles are not known then, and standard error says so."""
    config = tmp_path / "skewmon.yml"
    config.write_text("clusters: [")
    monkeypatch.setattr("skewmon.cli.report.DEFAULT_CONFIG", str(config))
    await written(tmp_path, day.rounds(1, 100), [])
    assert run(["report", "--state-directory", str(tmp_path), *SPAN]) == 0
    output = capsys.readouterr()
    assert "Clock report" in output.out
    assert "profiles are not known" in output.err


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--since", "tomorrow"), "--since"),
        (("--since", "2026-11-18", "--until", "2026-11-17"), "before --until"),
        (("--cluster", "absent", "--since", "2026-11-18"), "a cluster absent"),
        (("--since", "1m"), "nothing"),
    ],
)
async def test_a_report_of_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], word: str
) -> None:
    """In one line, with the exit code of unusable input."""
    await written(tmp_path, day.rounds(1, 100), [])
    assert run(["report", "--state-directory", str(tmp_path), *options]) == 3
    assert word in capsys.readouterr().err


@pytest.mark.usefixtures("instant_disk")
@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (
            "finra",
            (
                "FINRA Rule 4590",
                "FINRA Rule 6820",
                "Supplementary Material .01",
                "SEC Rule 17a-4(b)",
                "1 clock was proven",
            ),
        ),
        (
            "mifid",
            (
                "(EU) 2017/574",
                "Article 22c of MiFIR",
                "Article 4 asks for a system of traceability",
                "2 clocks were proven",
            ),
        ),
        ("etcd", ()),
    ],
)
async def test_rules_have_their_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str, words: tuple[str, ...]
) -> None:
    """With the figures that answer them; other profiles have none."""
    config = tmp_path / "skewmon.yml"
    config.write_text(
        f"state_directory: {tmp_path}\nclusters:\n  prod:\n    nodes: [a, b, c, d]\n    profile: {profile}\n"
    )
    hours = {"finra": 6, "mifid": 10, "etcd": 2}[profile]
    await written(tmp_path, day.rounds(1, hours * 3_600), [])
    assert run(["report", "--config.file", str(config), *SPAN]) == 0
    html = capsys.readouterr().out
    assert [word for word in words if word not in html] == []
    assert ('class="statement"' in html) == bool(words)
    assert ("UTC was confirmed by a majority of references for" in html) == bool(words)
