"""Names are one machine if they show one boot id and have an instant in common."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from skewmon.culprit.machines import merged
from skewmon.model import Interval

fleets = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.tuples(st.integers(-9, 9), st.integers(0, 6), st.sampled_from(["", "x", "y"])),
    max_size=8,
)


def names_of(*told: tuple[int, int, str]) -> list[tuple[str, ...]]:
    """Return the machines of names a, b, … with these lower ends, upper ends and boot ids."""
    clocks = {name: Interval(lower, upper) for name, (lower, upper, _) in zip("abcdef", told, strict=False)}
    return sorted(
        one.names for one in merged(clocks, dict(zip("abcdef", (one[2] for one in told), strict=False)))
    )


def test_a_machine_has_one_boot_id_and_intervals_that_meet() -> None:
    """Two names merge; clocks that are apart, other boot ids and unknown ones do not."""
    assert names_of((0, 2, "x"), (1, 3, "x"), (0, 3, "y")) == [("a", "b"), ("c",)]
    assert names_of((0, 2, "x"), (3, 4, "x")) == [("a",), ("b",)]
    assert names_of((0, 2, ""), (0, 2, "")) == [("a",), ("b",)]


def test_a_chain_of_meeting_intervals_is_not_one_machine() -> None:
    """The first and the last have no instant in common, so one of the three lies."""
    assert names_of((0, 2, "x"), (2, 4, "x"), (4, 6, "x")) == [("a", "b"), ("c",)]


@given(fleets)
def test_each_machine_is_possible_and_there_are_as_few_as_can_be(
    told: dict[str, tuple[int, int, str]],
) -> None:
    """The names of a machine have an instant in common; as many names as machines are pairwise apart."""
    clocks = {name: Interval(lower, lower + width) for name, (lower, width, _) in told.items()}
    found = merged(clocks, {name: one[2] for name, one in told.items()})
    assert sorted(name for one in found for name in one.names) == sorted(clocks)
    for one in found:
        assert max(clocks[name].lower_ns for name in one.names) <= min(
            clocks[name].upper_ns for name in one.names
        )
        assert len({told[name][2] for name in one.names}) == 1
        assert all(one.hull.meet(clocks[name]) == clocks[name] for name in one.names)
    for boot_id in ("x", "y"):
        names = [name for name in clocks if told[name][2] == boot_id]
        count = sum(told[one.names[0]][2] == boot_id for one in found)
        assert count == max(
            size
            for size in range(len(names) + 1)
            if any(
                all(clocks[one].meet(clocks[other]) is None for one, other in combinations(some, 2))
                for some in combinations(names, size)
            )
        )
