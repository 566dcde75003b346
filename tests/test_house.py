"""What CONTRIBUTING says of the house is what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_listing_names_every_part_of_the_package() -> None:
    """Each module and package below skewmon/ once; none that is gone."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listing = "\n".join(line for line in text.splitlines() if re.match(r"    \w+(\.py|/) ", line))
    named = re.findall(r"[\w*]+(?:\.py|/)(?=\s)", listing)
    parts = [part for name in named for part in (ROOT / "skewmon").glob(name)]
    there = {
        path
        for path in (ROOT / "skewmon").iterdir()
        if (path.suffix == ".py" and not path.name.startswith("__")) or (path / "__init__.py").exists()
    }
    assert sorted(parts) == sorted(there)
