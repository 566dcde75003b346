"""The JSON contract, field for field."""

import json
from pathlib import Path

import jsonschema
import pytest

from skewmon.export.status import encode, overall_verdict, status, summary
from skewmon.model import Snapshot, Verdict
from tests.export import samples
from tests.export.samples import EVERY_SAMPLE

SCHEMA = Path(__file__).parents[2] / "docs" / "status.schema.json"


def decoded(snapshot: Snapshot) -> dict[str, object]:
    """Return the document as a client of the API reads it; NaN and the like are refused."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(encode(status(snapshot)).decode(), parse_constant=refuse)


@pytest.fixture(scope="module")
def schema() -> jsonschema.protocols.Validator:
    """Return the published schema, checked itself."""
    text = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(text)
    return jsonschema.Draft202012Validator(text)


@pytest.mark.parametrize("build", [*EVERY_SAMPLE, samples.thousand], ids=lambda build: build.__name__)
def test_every_document_obeys_the_published_schema(build: object, schema: object) -> None:
    """The schema admits no unknown and misses no promised field."""
    assert [error.message for error in schema.iter_errors(decoded(build()))] == []


def test_the_schema_is_strict(schema: object) -> None:
    """A field more or less, or a string for a number, is refused."""
    document = decoded(samples.jumped())
    document["clusters"][0]["nodes"][0]["offset"]["seconds"] = "1"
    document["clusters"][0]["nodes"][1]["surprise"] = 1
    del document["clusters"][0]["nodes"][2]["steps"]
    assert len(list(schema.iter_errors(document))) == 3


def test_a_jump_reads_as_designed() -> None:
    """The head of the document names verdict, proven skew, worst pair and culprit."""
    document = decoded(samples.jumped())
    (cluster,) = document["clusters"]
    assert document["schema"] == 1
    assert document["time"] == "2026-11-22T12:39:47.123456Z"
    assert document["verdict"] == cluster["verdict"] == "critical"
    assert cluster["skew"] == pytest.approx({"seconds": 70.000012, "lower": 69.999932, "upper": 70.000092})
    pair = cluster["worst_pair"]
    assert (pair["node"], pair["peer"]) == ("etcd3", "etcd1")
    assert pair["seconds"] == pytest.approx(70.000012)
    assert cluster["culprits"] == ["etcd3"]
    assert cluster["culprit_verdict"] == "named"
    assert cluster["round"] == {
        "at": "2026-11-22T12:39:47.123456Z",
        "duration_seconds": 0.8,
        "nodes": 3,
        "measured": 3,
    }
    assert cluster["nodes"][2]["findings"][0]["next"] == "ssh etcd3.example.com chronyc -n sources"
    assert cluster["pairs"][-1] == {
        "node": "etcd1",
        "peer": "etcd2",
        "seconds": -15e-6,
        "lower": -95e-6,
        "upper": 65e-6,
        "verdict": "ok",
    }


def test_an_unreachable_node_has_a_reason_and_advice() -> None:
    """Nothing measured is null; reason, detail and advice are there."""
    node = decoded(samples.silent())["clusters"][0]["nodes"][2]
    assert node["measured"] is False
    assert node["reason"] == "no-answer"
    assert node["detail"].endswith("Check that the machine is up and that the firewall admits the admin box.")
    assert [node[name] for name in ("probe", "offset", "admin_offset", "round_trip_seconds", "timesync")] == [
        None
    ] * 5


def test_the_worst_verdict_speaks_for_all() -> None:
    """Critical outranks warning, then unknown, then ambiguous; without clusters the verdict is unknown."""
    assert overall_verdict(Snapshot(0)) is Verdict.UNKNOWN
    views = [*samples.healthy().clusters]
    for build, expected in (
        (samples.ambiguous, Verdict.AMBIGUOUS),
        (samples.silent, Verdict.UNKNOWN),
        (samples.jumped, Verdict.CRITICAL),
    ):
        views += build().clusters
        assert overall_verdict(samples.snapshot(*views)) is expected


def test_the_summary_is_the_document_without_its_bulk() -> None:
    """A stream sends the heads of the clusters, in the same words."""
    short, whole = summary(samples.thousand()), status(samples.thousand())
    for bulk in ("nodes", "pairs", "findings", "thresholds", "interval_seconds", "axis", "vantages"):
        del whole["clusters"][0][bulk]
    del whole["references"]
    assert short == whole
    assert len(encode(short)) < 1_000


def test_a_forecast_has_both_ends_of_every_threshold_and_the_discipline() -> None:
    """Numbers for machines, the sentence for people; no forecast if the direction is uncertain."""
    still, drifting = (node["forecast"] for node in decoded(samples.breaching())["clusters"][0]["nodes"])
    assert still is None
    assert drifting == {
        "direction": "ahead",
        "discipline": "free",
        "thresholds": [
            {"seconds": 0.05, "earliest_seconds": 100.0, "latest_seconds": 200.0},
            {"seconds": 1.0, "earliest_seconds": 4850.0, "latest_seconds": 9700.0},
        ],
        "message": "Nothing steers this clock: at its rate it passes 50 ms ahead "
        "between 100 s and 4 min from now, 1 s ahead between 80 min and 3 h from now.",
    }
