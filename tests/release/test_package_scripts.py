"""The scripts of the Debian package, with a systemctl that fails."""

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "config/debian"


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("postinst", ("configure", "0.1.0"), "journalctl -u skewmon"),
        ("prerm", ("remove",), ""),
        ("postrm", ("remove",), ""),
    ],
)
def test_a_service_that_cannot_start_or_stop_does_not_stop_dpkg(tmp_path, script, arguments, message):
    """Such as one whose configuration is refused after an upgrade, or one that is masked."""
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n[ "$1" = daemon-reload ]\n')
    systemctl.chmod(0o755)
    text = (SCRIPTS / script).read_text().replace("/run/systemd/system", str(tmp_path))
    done = subprocess.run(
        ["sh", "-c", text, script, *arguments],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert message in done.stderr
    assert (tmp_path / "calls").read_text()
