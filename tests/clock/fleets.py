"""Random fleets on several axes, whose true clocks are known."""

from random import Random

from skewmon.model import AxisOffset, Interval


def around(dice: Random, truth_ns: int, *widths_ns: int) -> Interval:
    """Return an interval that contains the truth, each end as far away as one of these widths."""
    return Interval(truth_ns - dice.choice(widths_ns), truth_ns + dice.choice(widths_ns))


def placed(axis: str, own: Interval, common: Interval) -> AxisOffset:
    """Return a clock on an axis; its ends to the reference are those on the common line."""
    return AxisOffset(common.lower_ns, common.upper_ns, axis, own, common)


def random_fleet(
    dice: Random, most: int = 12, spread_ns: int = 10_000
) -> tuple[dict[str, AxisOffset], dict[str, int]]:
    """Return some nodes on one to five axes, and their true clocks, which all their intervals contain."""
    narrow, wide = (0, 1, 7, 300), (5, 400, 4_000, 40_000)
    axes = {f"v{number}": dice.randint(-(10**15), 10**15) for number in range(dice.randint(1, 5))}
    fleet, truths = dict[str, AxisOffset](), dict[str, int]()
    for number in range(dice.randint(2, most)):
        name, axis = f"n{number}", dice.choice(list(axes))
        truths[name] = dice.choice([0, 0, 3, dice.randint(-spread_ns, spread_ns)])
        own = around(dice, truths[name], *narrow).shifted(axes[axis])
        fleet[name] = placed(axis, own, around(dice, truths[name], *wide))
    return fleet, truths
