"""One phase of a round: every link gets one request, a few at a time, and none is waited for too long.

A place for a request is a task that serves one link after the other. Its waiting and the end of a phase are
callbacks: in a large cluster, a task and a timer for each request would cost as much as the exchange.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from skewmon.errors import NodeError
from skewmon.model import Failed
from skewmon.probe.budget import Budget, late
from skewmon.probe.link import Link
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.tasks import Deadline

#: Bursts of near nodes in flight: each keeps this process busy, and with four the bounds are nearly those of
#: one (`make bench`); beyond that, replies wait behind each other and the round grows longer.
NEAR_AT_ONCE = 4

#: Nodes further than this leave the process idle while their packets travel, so many more may be in flight.
NEAR_ROUND_TRIP_NS = 3_000_000

#: A near node whose burst takes longer than this leaves the process idle, too, and makes room for the next.
NEAR_HOLD_S = 0.05

FAR_AT_ONCE = 256

#: The wait for a node has so many parts, each of which this process may oversleep without harm: while it is
#: held up itself, replies wait in the kernel and no node is late. A pause costs one part at most.
SLICES = 8

Result = TypeVar("Result")


class Phases:
    """Runs the phases of rounds; rounds at the same time share the places for requests on their way."""

    def __init__(self) -> None:
        self._near = _Places(NEAR_AT_ONCE, NEAR_HOLD_S)
        self._far = _Places(FAR_AT_ONCE, math.inf)
        self._left: dict[Link, asyncio.Task[None]] = {}

    async def run(
        self, links: Iterable[Link], ask: Callable[[Link], Awaitable[Result]], budget: Budget
    ) -> "dict[Link, Result | Failed]":
        """Return each node's answer, or its failure; do not wait for a late node.

        The request to a late node goes on by itself: only its end distinguishes a slow node from a dead one,
        and the next request must not meet its reply.
        """
        phase = _Phase(ask, budget, self._left)
        for link in links:
            is_near = link.round_trip_ns is not None and link.round_trip_ns < NEAR_ROUND_TRIP_NS
            phase.requests[link] = _Request(phase, link, self._near if is_near else self._far)
        try:
            for request in [*phase.requests.values()]:
                request.enter()
            if phase.requests:
                await phase.over
        finally:
            for request in phase.requests.values():
                request.cancel()
        return phase.answers


class _Places:
    """The places of requests on their way, and the requests that wait for one.

    A request that takes longer than ``hold_s`` goes on without its place.
    """

    def __init__(self, count: int, hold_s: float) -> None:
        self.hold_s = hold_s
        self._free = count
        self._waiting: deque[_Request[Any]] = deque()
        self._serving: set[asyncio.Task[None]] = set()  # the event loop keeps no task alive

    def enter(self, request: "_Request[Any]") -> None:
        """Serve a request now, or when there is a place for it."""
        self._waiting.append(request)
        if self._free:
            self._free -= 1
            self.leave()

    def leave(self) -> None:
        """Give a place to the requests that wait."""
        if self._waiting:
            task = asyncio.create_task(self._serve())
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        else:
            self._free += 1

    async def _serve(self) -> None:
        """Serve the requests that wait, one after the other, until one goes on without the place."""
        wait, last = _Wait(), None
        try:
            while self._waiting:
                request = self._waiting.popleft()
                if request.is_over:
                    continue
                last = request
                await request.serve(wait)
                if not request.has_place:
                    return
        finally:
            if last is None or last.has_place:
                self.leave()


class _Phase(Generic[Result]):
    """The requests that are not over, the answers there are, and whether these are all."""

    def __init__(
        self,
        ask: Callable[[Link], Awaitable[Result]],
        budget: Budget,
        left: "dict[Link, asyncio.Task[None]]",
    ) -> None:
        self.ask = ask
        self.budget = budget
        self.left = left
        self.requests: dict[Link, _Request[Result]] = {}
        self.answers: dict[Link, Result | Failed] = {}
        self.over = asyncio.get_running_loop().create_future()

    def note(self, link: Link, answer: Result | Failed) -> None:
        """Note the answer of a link; the last one ends the phase."""
        self.answers[link] = answer
        del self.requests[link]
        if not self.requests and not self.over.done():
            self.over.set_result(None)


class _Request(Generic[Result]):
    """A request to one link: in turn, then on its way with a place, then without one, and over."""

    __slots__ = ("_phase", "_places", "_rest_s", "_task", "_wait", "has_place", "is_over", "link")

    def __init__(self, phase: _Phase[Result], link: Link, places: _Places) -> None:
        self.link = link
        self.is_over = False  # answered, late or cancelled
        self.has_place = False
        self._phase = phase
        self._places = places
        self._task: asyncio.Task[None] | None = None
        self._wait: _Wait | None = None
        self._rest_s = 0.0  # how much longer to wait than it holds its place

    def enter(self) -> None:
        """Wait for a place; before that for the end of an earlier request, as long as for an answer."""
        earlier = self._phase.left.get(self.link)
        if earlier is None:
            self._places.enter(self)
            return
        self._wait = _Wait()
        # The round before this one waited for a coarse clock's whole search already.
        self._wait.begin(self, self._phase.budget.wait_s(self.link.slowest_ns, is_coarse=False))
        earlier.add_done_callback(self._follow)

    async def serve(self, wait: "_Wait") -> None:
        """Send the request, with a place; note the answer if it is not late."""
        limit_s = self._phase.budget.wait_s(self.link.slowest_ns, is_coarse=self.link.is_coarse)
        hold_s = min(limit_s, self._places.hold_s)
        self._rest_s = limit_s - hold_s if hold_s < limit_s else 0.0
        self._task, self._wait, self.has_place = asyncio.current_task(), wait, True
        wait.begin(self, hold_s)
        try:
            answer = await self._answer()
        except asyncio.CancelledError:
            if not self.is_over:  # not cancelled by its phase: the event loop ends
                self._phase.over.cancel()
            raise
        finally:
            wait.lift()
            if self._phase.left.get(self.link) is self._task:
                del self._phase.left[self.link]
        if not self.is_over:
            self.is_over = True
            self._phase.note(self.link, answer)

    def cancel(self) -> None:
        """End the request, because its phase is cancelled."""
        self.is_over = True
        self._stop_waiting()
        if self._task:
            self._task.cancel()

    def waited(self) -> None:
        """Give the place up, or the request if it has none: that much time has passed."""
        if self.is_over:
            return
        self._give_place_up()
        rest_s, self._rest_s = self._rest_s, 0.0
        if rest_s and self._wait:
            self._wait.begin(self, rest_s)
            return
        self.is_over = True
        if self._task:
            self._phase.left[self.link] = self._task
        self._phase.note(self.link, late(self._phase.budget, self.link.slowest_ns))

    async def _answer(self) -> "Result | Failed":
        try:
            with translated(Where.NODE, node_error, node=self.link.node.name):
                try:
                    return await self._phase.ask(self.link)
                except Exception:
                    await asyncio.sleep(0)  # links that are down fail at once: others have their turn
                    raise
        except NodeError as error:
            return error.failed

    def _follow(self, _earlier: object) -> None:
        if not self.is_over:
            self._stop_waiting()
            self._places.enter(self)

    def _stop_waiting(self) -> None:
        if self._wait:
            self._wait.lift()

    def _give_place_up(self) -> None:
        if self.has_place:
            self.has_place = False
            self._places.leave()


class _Wait:
    """The wait for an answer, in slices; one serves the requests of a place, each in its turn."""

    __slots__ = ("_deadline", "_request", "_slice_s", "_slices")

    def __init__(self) -> None:
        self._deadline = Deadline(self._slice_passed)
        self._request: _Request[Any] | None = None
        self._slices = 0  # that are left
        self._slice_s = 0.0

    def begin(self, request: _Request[Any], wait_s: float) -> None:
        """Tell the request once so much time has passed, or earlier if its link is being throttled."""
        self._request, self._slices, self._slice_s = request, SLICES, wait_s / SLICES
        if math.isfinite(wait_s):
            self._deadline.put_off(self._slice_s)

    def lift(self) -> None:
        """Wait no longer, and keep nothing of the request: it holds all that its round found."""
        self._deadline.lift()
        self._request = None

    def _slice_passed(self) -> None:
        assert self._request is not None  # a deadline that was lifted does not pass
        self._slices -= 1
        if self._slices and not self._request.link.is_throttled:
            self._deadline.put_off(self._slice_s)
        else:  # the task of a reply that was read in this very turn runs before that
            asyncio.get_running_loop().call_soon(self._request.waited)
