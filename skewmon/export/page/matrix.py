"""The offsets of all pairs as a heat map, ordered so that clocks that agree become blocks.

A path for each level instead of an element for each pair: forty thousand elements would stop a browser, and
the runs of one row are few because the order follows the offsets.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from skewmon.export.document import ClusterStatus, skew_thresholds
from skewmon.export.page.camps import Measurement, camps
from skewmon.export.page.links import node_link
from skewmon.export.page.markup import Markup, join, tag
from skewmon.model import Interval, Threshold
from skewmon.runtime.gil_yield import yielding_gil
from skewmon.text import at_most, exact, names

#: Clocks on a side. More would be narrower than a pixel of a phone, and cost the square of their number.
CLOCKS_MAX = 200

#: Rows have names up to this number; in more there is no room for a line of text.
NAMED_MAX = 20

#: Clocks of a small drawing.
FEW_MAX = 8

#: Rows computed in about a millisecond.
ROWS_A_TURN = 8

#: A pair within these parts of the lowest line has a lighter tint.
_TINTS = (0.01, 0.1)

#: A pair beyond this many times the critical line has the darkest tint.
_FAR = 10

#: The side of the drawing in its own units, about; a pair takes a whole number of them.
_SIDE = 1_000

#: The side of a hatch; that of a small drawing is wider, to look the same.
_HATCH = 16
_WIDE_HATCH = 32

#: Names of camps below the drawing.
_CAMPS_MAX = 6


@dataclass(frozen=True, slots=True)
class MatrixClocks:
    """The clocks of a matrix in their order, split in camps, and how many have no place in it."""

    camps: list[list[Measurement]]
    left_out: list[Measurement]

    @property
    def clocks(self) -> list[Measurement]:
        """All clocks of the matrix."""
        return list(chain.from_iterable(self.camps))


def chosen(one: ClusterStatus, offsets: Mapping[str, Interval]) -> MatrixClocks:
    """Return the clocks to draw: all, or those furthest from the reference on both sides."""
    found = camps(one, offsets)
    order = list(chain.from_iterable(found))
    spare = len(order) - CLOCKS_MAX
    if spare <= 0:
        return MatrixClocks(found, [])
    by_distance = sorted(order, key=lambda each: abs(each[1].estimate_ns))
    left_out = {node["name"] for node, _ in by_distance[:spare]}
    kept = [[each for each in camp if each[0]["name"] not in left_out] for camp in found]
    return MatrixClocks([camp for camp in kept if camp], by_distance[:spare])


def matrix(one: ClusterStatus, offsets: Mapping[str, Interval], key: str) -> Markup:
    """Return names, drawing, legend and a readout for the pair under the pointer or cursor."""
    selection = chosen(one, offsets)
    if len(selection.clocks) < 2:
        return tag("p", "Fewer than two clocks were measured: there is no pair.", class_="minor")
    lines = skew_thresholds(one["thresholds"])
    listed = None
    if len(selection.clocks) <= NAMED_MAX:
        rows = (tag("li", node_link(node["name"])) for node, _ in selection.clocks)
        listed = tag("ol", *rows, class_="rows", aria_label="Clocks in the order of rows and columns")
    return join(
        (
            tag("div", listed, _drawing(selection, lines, key), class_=f"matrix {_size(selection)}"),
            tag("output", "", class_="readout"),
            _legend(selection, lines),
        )
    )


def _size(selection: MatrixClocks) -> str:
    return "few" if len(selection.clocks) <= FEW_MAX else "many"


def level(offset: Interval, lines: Sequence[Threshold]) -> str:
    """Return the level of a pair: the same judgement as in the API, and how far on either side."""
    if not lines:
        return "unknown"
    lowest, highest = lines[0], lines[-1]
    if offset.proven_ns > lowest.limit_ns:
        passed = [line for line in lines if offset.proven_ns > line.limit_ns]
        far = passed[-1] is highest and offset.proven_ns > _FAR * highest.limit_ns
        return f"{passed[-1].severity}{' far' if far else ''}"
    if offset.furthest_ns >= lowest.limit_ns:
        return "ambiguous"
    tint = next(
        (n for n, part in enumerate(_TINTS) if offset.furthest_ns < part * lowest.limit_ns), len(_TINTS)
    )
    return f"ok tint{tint}"


def _drawing(selection: MatrixClocks, lines: Sequence[Threshold], key: str) -> Markup:
    offsets = [offset for _, offset in selection.clocks]
    count = len(offsets)
    cell = _SIDE // count
    paths: dict[str, list[str]] = {}
    for row, own in enumerate(yielding_gil(offsets, ROWS_A_TURN)):
        column = 0
        for name, run in groupby(level(own - other, lines) for other in offsets):
            length = sum(1 for _ in run)
            paths.setdefault(name, []).append(
                f"M{column * cell} {row * cell}h{length * cell}v{cell}h-{length * cell}z"
            )
            column += length
    hatch, corners = f"{key}-hatch", range(0, count * cell, cell)
    drawn = (
        tag("path", class_=name, d="".join(runs), fill=f"url(#{hatch})" if name == "ambiguous" else None)
        for name, runs in sorted(paths.items())
    )
    return tag(
        "svg",
        _hatch(hatch, _WIDE_HATCH if count <= FEW_MAX else _HATCH),
        *drawn,
        tag("path", class_="diagonal", d="".join(f"M{at} {at}h{cell}v{cell}h-{cell}z" for at in corners)),
        *_separators(selection, cell),
        tag("path", class_="cursor", d=""),
        class_="pairs",
        viewBox=f"0 0 {count * cell} {count * cell}",
        role="application",
        tabindex="0",
        aria_roledescription="matrix of pairs",
        aria_label=f"Offsets of all pairs of {count} clocks. Arrow keys move from pair to pair.",
        data_clocks=json.dumps([node["name"] for node, _ in selection.clocks]),
    )


def _hatch(name: str, side: int) -> Markup:
    """Return the pattern of ambiguous pairs, which differs from a colour for every eye."""
    size = f"{side}"
    ground = tag("rect", width=size, height=size, class_="ground")
    stripe = tag("path", d=f"M0 {size}L{size} 0", class_="stripe", stroke_width=f"{side / 4:g}")
    pattern = tag("pattern", ground, stripe, id=name, width=size, height=size, patternUnits="userSpaceOnUse")
    return tag("defs", pattern)


def _separators(selection: MatrixClocks, cell: int) -> Iterator[Markup]:
    """Yield the lines between camps."""
    side, place = cell * len(selection.clocks), 0
    for camp in selection.camps[:-1]:
        place += len(camp) * cell
        yield tag("path", class_="separator", d=f"M{place} 0v{side}M0 {place}h{side}")


def _legend(selection: MatrixClocks, lines: Sequence[Threshold]) -> Markup:
    """Return the meaning of the colours, the camps, and how many clocks have no place in the drawing."""
    entries = [tag("li", tag("i", class_=f"swatch {name}"), text) for name, text in _levels(lines)]
    return join(
        (
            tag("ul", *entries, class_="legend"),
            tag("p", _order(selection), class_="minor"),
            _left_out(selection),
        )
    )


def _levels(lines: Sequence[Threshold]) -> Iterator[tuple[str, str]]:
    if not lines:
        yield "unknown", "no line to compare with"
        return
    lowest = lines[0].limit_ns
    for number, part in enumerate(_TINTS):
        yield f"ok tint{number}", f"below {exact(round(lowest * part))}"
    yield f"ok tint{len(_TINTS)}", f"below {exact(lowest)}"
    yield "ambiguous", f"bounds across {exact(lowest)}"
    for line in lines:
        yield line.severity, f"beyond {exact(line.limit_ns)}"
    yield f"{lines[-1].severity} far", f"beyond {exact(_FAR * lines[-1].limit_ns)}"


def _order(selection: MatrixClocks) -> str:
    if len(selection.camps) == 1:
        return "Rows and columns are in one order, from behind to ahead."
    shown = [names([node["name"] for node, _ in camp], 3) for camp in selection.camps[:_CAMPS_MAX]]
    more = len(selection.camps) - len(shown)
    rest = f"; and {more} more camps" if more else ""
    return f"From behind to ahead, {len(selection.camps)} camps proven apart: {'; '.join(shown)}{rest}."


def _left_out(selection: MatrixClocks) -> Markup | None:
    if not selection.left_out:
        return None
    within_ns = max(offset.furthest_ns for _, offset in selection.left_out)
    drawn, missing = len(selection.clocks), len(selection.left_out)
    return tag(
        "p",
        f"These are the {drawn} clocks furthest from the reference; the {missing:,} others lie within "
        f"{at_most(within_ns)} of it.",
        class_="rest",
    )
