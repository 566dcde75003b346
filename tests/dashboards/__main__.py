"""Write the dashboards, or with ``--check`` fail if the shipped ones differ."""

import argparse
import sys

from tests.dashboards import FOLDER, files


def main() -> int:
    """Return 1 if a shipped dashboard differs and may not be written."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [name for name, text in files().items() if not _is(name, text)]
    for name in stale:
        if not check:
            (FOLDER / name).write_text(files()[name], encoding="utf-8")
        print(f"{FOLDER / name}: {'differs' if check else 'written'}")
    return int(check and bool(stale))


def _is(name: str, text: str) -> bool:
    path = FOLDER / name
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
