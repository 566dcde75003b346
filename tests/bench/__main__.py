"""Run every benchmark on this machine, print the tables and write them into the documentation."""

import asyncio
import sys

from tests.bench import accuracy, scale, table
from tests.fleet.sshd import Fleet

#: Offsets of the crowd's clocks: none, small, large, ahead and behind.
OFFSETS_NS = (0, 1_000, -250_000_000, 70_000_000_000)


def main() -> None:
    """Measure accuracy and cost on a hundred nodes, then scale on a thousand."""
    offsets = [OFFSETS_NS[number % len(OFFSETS_NS)] for number in range(accuracy.CROWD)]
    with Fleet(accuracy.CROWD, offsets_ns=offsets) as fleet:
        tables = [table.rendered("Accuracy and cost", asyncio.run(accuracy.rows(fleet)))]
    print(tables[0], flush=True)
    if "--quick" not in sys.argv:
        tables.append(table.rendered(f"A cluster of {scale.NODES:,}", scale.rows()))
        print(tables[1])
        table.write("\n".join([table.machine(), "", *tables]))


if __name__ == "__main__":
    main()
