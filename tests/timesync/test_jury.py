"""Against whom a node is judged, and what a typical other node claims."""

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from skewmon.timesync.jury import Jury


@given(st.lists(st.floats(0, 16), min_size=2, max_size=20), st.data())
def test_the_typical_claim_is_the_median_of_the_others(claims_s: list[float], data: st.DataObject) -> None:
    """Of all claims but one's own, each counted."""
    own = data.draw(st.integers(0, len(claims_s) - 1))
    others = [*claims_s[:own], *claims_s[own + 1 :]]
    assert Jury(None, claims_s=tuple(sorted(claims_s))).typical_claim_s(claims_s[own]) == median(others)


def test_where_nobody_else_claims_anything_nothing_is_typical() -> None:
    """The only claim, or none."""
    assert Jury(None, claims_s=(0.5,)).typical_claim_s(0.5) is None
    assert Jury(None).typical_claim_s(0.5) is None
