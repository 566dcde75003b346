"""The source of the shipped Grafana dashboards; ``python -m tests.dashboards`` writes them."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tests.dashboards import node, overview

FOLDER = Path(__file__).parents[2] / "config" / "grafana"


def files() -> dict[str, str]:
    """Return the text of each dashboard by its file name."""
    return {
        f"{dashboard.uid}.json": json.dumps(dashboard, cls=JSONEncoder, indent=2) + "\n"
        for dashboard in (overview.dashboard(), node.dashboard())
    }
