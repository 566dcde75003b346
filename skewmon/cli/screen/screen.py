"""The loop of ``watch`` on a terminal: a new round or a key draws the screen again."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from skewmon.cli.screen.course import Course
from skewmon.cli.screen.frame import Shown, frame
from skewmon.cli.screen.keys import Keyboard
from skewmon.cli.screen.position import QUIT, View, pressed
from skewmon.cli.screen.sources import Source
from skewmon.cli.watch_display import drawn as last_round
from skewmon.errors import SkewmonError
from skewmon.export.document import Status, elapsed_s
from skewmon.text import harmless


def is_interactive(console: Console) -> bool:
    """Whether keys can be read and a screen be drawn."""
    return console.is_terminal and not console.is_dumb_terminal and sys.stdin.isatty()


class Screen:
    """Shows the rounds of one source until the reader quits."""

    def __init__(self, console: Console, source: Source) -> None:
        self._console = console
        self._source = source
        self._shown: Shown | None = None
        self._courses: dict[str, Course] = {}
        self._last_round: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._ended = False
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Draw until a key ends it; raise as the source does. The last round stays on the terminal."""
        following = asyncio.create_task(self._follow())
        following.add_done_callback(lambda _task: self._changed.set())
        try:
            with (
                Live(console=self._console, screen=True, auto_refresh=False) as live,
                Keyboard(sys.stdin.fileno(), self._pressed, self._changed.set, lambda: _away(live)),
            ):
                await self._draw(live, following)
        finally:
            tasks = [task for task in (following, self._reading) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._shown is not None:
                self._console.print(last_round(self._shown.document, self._shown.fault, self._console))

    async def _draw(self, live: Live, following: "asyncio.Task[None]") -> None:
        self._changed.set()
        while not self._ended and not following.done():
            await self._changed.wait()
            self._changed.clear()
            live.update(self._frame(), refresh=True)
        if following.done():
            following.result()

    def _frame(self) -> RenderableType:
        if self._shown is None:
            return Text(f"Waiting for the first round, {harmless(self._source.name)}. q quits.", "dim")
        drawn, first_line = frame(self._shown, self._console)
        self._shown.position = replace(self._shown.position, first_line=first_line)
        return drawn

    def _pressed(self, key: str) -> None:
        if self._shown is None:
            self._ended = key in QUIT
        else:
            before = self._shown.position
            after = self._shown.position = pressed(before, key, self._shown.document)
            self._ended = after.ended
            if after.view is View.EVENTS and before.view is not View.EVENTS:
                self._reading = asyncio.create_task(self._read_events(self._shown))
        self._changed.set()

    async def _follow(self) -> None:
        async with aclosing(self._source.rounds()) as rounds:
            async for document, fault in rounds:
                await self._remember(document)
                if self._shown is None:
                    self._shown = Shown(document, self._source.name, courses=self._courses)
                self._shown.document, self._shown.fault = document, fault
                if self._shown.position.view is View.EVENTS:
                    await self._read_events(self._shown)
                self._changed.set()

    async def _remember(self, document: Status) -> None:
        """Add a round to the courses of each cluster; a cluster that is new brings its past."""
        now_s = time.monotonic()
        for one in document["clusters"]:
            name, at = one["name"], one["round"]["at"]
            if self._last_round.get(name) == at:  # of a daemon that measures less often than it is asked
                continue
            self._last_round[name] = at
            if name not in self._courses:
                self._courses[name] = await self._past(name, now_s)
            self._courses[name].add_round(one, now_s - elapsed_s(at, document["time"]))
        for gone in self._courses.keys() - {one["name"] for one in document["clusters"]}:
            del self._courses[gone], self._last_round[gone]

    async def _past(self, cluster: str, now_s: float) -> Course:
        course = Course()
        with suppress(SkewmonError):  # sparklines then begin now
            for ago_s, cells in await self._source.past(cluster):
                course.add(now_s - ago_s, cells)
        return course

    async def _read_events(self, shown: Shown) -> None:
        try:
            shown.events, shown.events_fault = await self._source.events(), ""
        except SkewmonError as error:
            shown.events_fault = str(error)
        self._changed.set()


@contextmanager
def _away(live: Live) -> Iterator[None]:
    """Leave the screen for a while."""
    live.stop()
    yield
    live.start(refresh=True)
