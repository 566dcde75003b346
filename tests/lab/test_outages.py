"""A guest that stands still and one that is rebooted: reported as such, without an alert."""

import asyncio
import re
from itertools import groupby
from pathlib import Path
from random import Random

import pytest

from skewmon.journal.read import read
from skewmon.model import EventQuery
from tests.integration.running import Running
from tests.lab.cluster import Lab
from tests.lab.watch import JUMPS, watched

pytestmark = pytest.mark.lab

PAUSE_S = 8.0

#: Shorter than any patience of skewmon's: the round waits, and its bounds must say so.
HICCUP_S = 0.4


def resets(daemon: Running) -> dict[str, float]:
    """Return how often the past of a node was dropped, by reason."""
    lines = daemon.metrics().splitlines()
    found = (re.match(r'skewmon_history_resets_total\{.*reason="([^"]+)".*\} (\S+)', line) for line in lines)
    return {match[1]: float(match[2]) for match in found if match and float(match[2])}


def told(state: Path) -> list[tuple[str, str | None]]:
    """Return the kinds of the journal's events about nodes, oldest first; an outage may change its reason."""
    every = [
        (event.kind, event.node) for event in reversed(read(str(state), EventQuery(1_000))) if event.node
    ]
    return [one for one, _ in groupby(every)]


async def test_a_daemon_lives_through_a_pause_and_a_reboot(three: Lab, tmp_path: Path) -> None:
    """Both are outages; only the reboot ends a history, and neither is a step or fires an alert of skew."""
    state = tmp_path / "state"
    config = three.write_config(
        tmp_path / "skewmon.yml", web={"listen": "127.0.0.1:0"}, state_directory=str(state)
    )
    async with Running(config) as daemon:
        await daemon.until(lambda: len(daemon.measured("lab")) == 3)
        settled = len(told(state))
        three["n1"].pause()
        await asyncio.sleep(PAUSE_S)
        paused = daemon.cluster("lab")
        three["n1"].resume()
        assert "n1" not in [node["name"] for node in paused["nodes"] if node["measured"]]
        await daemon.until(lambda: len(daemon.measured("lab")) == 3)
        assert resets(daemon) == {}
        await asyncio.to_thread(three["n3"].reboot)
        await daemon.until(lambda: len(daemon.measured("lab")) == 3, 90)
        await daemon.until(lambda: resets(daemon) == {"reboot": 1})
        assert daemon.metric("skewmon_node_steps_total") == 0
        assert daemon.metric("skewmon_alert_firing") == 0
        await daemon.end()
    assert told(state)[settled:] == [
        ("not-measured", "n1"),
        ("measured-again", "n1"),
        ("not-measured", "n3"),
        ("reboot", "n3"),
        ("measured-again", "n3"),
    ]


async def test_a_guest_that_stops_in_the_middle_of_a_burst_is_measured_all_the_same(three: Lab) -> None:
    """At any point of the exchanges, the truth stays inside, and no movement of its clock is reported."""
    rng, guest, held_up = Random(7), three["n2"], 0

    async def hiccup() -> None:
        await asyncio.sleep(rng.uniform(0, 0.02))
        guest.pause()
        await asyncio.sleep(HICCUP_S)
        guest.resume()

    async with watched(three) as watch:
        for _ in range(20):
            found = await watch.round(hiccup)
            held_up += found.view.duration_s > HICCUP_S
            assert found.movements(*JUMPS) == []
            assert found.events == []
            assert not any(said.reset for said in found.told.values())
    assert held_up >= 5
