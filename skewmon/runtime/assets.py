"""The files that are shipped beside the program: unit, rules, dashboards, examples, runbook."""

from importlib import resources
from pathlib import Path

#: Directories of the repository that the wheel carries as ``skewmon/assets`` (pyproject.toml).
DIRECTORIES = ("config", "systemd", "docs")


def directory() -> Path:
    """Return the directory that holds ``DIRECTORIES``: of the installed package, else of the checkout."""
    package = Path(str(resources.files("skewmon")))
    installed = package / "assets"
    return installed if installed.is_dir() else package.parent
