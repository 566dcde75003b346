"""Cost, memory and bound against the number of nodes: the table and the plots of docs/scale.md."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench.figures import Figures

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "scale.png"

#: The value of a plot, from a daemon's figures and the number of its nodes.
Value = Callable[[Figures, int], float]

PLOTS: Mapping[str, Value] = {
    "processor time a node and round, ms": lambda one, nodes: one.cpu_s / nodes * 1e3,
    "resident memory, MiB": lambda one, _: one.resident_bytes / 2**20,
    "bound, median, us": lambda one, _: one.bound_s * 1e6,
    "round, s": lambda one, _: one.round_s,
}


def lines(found: Mapping[int, Figures]) -> list[str]:
    """Return the lines of the table."""
    heads = [
        "nodes",
        "all measured after",
        "processor time until then, a node",
        *PLOTS,
        "growth a round, KiB",
    ]
    rows = [
        [
            f"{nodes:,}",
            f"{one.connect_s:.0f} s",
            f"{one.connect_cpu_s / nodes * 1e3:.1f} ms",
            *[f"{value(one, nodes):.3g}" for value in PLOTS.values()],
            f"{one.growth_bytes / 1024:.0f}",
        ]
        for nodes, one in sorted(found.items())
    ]
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def draw(found: Mapping[int, Figures]) -> None:
    """Draw one plot for each figure into one picture."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # of the bench group, and slow to import

    nodes = sorted(found)
    picture = Figure(figsize=(9, 6), layout="constrained")
    for number, (name, value) in enumerate(PLOTS.items(), 1):
        plot = picture.add_subplot(2, 2, number)
        values = [value(found[count], count) for count in nodes]
        plot.plot(nodes, values, marker="o")
        plot.set(
            title=name, xscale="log", xlabel="nodes", xticks=nodes, xticklabels=[f"{one:,}" for one in nodes]
        )
        plot.minorticks_off()
        plot.set_ylim(0, max(values) * 1.1)
    picture.savefig(PICTURE, dpi=100)
