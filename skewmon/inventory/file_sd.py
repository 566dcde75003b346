"""Nodes from Prometheus' target files: JSON or YAML, globs allowed."""

import asyncio
import glob

from skewmon.config.limits import MAX_FILE_BYTES
from skewmon.config.schema import SourceSpec
from skewmon.config.yaml_positions import parse
from skewmon.errors import ConfigError, InventoryError
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import Context
from skewmon.inventory.target_groups import add_groups
from skewmon.model import SshSettings
from skewmon.runtime.files import read_text

#: A glob that matches more than this was meant for something else.
MAX_FILES = 1_000


async def read(spec: SourceSpec, context: Context) -> Listing:
    """Return the targets of every file that the glob matches; parsing runs in a thread."""
    assert spec.file_sd is not None
    return await asyncio.to_thread(_read_all, spec.file_sd, context.ssh)


def _read_all(pattern: str, ssh: SshSettings) -> Listing:
    """Return the targets of all files, in the order of their names."""
    paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
    if not paths:
        raise InventoryError(f"no file matches {pattern}")
    if len(paths) > MAX_FILES:
        raise InventoryError(f"{pattern} matches {len(paths)} files; at most {MAX_FILES} are allowed")
    listing = Listing()
    for path in paths:
        try:
            # JSON is YAML. Other faults than these are ignored: words such as `yes` in labels are legal for
            # other tools, while a second `targets` in a group would be lost.
            document = parse(read_text(path, MAX_FILE_BYTES), path)
        except ConfigError as error:  # perhaps half written: the last answer of the whole source counts
            raise InventoryError(str(error)) from None
        add_groups(listing, document.value, ssh, f"{path}: ")
        for fault in document.duplicates:
            listing.reject(f"line {fault.line}", str(fault))
    return listing.checked()
