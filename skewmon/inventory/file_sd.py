"""Nodes from Prometheus' target files: JSON or YAML, globs allowed."""

import asyncio
import glob

from skewmon.config.limits import MAX_FILE_BYTES
from skewmon.config.schema import SourceSpec
from skewmon.config.yaml_positions import parse
from skewmon.errors import ConfigError, InventoryError
from skewmon.inventory.settings import Context
from skewmon.inventory.target_groups import nodes_of
from skewmon.model import Node, SshSettings
from skewmon.runtime.files import read_text

#: A glob that matches more than this was meant for something else.
MAX_FILES = 1_000


async def read(spec: SourceSpec, context: Context) -> list[Node]:
    """Return the nodes of every file that the glob matches; parsing runs beside the loop."""
    assert spec.file_sd is not None
    return await asyncio.to_thread(_read_all, spec.file_sd, context.ssh)


def _read_all(pattern: str, ssh: SshSettings) -> list[Node]:
    """Return the nodes of all files, in the order of their names."""
    paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
    if not paths:
        raise InventoryError(f"no file matches {pattern}")
    if len(paths) > MAX_FILES:
        raise InventoryError(f"{pattern} matches {len(paths)} files; at most {MAX_FILES} are allowed")
    return [node for path in paths for node in _read_one(path, ssh)]


def _read_one(path: str, ssh: SshSettings) -> list[Node]:
    """Return the nodes of one file."""
    try:
        # JSON is YAML. Faults are ignored: words such as `yes` in labels are legal in files of other tools.
        document = parse(read_text(path, MAX_FILE_BYTES), path)
        return nodes_of(document.value, ssh)
    except ConfigError as error:
        raise InventoryError(str(error)) from None
    except InventoryError as error:
        raise InventoryError(f"{path}: {error}") from None
