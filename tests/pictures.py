"""Draw the pictures of the README from the demonstration: page, matrix, watch and report.

``make pictures`` writes them to docs/pictures. It needs Chromium and tmux, and takes some minutes: the record
that sparklines and the report are drawn from has one row a minute.
"""

import argparse
import asyncio
import io
import json
import math
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml
from playwright.async_api import Browser, Page, async_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.cli.terminal import running
from tests.fleet.node import free_port

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"

NODES = 24

#: The jump comes after some seconds; the rest is the past that the pictures show.
PAST_S = 360.0

#: A wide laptop; the pictures are shown at two thirds of that.
VIEWPORT = {"width": 1280, "height": 900}

#: The terminal of the picture of ``watch``.
TERMINAL = (104, 30)

#: The eight normal and the eight bright colors of a terminal.
NORMAL = ["464b55", "f06262", "6cc26b", "e5b450", "62a0ea", "c882dc", "56b6c2", "d4d7dd"]
BRIGHT = ["6e7380", "ff7878", "82dc82", "facd6e", "78b4fa", "e196f0", "6ecdd7", "ffffff"]


def _theme() -> TerminalTheme:
    def color(code: str) -> tuple[int, int, int]:
        red, green, blue = bytes.fromhex(code)
        return red, green, blue

    return TerminalTheme(color("16181d"), color("d4d7dd"), [*map(color, NORMAL)], [*map(color, BRIGHT)])


TERMINAL_PAGE = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0; background: {background} }}
pre {{ margin: 0; padding: 16px 20px; width: max-content; font: 14px/1.25 "DejaVu Sans Mono", monospace;
color: {foreground}; background: {background} }}</style>
<pre>{code}</pre>"""


async def main() -> int:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument(
        "--past", type=float, default=PAST_S, metavar="SECONDS", help="let the demo run so long"
    )
    past_s = parser.parse_args().past
    FOLDER.mkdir(exist_ok=True)
    async with demo() as url, async_playwright() as playwright:
        await until_critical(url)
        await asyncio.sleep(past_s)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        await draw_page(browser, url)
        await draw_watch(browser, url)
        await draw_report(browser, url, past_s)
        await browser.close()
    for path in sorted(FOLDER.glob("*.png")):
        print(f"{path.relative_to(FOLDER.parents[1])}: {path.stat().st_size // 1024} KiB")
    return 0


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Run the demonstration and yield its URL."""
    port = free_port("127.0.0.1")
    command = [
        sys.executable,
        "-m",
        "skewmon",
        "demo",
        "--no-table",
        "--no-site",
        "--nodes",
        str(NODES),
        "--port",
        str(port),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def until_critical(url: str) -> None:
    """Wait until a clock has jumped."""
    async with asyncio.timeout(120):
        while True:
            try:
                document = await asyncio.to_thread(_read, f"{url}/api/v1/status")
            except OSError:
                document = {"verdict": ""}
            if document["verdict"] == "critical":
                return
            await asyncio.sleep(1)


def _read(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


async def draw_page(browser: Browser, url: str) -> None:
    """Draw the page of all clusters, and its matrix alone."""
    page = await browser.new_page(viewport=VIEWPORT)
    await page.goto(url)
    await page.wait_for_selector(".connection.live")
    await page.wait_for_selector("svg.pairs")
    await page.wait_for_timeout(3_000)  # the record comes after the first round
    await page.screenshot(path=FOLDER / "page.png", full_page=True)
    await page.locator(".pairs-box").first.screenshot(path=FOLDER / "matrix.png")
    await page.close()


async def draw_watch(browser: Browser, url: str) -> None:
    """Draw the terminal as a person sees it."""
    arguments, colors = ["watch", "--url", url], {"TERM": "screen-256color"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "tmux", arguments, TERMINAL, colors) as pane,
    ):
        await asyncio.to_thread(pane.wait, r"WRONG[\s\S]*Up/Down Enter node")
        shown = await asyncio.to_thread(pane.colored)
    console = Console(record=True, width=TERMINAL[0], file=io.StringIO())
    console.print(Text.from_ansi(shown), no_wrap=True)
    html = console.export_html(theme=_theme(), inline_styles=True, code_format=TERMINAL_PAGE)
    page = await browser.new_page(viewport=VIEWPORT)
    await page.set_content(html)
    await page.locator("pre").screenshot(path=FOLDER / "watch.png")
    await page.close()


async def draw_report(browser: Browser, url: str, past_s: float) -> None:
    """Draw the first screen of a report on the time since the demonstration began."""
    since = f"{math.ceil(past_s / 60) + 1}m"
    with urllib.request.urlopen(f"{url}/config", timeout=10) as answer:
        directory = yaml.safe_load(answer)["state_directory"]
    command = [sys.executable, "-m", "skewmon", "report", "--since", since, "--state-directory", directory]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_bytes(done.stdout)
        page: Page = await browser.new_page(viewport=VIEWPORT)
        await page.goto(path.as_uri())
        await page.screenshot(path=FOLDER / "report.png")
        await page.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
