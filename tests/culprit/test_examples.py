"""The page docs/measurement.md has the decision table and the worked examples as the code has them."""

from pathlib import Path

import skewmon.culprit
from tests.culprit.examples import blocks

PAGE = (Path(__file__).parents[2] / "docs" / "measurement.md").read_text(encoding="utf-8")


def test_the_page_has_the_decision_table() -> None:
    """Row by row, as the package's docstring has it."""
    rows = [line for line in str(skewmon.culprit.__doc__).splitlines() if line.startswith("|")]
    assert len(rows) > 4
    assert "\n".join(rows) in PAGE


def test_the_page_has_the_examples() -> None:
    """Offsets, counts, verdicts and evidence are those of a run."""
    made = blocks()
    assert len(made) == 5
    for title, lines in made:
        assert f"**{title}.**" in PAGE
        assert "\n".join(f"    {line}" for line in lines) in PAGE
