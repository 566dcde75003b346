"""Numbers as a person reads them."""

#: Units from the largest down, each with the nanoseconds it stands for. They are spelt as the configuration
#: has them: every terminal and pager can show "us", and what is read can be typed.
UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns"))


def span(value_ns: int) -> str:
    """Return a span of time in the largest unit that fits: ``70.02 s``, ``312 ms``, ``48.1 us``."""
    unit_ns, unit = next(((ns, name) for ns, name in UNITS if abs(value_ns) >= ns), UNITS[-1])
    return f"{value_ns / unit_ns:.12g} {unit}"
