"""Against whom a node is judged, and what a typical other node claims."""

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from skewmon.model import Interval, Vote
from skewmon.timesync.evidence import NodeEvidence
from skewmon.timesync.jury import Jury, jury
from tests.timesync.test_claim import HELD


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


def test_one_whom_sources_defend_is_not_judged_by_the_others() -> None:
    """Where most nodes may share one wrong source, a clock far from them is no outlier."""
    offsets = {"n1": 5_000_000_000, "n2": 0, "n3": 0}
    cluster = {name: NodeEvidence(name, HELD, Interval.around(at, 1_000)) for name, at in offsets.items()}
    assert jury(cluster, Vote("undetermined", (), "No majority.")).accused == "n1"
    assert jury(cluster, Vote("undetermined", (), "They may share one wrong source.", ("n1",))).median is None
