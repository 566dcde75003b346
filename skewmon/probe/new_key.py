"""A new private key for skewmon."""

import os
import stat
from pathlib import Path

import asyncssh


def make_key(path: Path) -> None:
    """Write an Ed25519 key that its owner alone can read, and the public half beside it.

    Raises FileExistsError if the file exists.
    """
    key = asyncssh.generate_private_key("ssh-ed25519", comment="skewmon")
    written = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(written, "wb") as file:
        file.write(key.export_private_key())
    public = path.with_suffix(".pub")
    public.write_bytes(key.export_public_key())
    public.chmod(0o644)  # for Ansible, which runs as another user
