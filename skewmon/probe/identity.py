"""The keys that skewmon offers: from files, from a systemd credential, from the agent."""

import asyncio
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import asyncssh

from skewmon.errors import ConfigError, ConnectError, Reason
from skewmon.model import SshSettings
from skewmon.probe.exhaustion import out_of_files
from skewmon.runtime.files import read_bytes

#: Parsing an RSA key costs tens of milliseconds with OpenSSL 3, so each file is parsed once per modification.
CACHED_KEYS = 256

#: An RSA key of 16,384 bits is 12 KB of text.
KEY_BYTES_MAX = 64 * 1024

#: How long the agent may take to list its keys; a forwarded agent whose far end is gone would hang for ever.
AGENT_TIMEOUT_S = 5.0


@dataclass
class Identity:
    """What is offered to a server, and the agent that must stay connected while it is."""

    keys: list[asyncssh.SSHKeyPair | asyncssh.SSHKey]
    certificates: list[asyncssh.SSHCertificate]
    agent: asyncssh.SSHAgentClient | None = None

    @property
    def has_rsa(self) -> bool:
        """Whether an RSA key is among them."""
        return any(key.algorithm.startswith(b"ssh-rsa") for key in self.keys)

    def close(self) -> None:
        """Let go of the agent."""
        if self.agent:
            self.agent.close()


async def load(ssh: SshSettings) -> Identity:
    """Return the keys for one connection, files first.

    Raises ConnectError (key-unusable) where none can be used. A key that needs a passphrase is passed over:
    skewmon asks nobody; such keys come from the agent.
    """
    keys: list[asyncssh.SSHKeyPair | asyncssh.SSHKey] = []
    faults: list[str] = []
    for path in ssh.identities:
        try:
            keys.append(_read(path, _modified_ns(path)))
        except ConfigError as error:
            if lack := out_of_files(error):
                raise lack from None
            faults.append(str(error))
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
            locked = "passphrase" in str(error).lower()
            faults.append(f"{path} needs a passphrase" if locked else f"{path}: {error}")
    identity = Identity(keys, _certificates(ssh))
    path = ssh.agent_socket or os.environ.get("SSH_AUTH_SOCK", "")
    if ssh.agent and path:
        await _add_agent(identity, path, ssh, faults)
    if not identity.keys:
        raise ConnectError(
            Reason.KEY_UNUSABLE,
            f"No key can be used: {'; '.join(faults)}."
            if faults
            else "No key is configured and none was found.",
            "Name one with --identity or ssh.identity, or load it into the agent with ssh-add.",
        )
    return identity


async def _add_agent(identity: Identity, path: str, ssh: SshSettings, faults: list[str]) -> None:
    agent: asyncssh.SSHAgentClient | None = None
    try:
        async with asyncio.timeout(AGENT_TIMEOUT_S):
            agent = await asyncssh.connect_agent(path)
            offered = await agent.get_keys()
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        if agent:
            agent.close()
        if lack := out_of_files(error):
            raise lack from None
        faults.append(f"the agent at {path} does not answer{f': {error}' if str(error) else ''}")
        return
    if ssh.identities_only:
        named = {public for path in ssh.identities if (public := _public_half(path))}
        offered = [key for key in offered if key.public_data in named]
    identity.keys += offered
    identity.agent = agent


def _certificates(ssh: SshSettings) -> list[asyncssh.SSHCertificate]:
    """Return the certificates of the settings and, like ssh, those beside the identities."""
    found: list[asyncssh.SSHCertificate] = []
    for path in (*ssh.certificates, *(f"{identity}-cert.pub" for identity in ssh.identities)):
        try:
            found.append(asyncssh.import_certificate(read_bytes(path, KEY_BYTES_MAX, wait_s=0)))
        except ConfigError as error:
            if lack := out_of_files(error):
                raise lack from None
        except asyncssh.KeyImportError:
            pass  # ssh, too, passes over certificates that it cannot read
    return found


def _public_half(path: str) -> bytes | None:
    """Return the public key of an identity, from the file beside it or from the identity itself."""
    for public in (f"{path}.pub", path):
        try:
            return asyncssh.import_public_key(read_bytes(public, KEY_BYTES_MAX, wait_s=0)).public_data
        except ConfigError as error:
            if lack := out_of_files(error):
                raise lack from None
        except asyncssh.KeyImportError:
            pass
    return None


def _modified_ns(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # reading it will say why
        return 0


@lru_cache(maxsize=CACHED_KEYS)
def _read(path: str, _stamp_ns: int) -> asyncssh.SSHKey:
    return asyncssh.import_private_key(read_bytes(path, KEY_BYTES_MAX, wait_s=0))
