"""The meaning of a valid file; any other text ends in a reported fault."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.alert.profiles import PROFILES
from skewmon.config.loader import load, loads
from skewmon.config.schema import Config, NodeSpec
from skewmon.config.validation_errors import known_keys
from skewmon.errors import ConfigError, Fault
from skewmon.model import Threshold

HERE = Path(__file__).parent
NODES = "nodes: [n1]"


def cluster(extra: str) -> object:
    """Return the only cluster of a small configuration."""
    return loads(f"clusters:\n  etcd:\n    nodes: [n1]\n    {extra}\n", "f.yml").clusters["etcd"]


def test_the_least_file_has_every_default() -> None:
    """Design's defaults, one by one."""
    config = loads("clusters: {etcd: {nodes: [n1]}}", "f.yml")
    spec = config.clusters["etcd"]
    assert config.web.listen == "127.0.0.1:10061"
    assert config.web.config_file is None
    assert config.export.pairs == "auto"
    assert (spec.interval_ns, spec.status_interval_ns, spec.samples) == (15 * 10**9, 60 * 10**9, "auto")
    assert [(line.severity, line.kind, line.limit_ns) for line in spec.lines] == [
        ("warning", "skew", 50_000_000),
        ("critical", "skew", 1_000_000_000),
        ("warning", "step", 50_000_000),
        ("warning", "unreachable", 0),
        ("warning", "unsynchronized", 0),
        ("warning", "unknown", 0),
    ]


@pytest.mark.parametrize(
    ("written", "threshold"),
    [
        ("{severity: warning, skew: 500ms, for: 1m}", Threshold("warning", 500_000_000, "skew", 60.0, 60.0)),
        ("{severity: critical, ahead: 1s, clear_for: 0s}", Threshold("critical", 10**9, "ahead", 0.0, 0.0)),
        ("{severity: critical, behind: 1us}", Threshold("critical", 1000, "behind", 0.0, 60.0)),
        ("{severity: warning, step: 128ms}", Threshold("warning", 128_000_000, "step", 0.0, 60.0)),
        ("{severity: critical, utc: 50ms}", Threshold("critical", 50_000_000, "utc", 0.0, 60.0)),
        ("{severity: warning, drift: 100ppm}", Threshold("warning", 100_000, "drift", 0.0, 60.0)),
        ("{severity: warning, drift: 0.5ppm}", Threshold("warning", 500, "drift", 0.0, 60.0)),
        ("{severity: warning, unsynchronized: true}", Threshold("warning", 0, "unsynchronized", 0.0, 60.0)),
        ("{severity: warning, unreachable: true}", Threshold("warning", 0, "unreachable", 0.0, 60.0)),
    ],
)
def test_a_threshold_means_this(written: str, threshold: Threshold) -> None:
    """Durations become nanoseconds, ppm become parts per billion, switches have no limit."""
    assert cluster(f"thresholds: [{written}]").own_lines == (threshold,)


def test_lines_on_states_alone_leave_the_default_lines_standing() -> None:
    """An alert about unreachable nodes does not cover wrong clocks."""
    default = set(PROFILES["default"].thresholds)
    assert set(cluster("thresholds: [{severity: warning, unreachable: true}]").lines) > default
    assert default.isdisjoint(cluster("thresholds: [{severity: warning, skew: 5ms}]").lines)


def test_a_line_of_ones_own_replaces_that_of_the_profile() -> None:
    """Same kind and severity: the nearer one counts; the others of the profile stay."""
    profile = PROFILES["default"].thresholds
    lines = cluster("profile: default\n    thresholds: [{severity: warning, skew: 5ms}]").lines
    assert [(line.severity, line.limit_ns) for line in lines if line.kind == "skew"] == [
        ("warning", 5_000_000),
        ("critical", profile[1].limit_ns),
    ]


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory that skewmon was started in does not matter; ~ is the home; credentials stay."""
    monkeypatch.setenv("HOME", "/home/someone")
    path = tmp_path / "skewmon.yml"
    path.write_text(
        "ssh: {identity: [keys/id, ~/id, /abs/id, 'credential:id'], known_hosts: kh}\n"
        f"clusters: {{etcd: {{{NODES}}}}}\n"
    )
    config = load(str(path))
    assert config.ssh.identity == (f"{tmp_path}/keys/id", "/home/someone/id", "/abs/id", "credential:id")
    assert config.ssh.known_hosts == (f"{tmp_path}/kh",)


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"STATE_DIRECTORY": "/var/lib/skewmon"}, "/var/lib/skewmon"),
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, "/var/lib/a"),
        ({"XDG_STATE_HOME": "/x"}, "/x/skewmon"),
        ({"XDG_STATE_HOME": "relative"}, "/home/u/.local/state/skewmon"),
        ({}, "/home/u/.local/state/skewmon"),
    ],
)
def test_the_state_directory_follows_its_surroundings(
    environment: dict[str, str], directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of systemd takes precedence over the XDG state home."""
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/u")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert loads(f"clusters: {{etcd: {{{NODES}}}}}", "f.yml").state_directory == directory


def test_anchors_and_aliases_serve_as_they_should() -> None:
    """A list may be written once and used twice."""
    config = loads("clusters: {a: {nodes: &n [n1, n2]}, b: {nodes: *n}}", "f.yml")
    assert config.clusters["a"].nodes == config.clusters["b"].nodes == ("n1", "n2")


def test_names_are_free_as_long_as_they_print() -> None:
    """Umlauts, spaces and slashes are the user's business."""
    config = loads("clusters: {'Zürich / Rack 1': {nodes: [{name: Knöten 1, address: n1}]}}", "f.yml")
    (entry,) = config.clusters["Zürich / Rack 1"].nodes
    assert isinstance(entry, NodeSpec)
    assert (entry.name, entry.address) == ("Knöten 1", "n1")


def test_a_configuration_cannot_be_changed() -> None:
    """A reload makes a new one."""
    config = loads(f"clusters: {{etcd: {{{NODES}}}}}", "f.yml")
    with pytest.raises(ValueError, match="frozen"):
        config.export = None


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_KEYS = st.sampled_from(sorted(known_keys(()) | known_keys(("clusters", "etcd")))) | st.text(max_size=6)
_TREES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=25,
)
_SIGNS = [
    *"abn019:-,[]{}&*!|>'\"%@`#?~<=.\\ \n\t\r\0é\u2028\ud800\ufeff",
    "<<",
    "---",
    "...",
    "!!",
    "*a",
    "&a ",
]
_MARKUP = st.lists(st.sampled_from(_SIGNS), max_size=60).map("".join)


@settings(deadline=None)
@given(st.text(max_size=200) | _MARKUP | st.tuples(_KEYS, _MARKUP).map(": ".join))
def test_any_text_is_a_configuration_or_a_told_fault(text: str) -> None:
    """Nothing but ConfigError comes out, and every fault can be printed."""
    told_or_usable(text)


@settings(deadline=None)
@given(_TREES | st.dictionaries(_KEYS, _TREES, max_size=5), st.booleans())
def test_any_structure_is_a_configuration_or_a_told_fault(tree: object, flow: bool) -> None:
    """The same for YAML that is well formed and means nothing."""
    told_or_usable(yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True))


def test_an_unprintable_character_stays_out_of_the_hint() -> None:
    """Found by the property above: it was repeated in the advice to write a list."""
    told_or_usable("clusters: {etcd: {nodes: \ud7fc}}")


def told_or_usable(text: str) -> None:
    """Load a text and check the outcome."""
    faults: tuple[Fault, ...] = ()
    try:
        assert isinstance(loads(text, "f.yml"), Config)
    except ConfigError as error:
        faults = error.faults or (Fault(""),)
    for fault in faults:
        assert fault.message
        assert str(fault).isprintable()


def test_ten_thousand_nodes_load_in_seconds() -> None:
    """One a line, as a generator would write them."""
    nodes = "\n".join(f"      - node{number}.example.com" for number in range(10_000))
    before = os.times().user
    assert len(loads(f"clusters:\n  big:\n    nodes:\n{nodes}\n", "f.yml").clusters["big"].nodes) == 10_000
    assert os.times().user - before < 20
