"""`skewmon watch` on a terminal: driven by keys in tmux, and each view in every size."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console

from skewmon.cli.daemon_client import UnreadableStatusError
from skewmon.cli.screen.course import CELLS_MAX, Cell, Course, sparkline
from skewmon.cli.screen.events import ShownEvent
from skewmon.cli.screen.frame import Shown, frame
from skewmon.cli.screen.keys import Decoder, SpecialKey
from skewmon.cli.screen.matrix import short
from skewmon.cli.screen.position import Position, View, pressed
from skewmon.cli.screen.sources import DaemonSource
from skewmon.export.document import Status
from skewmon.export.published import Callbacks
from skewmon.export.server import Exporter
from skewmon.export.status import status
from skewmon.model import Interval, Snapshot
from skewmon.model.record import ClusterRow, EndRange, HistoryQuery, NodeRow, Period
from tests.alert.views import S, node, view
from tests.cli.terminal import COLOR, PROMPT, Terminal, running, shell
from tests.export import samples

MS = 1_000_000
US = 1_000

SIZES = ((80, 24), (200, 60))

EVENT = {
    "time": "2026-01-01T00:00:00.000Z",
    "kind": "step",
    "cluster": "etcd-prod",
    "node": "etcd3",
    "message": "The clock of etcd3 jumped forward by 70 s.",
    "detail": {},
}


# --- a real terminal ---


@pytest.fixture
async def daemon() -> AsyncIterator[tuple[Exporter, str]]:
    """Serve rounds in which one clock has jumped, and an event of the journal."""

    async def events(_query: object) -> list[dict[str, object]]:
        return [EVENT]

    exporter = Exporter(Callbacks(events))
    (bound,) = await exporter.start("127.0.0.1:0")
    exporter.publish(samples.jumped())
    yield exporter, f"http://{bound}"
    await exporter.stop()


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "200x60"])
@pytest.mark.parametrize("colors", [True, False], ids=["color", "no-color"])
async def test_every_view_is_reached_by_keys(daemon, tmp_path: Path, size, colors) -> None:
    """Nodes, matrix, one node, events, help; q ends it and gives the terminal back with the last round."""
    environment = {"TERM": "screen-256color"} | ({} if colors else {"NO_COLOR": "1"})
    arguments = ["watch", "--url", daemon[1], "--interval", "1s"]

    def drive(terminal: Terminal) -> None:
        first = terminal.wait(r"^etcd3 .*WRONG[\s\S]*Up/Down Enter node")
        assert "CRITICAL etcd-prod" in first
        assert len(first.splitlines()) == size[1]
        assert "\x1b[7" in terminal.colored() or "\x1b[1;7" in terminal.colored()  # the selection is reversed
        assert bool(COLOR.search(terminal.colored())) is colors
        terminal.press("m")
        assert "+70s!" in terminal.wait(r"Clock of the row minus")
        terminal.press("Escape")
        terminal.wait("Up/Down Enter node")
        terminal.press("Down", "Enter")
        terminal.wait(r"^etcd1 *\n^address")
        terminal.press("Right")
        terminal.wait(r"^etcd2 *\n^address")
        terminal.press("e")
        terminal.wait("step .*etcd3 .*jumped forward by 70 s")
        terminal.press("?")
        terminal.wait("matrix of pairs, and back")
        terminal.press("?")
        terminal.wait("jumped forward by 70 s")
        terminal.press("q")
        ended = terminal.wait(r"ended with 0\s+icanon")
        assert "CRITICAL etcd-prod" in ended

    with running(tmp_path / "tmux", arguments, size, environment) as terminal:
        await asyncio.to_thread(drive, terminal)


async def test_a_new_round_and_a_lost_daemon_are_shown_without_a_key(daemon, tmp_path: Path) -> None:
    """The verdict changes by itself; when the daemon is gone, the last round stays with the reason."""
    exporter, url = daemon
    arguments = ["watch", "--url", url, "--interval", "1s"]
    with running(tmp_path / "tmux", arguments, SIZES[0], {}) as terminal:
        await asyncio.to_thread(terminal.wait, "CRITICAL etcd-prod")
        exporter.publish(samples.healthy())
        await asyncio.to_thread(terminal.wait, "OK etcd-prod")
        await exporter.stop()
        shown = await asyncio.to_thread(terminal.wait, "No daemon answers")
        assert "OK etcd-prod" in shown
        terminal.press("C-c")
        await asyncio.to_thread(terminal.wait, r"ended with 130\s+icanon")


async def test_ctrl_z_gives_the_terminal_back_until_it_is_resumed(daemon, tmp_path: Path) -> None:
    """The shell has its lines and its echo; after `fg` the screen is drawn again and keys work."""

    def drive(terminal: Terminal) -> None:
        terminal.wait("CRITICAL etcd-prod")
        terminal.press("C-z")
        terminal.wait("Stopped")
        terminal.press("stty -a | tr ' ;' '\\n\\n' | grep -x -e -*icanon", "Enter")
        terminal.wait(r"^icanon")
        terminal.press("fg", "Enter")
        terminal.wait("Up/Down Enter node")
        terminal.press("m")
        terminal.wait("Clock of the row minus")
        terminal.press("q")
        terminal.wait(PROMPT)

    with shell(tmp_path / "tmux", ["watch", "--url", daemon[1]], SIZES[0]) as terminal:
        await asyncio.to_thread(drive, terminal)


async def test_the_daemon_of_a_configuration_is_found(daemon, tmp_path: Path) -> None:
    """Its rounds are shown instead of measuring once more; a daemon of other clusters is not taken for it."""
    bound = daemon[1].removeprefix("http://")
    texts = {
        "own": f"web: {{listen: '{bound}'}}\nclusters: {{etcd-prod: {{nodes: [n1, n2]}}}}\n",
        "other": f"web: {{listen: '{bound}'}}\nclusters: {{elsewhere: {{nodes: [n1, n2]}}}}\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yml").write_text(text)
    expected = {"own": "from the daemon at http://127.0.0.1", "other": "measured by this command"}
    for name, words in expected.items():
        arguments = ["watch", "--config.file", str(tmp_path / f"{name}.yml")]
        with running(tmp_path / name, arguments, SIZES[0], {}) as terminal:
            await asyncio.to_thread(terminal.wait, words)


async def test_sparklines_begin_with_the_record_of_the_daemon() -> None:
    """The worst ends of each minute, none for a minute without a measurement, the oldest first."""
    far = EndRange(69 * S, 71 * S, 70 * S, 72 * S)

    async def history(query: HistoryQuery) -> list[Period]:
        rows = [None, far]
        return [
            Period(query.until_s - 61 - 60 * (1 - place), 60, {query.cluster: cluster_row(ends)})
            for place, ends in enumerate(rows)
        ]

    exporter = Exporter(Callbacks(history=history))
    (bound,) = await exporter.start("127.0.0.1:0")
    exporter.publish(samples.jumped())
    try:
        past = await DaemonSource(f"http://{bound}", 1.0).past("etcd-prod")
    finally:
        await exporter.stop()
    assert [round(ago_s) for ago_s, _ in past] == [121, 61]
    assert [cells["etcd3"] for _, cells in past] == [None, Cell(71 * S, 72 * S)]


def cluster_row(ends: EndRange | None) -> ClusterRow:
    """Return a minute of one node."""
    return ClusterRow(rounds=5, nodes={"etcd3": NodeRow(offset=ends, measured=4)})


async def test_a_daemon_without_a_record_has_no_past() -> None:
    """Of an earlier version: sparklines begin with the first round."""
    exporter = Exporter()
    (bound,) = await exporter.start("127.0.0.1:0")
    try:
        with pytest.raises(UnreadableStatusError):
            await DaemonSource(f"http://{bound}/nowhere", 1.0).past("etcd-prod")
    finally:
        await exporter.stop()


# --- each view in a size ---


def wide(count: int, clusters: int = 1) -> Status:
    """Return clusters of so many nodes in two camps, 70 ms apart, with one node that is not measured."""
    names = [f"rack{place % 7}-node{place}.example.com" for place in range(count)]
    nodes = [node(name, (place % 2) * 70 * MS + place * US) for place, name in enumerate(names)]
    views = [view(*nodes, name=f"cluster{number}") for number in range(clusters)]
    return status(Snapshot(0, tuple(views)))


def lines_of(shown: Shown, size: tuple[int, int]) -> list[str]:
    """Return the lines of a screen."""
    console = Console(width=size[0], height=size[1], force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(frame(shown, console)[0])
    return captured.get().splitlines()


@pytest.mark.parametrize(
    "document", [wide(3), wide(60), wide(200), wide(5, 60)], ids=["3", "60", "200", "60x5"]
)
@pytest.mark.parametrize("size", [*SIZES, (60, 12)], ids=["80x24", "200x60", "60x12"])
@pytest.mark.parametrize("shown_view", View)
def test_a_view_fills_the_terminal_and_no_more(document, size, shown_view) -> None:
    """Each line is on the screen, and the last line names the keys."""
    events = [ShownEvent.of({**EVENT, "kind": "inventory-recovered", "message": "long " * 60})] * 100
    shown = Shown(document, "measured by this command", position=Position(shown_view), events=events)
    lines = lines_of(shown, size)
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]
    assert "q quit" in lines[-1] or "…" in lines[-1]


@pytest.mark.parametrize("shown_view", View)
def test_no_view_obeys_a_node(shown_view, monkeypatch) -> None:
    """Escape sequences, markup and marks of direction in names, findings and events are shown as text."""
    monkeypatch.setattr(samples, "HOSTILE", "\x1b[2J\x07\u202e[red]")
    document = status(samples.hostile())
    hostile = ShownEvent.of({**EVENT, "kind": "\x1b[2J", "node": "\x07", "message": "\u202e[red]"})
    shown = Shown(document, "\x1b[2J", "", Position(shown_view), events=[hostile])
    text = "\n".join(lines_of(shown, (200, 60)))
    assert not {"\x1b", "\x07", "\u202e"} & set(text.replace("\x1b[?25", ""))


def test_camps_are_blocks_of_the_matrix() -> None:
    """Nodes are in the order of their clocks; pairs within a camp are unmarked, those across are marked."""
    shown = Shown(wide(6), "", position=Position(View.MATRIX))
    rows = [line for line in lines_of(shown, (80, 24)) if re.match(r" +\d+ rack", line)]
    assert [row.count("!") for row in rows] == [3] * 6
    assert all(row.rstrip().endswith("!") for row in rows[:3])


def test_a_matrix_that_does_not_fit_says_how_much_is_hidden() -> None:
    """200 nodes: the worst that fit, and a count of the others."""
    text = "\n".join(lines_of(Shown(wide(200), "", position=Position(View.MATRIX)), (80, 24)))
    shown, hidden = map(int, re.findall(r"The (\d+) worst nodes; (\d+) more do not fit", text)[0])
    assert shown > 10
    assert shown + hidden == 200


# --- keys and selections ---


@pytest.mark.parametrize(
    ("pieces", "keys"),
    [
        ([b"\x1b[A\x1bOB"], [SpecialKey.UP, SpecialKey.DOWN]),
        ([b"\x1b", b"[", b"5~"], [SpecialKey.PAGE_UP]),
        ([b"mq\r\x7f\t"], ["m", "q", SpecialKey.ENTER, SpecialKey.BACKSPACE, SpecialKey.TAB]),
        ([b"\x1b[1;5A", b"x"], ["x"]),  # with Control: no key of ours
        ([b"\xc3\xa4\x01n"], ["n"]),
        ([b"\x1bm"], [SpecialKey.ESCAPE, "m"]),
    ],
)
def test_sequences_are_keys_in_any_pieces(pieces, keys) -> None:
    """Cursor and application mode, split reads, unknown sequences, other alphabets."""
    decoder = Decoder()
    assert [key for piece in pieces for key in decoder.feed(piece)] == keys
    assert not decoder.incomplete


def test_an_escape_alone_is_the_key() -> None:
    """It waits for the rest of a sequence; the rest of a broken one is forgotten."""
    decoder = Decoder()
    assert decoder.feed(b"\x1b") == []
    assert decoder.flush() == [SpecialKey.ESCAPE]
    assert decoder.feed(b"\x1b[5") == []
    assert decoder.flush() == []


def after(keys: list[str], document: Status, position: Position | None = None) -> Position:
    """Return the position after these keys."""
    position = position or Position()
    for key in keys:
        position = pressed(position, key, document)
    return position


def test_a_selection_stays_with_its_node_when_the_order_changes() -> None:
    """The second of the worst is selected; it becomes the worst, and is still selected."""
    before = status(Snapshot(0, (view(node("a", 70 * S), node("b", 3 * S), node("c")),)))
    position = after([SpecialKey.DOWN], before)
    assert position.node == "b"
    changed = status(Snapshot(0, (view(node("a"), node("b", 90 * S), node("c")),)))
    one = position.cluster_of(changed)
    assert one is not None
    assert position.node_of(one) == 0
    gone = status(Snapshot(0, (view(node("a"), node("c")),)))
    assert after([SpecialKey.DOWN, SpecialKey.UP, SpecialKey.END, SpecialKey.ENTER], gone, position).node in (
        "a",
        "c",
    )


def test_keys_lead_from_view_to_view_and_back() -> None:
    """A letter shows and hides a view; Escape leads back; help returns to where it was called."""
    document = wide(3, 2)
    assert after(["m"], document).view is View.MATRIX
    assert after(["m", "m"], document).view is View.NODES
    assert after(["m", "e", SpecialKey.ESCAPE], document).view is View.NODES
    assert after(["e", "?", "?"], document).view is View.EVENTS
    assert after(["m", "?", SpecialKey.ESCAPE], document).view is View.MATRIX
    assert after([SpecialKey.ENTER, SpecialKey.TAB], document).view is View.NODE
    assert after([SpecialKey.RIGHT], document).cluster == "cluster1"
    assert after([SpecialKey.RIGHT, SpecialKey.RIGHT], document).cluster == "cluster0"
    assert after(["x", "\x00", SpecialKey.HOME], document).view is View.NODES
    assert after(["q"], document).ended


@pytest.mark.parametrize(
    "keys", [[SpecialKey.UP], [SpecialKey.ENTER], [SpecialKey.TAB], ["m", SpecialKey.DOWN], [SpecialKey.END]]
)
def test_without_clusters_no_key_fails(keys) -> None:
    """A daemon that has just begun has none."""
    document = status(Snapshot(0, ()))
    position = after(keys, document)
    assert lines_of(Shown(document, "", position=position), SIZES[0])


# --- history and numbers ---


def test_a_history_is_bounded_and_keeps_its_extremes() -> None:
    """A thousand rounds fit; the one excursion among them is still there, and so is a gap."""
    course = Course()
    for second in range(1_000):
        far = 70 * S if second == 333 else 0
        cell = None if 600 <= second < 850 else Cell.of(Interval(far - US, far + US))
        course.add(float(second), {"n": cell})
        assert len(course.cells("n", 10_000)) <= CELLS_MAX
    assert course.span_s > 990
    text = sparkline(course, "n", 10, 50 * MS, plain=False).plain
    assert len(text) <= 10
    assert text.count("█") == 1
    assert "x" in text
    assert sparkline(course, "m", 10, None, plain=True).plain.strip() == ""


def test_a_sparkline_shows_powers_of_ten_and_the_line_by_color() -> None:
    """Eight distances, eight signs; beyond the line red, around it cyan."""
    course = Course()
    for second, distance in enumerate([0, 3 * US, 30 * US, 300 * US, 3 * MS, 30 * MS, 300 * MS, 3 * S]):
        course.add(float(second), {"n": Cell.of(Interval(distance, distance))})
    course.add(9.0, {"n": Cell.of(Interval(-100 * MS, 100 * MS))})
    text = sparkline(course, "n", 20, 50 * MS, plain=False)
    assert text.plain == "▁▂▃▄▅▆▇█▁"
    assert [str(part.style) for part in text.spans] == ["green"] * 6 + ["bold red"] * 2 + ["cyan"]


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (0, "0ns"),
        (70 * S, "+70s"),
        (-5_400, "-5.4us"),
        (-999_700, "-1.0ms"),
        (999_400, "+999us"),
        (999_960_000, "+1.0s"),
        (-9_999 * S, "-9999s"),
        (10_000 * S, "+0d"),
        (700_000 * S, "+8d"),
        (-(10**19), "->27y"),
    ],
)
def test_numbers_of_the_matrix_are_short(value_ns, text) -> None:
    """Never more than six columns."""
    assert short(value_ns) == text
    assert len(text) <= 6
