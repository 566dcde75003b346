"""An admin box whose clock is apart from agreeing nodes: a finding in `check`, and no other verdict."""

import json
import subprocess
import sys
from pathlib import Path

from skewmon.model import NS_PER_S
from tests.fleet.sshd import Fleet

#: A check of three nodes takes two seconds; this is for a busy machine.
TIMEOUT_S = 60.0


def test_check_says_that_the_admin_box_and_the_nodes_disagree(tmp_path: Path) -> None:
    """Three nodes 70 s ahead of this machine agree, so the cluster is in order."""
    with Fleet(3, offsets_ns=(70 * NS_PER_S,) * 3) as fleet:
        config = fleet.write_config(tmp_path / "skewmon.yml")
        check = [sys.executable, "-m", "skewmon", "check", "--config.file", str(config)]
        table, document = (
            subprocess.run(
                [*check, "-o", output], capture_output=True, text=True, check=False, timeout=TIMEOUT_S
            )
            for output in ("table", "json")
        )
    assert table.returncode == document.returncode == 0, table
    assert "The clock of the admin box is at least 69.9" in table.stdout
    assert "behind n1, n2, n3 (3 of 3 nodes)" in table.stdout
    (cluster,) = json.loads(document.stdout)["clusters"]
    assert [finding["kind"] for finding in cluster["findings"]] == ["admin-box-off"]
