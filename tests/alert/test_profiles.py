"""Profiles are data, and data can be wrong in ways that a reader would not see."""

import pytest

from skewmon.alert.profiles import PROFILES, Profile
from skewmon.alert.thresholds import STATES, in_force
from skewmon.model import ThresholdKind

MS = 1_000_000
S = 1_000 * MS

EVERY = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))


@EVERY
def test_a_profile_rests_on_something(profile: Profile) -> None:
    """Every profile explains the consequences in sentences, and names its source."""
    assert profile.breaks.endswith(".")
    assert len(profile.source) > 20
    assert profile.thresholds


@EVERY
def test_a_profile_has_lines_that_can_be_judged(profile: Profile) -> None:
    """Limits are positive if the kind has one, kinds exist, and no two lines have one kind and severity."""
    places = [(line.kind, line.severity) for line in profile.thresholds]
    assert len(set(places)) == len(places)
    for line in profile.thresholds:
        assert line.kind in ThresholdKind
        assert (line.limit_ns > 0) is (line.kind not in STATES)


@EVERY
def test_critical_lies_beyond_warning(profile: Profile) -> None:
    """A profile with both severities on one kind warns first."""
    limits = {(line.kind, line.severity): line.limit_ns for line in profile.thresholds}
    for (kind, severity), limit_ns in limits.items():
        if severity == "critical":
            assert limits.get((kind, "warning"), 0) < limit_ns or kind in STATES


@EVERY
def test_the_lines_compare_what_the_system_compares(profile: Profile) -> None:
    """A semantic of one direction or of steps shows in the kinds of its lines."""
    kinds = {line.kind for line in profile.thresholds}
    if profile.semantic in {"ahead", "behind", "step"}:
        assert kinds <= {profile.semantic, "skew"}


def test_the_default_is_node_mixins_and_etcds_line() -> None:
    """Without a word in the configuration: a warning at 50 ms, critical at 1 s."""
    assert [(line.severity, line.limit_ns) for line in PROFILES["default"].thresholds] == [
        ("warning", 50 * MS),
        ("critical", 1 * S),
    ]


@pytest.mark.parametrize(
    ("name", "severity", "kind", "limit_ns"),
    [
        ("etcd", "critical", "skew", 1 * S),
        ("ceph", "warning", "skew", 50 * MS),
        ("cockroachdb", "critical", "skew", 400 * MS),
        ("yugabytedb", "critical", "skew", 500 * MS),
        ("ydb", "critical", "skew", 5 * MS),
        ("hbase", "critical", "skew", 30 * S),
        ("kerberos", "critical", "skew", 300 * S),
        ("kafka", "warning", "ahead", 3_600 * S),
        ("redis-sentinel", "warning", "step", 2 * S),
        ("edb-pgd", "warning", "skew", 2 * S),
        ("finra", "critical", "utc", 50 * MS),
        ("mifid", "critical", "utc", MS),
    ],
)
def test_known_lines_are_where_their_systems_draw_them(
    name: str, severity: str, kind: str, limit_ns: int
) -> None:
    """Numbers that operators know by heart."""
    found = {(line.severity, line.kind): line.limit_ns for line in PROFILES[name].thresholds}
    assert found[severity, kind] == limit_ns


@EVERY
def test_a_line_against_utc_comes_with_one_that_needs_no_references(profile: Profile) -> None:
    """Two clocks within the line of UTC are at most twice as far apart."""
    limits = {(line.kind, line.severity): line.limit_ns for line in profile.thresholds}
    for (kind, severity), limit_ns in limits.items():
        if kind is ThresholdKind.UTC:
            assert profile.semantic == "utc"
            assert limits[ThresholdKind.SKEW, severity] == 2 * limit_ns
            assert "references" in profile.breaks


@EVERY
def test_a_profile_can_be_put_in_force(profile: Profile) -> None:
    """A cluster with nothing but the profile has its lines and the standing ones."""
    kinds = {line.kind for line in in_force(profile.name, ())}
    assert kinds >= {line.kind for line in profile.thresholds} | {"unreachable", "unknown"}
