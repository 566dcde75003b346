"""The keys that skewmon offers: from files, from a systemd credential, from the agent, with certificates."""

import asyncio
import copy
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.public_key import decode_ssh_certificate

from skewmon.errors import ConfigError, ConnectError, Reason
from skewmon.model import NS_PER_S, SshSettings
from skewmon.probe.exhaustion import out_of_files
from skewmon.runtime.files import read_bytes
from skewmon.text import utc

#: Parsing an RSA key costs tens of milliseconds with OpenSSL 3, so each file is parsed once per modification.
CACHED_KEYS = 256

#: An RSA key of 16,384 bits is 12 KB of text.
KEY_BYTES_MAX = 64 * 1024

#: How long the agent may take to list its keys; a forwarded agent whose far end is gone would hang for ever.
AGENT_TIMEOUT_S = 5.0

#: Algorithms of keys on a security token. Most of these keys wait for a touch at every login.
TOKEN_KEYS = (b"sk-", b"webauthn-sk-")


@dataclass
class Identity:
    """The keys that are offered to a server, and the agent that must stay connected meanwhile."""

    keys: list[asyncssh.SSHKeyPair] = field(default_factory=list)
    certificates: list[asyncssh.SSHCertificate] = field(default_factory=list)
    agent: asyncssh.SSHAgentClient | None = None

    @property
    def has_rsa(self) -> bool:
        """Whether an RSA key is among them."""
        return any(key.algorithm.startswith(b"ssh-rsa") for key in self.keys)

    @property
    def has_token(self) -> bool:
        """Whether a key on a security token is among them."""
        return any(_on_token(key) for key in self.keys)

    @property
    def invalid_certificate(self) -> str:
        """Why a certificate is refused by every server whose clock agrees with this machine's, or nothing."""
        now_s = time.time()
        for certificate in self.certificates:
            after_s, before_s = (getattr(certificate, f"_valid_{end}", None) for end in ("after", "before"))
            if before_s is not None and now_s >= before_s:
                return f"the user certificate expired at {utc(before_s * NS_PER_S)}"
            if after_s is not None and now_s < after_s:
                return f"the user certificate is not valid before {utc(after_s * NS_PER_S)}"
        return ""

    def add(self, pairs: Iterable[asyncssh.SSHKeyPair]) -> None:
        """Offer these keys, too, each once: a server counts every offer against MaxAuthTries."""
        offered = {key.public_data for key in self.keys}
        self.keys += [pair for pair in pairs if pair.public_data not in offered]

    def close(self) -> None:
        """Close the connection to the agent."""
        if self.agent:
            self.agent.close()


async def load(ssh: SshSettings) -> Identity:
    """Return the keys for one connection: of files, then the named ones of the agent, then its others.

    Raises ConnectError (key-unusable) if none can be used. A key that needs a passphrase is passed over, for
    skewmon asks no questions; such keys come from the agent.
    """
    faults: list[str] = []
    identity = Identity(certificates=_certificates(ssh))
    for path in ssh.identities:
        try:
            key = _read(path, _modified_ns(path))
            if key.algorithm.startswith(TOKEN_KEYS):
                faults.append(f"{path} is of a security token, which waits for a touch")
                continue
            identity.add(asyncssh.load_keypairs([key], certlist=identity.certificates))
        except ConfigError as error:
            if lack := out_of_files(error):
                raise lack from None
            faults.append(str(error))
        except (asyncssh.KeyEncryptionError, asyncssh.KeyImportError) as error:
            locked = "passphrase" in str(error).lower()
            faults.append(f"{path} needs a passphrase" if locked else f"{path}: {error}")
    path = ssh.agent_socket or os.environ.get("SSH_AUTH_SOCK", "")
    if ssh.agent and path:
        await _add_agent(identity, path, ssh, faults)
    if not identity.keys:
        identity.close()
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
            held = await agent.get_keys()
        identity.agent = agent
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        if lack := out_of_files(error):
            raise lack from None
        faults.append(f"the agent at {path} does not answer{f': {error}' if str(error) else ''}")
        return
    finally:  # the login may be given up while the agent is asked
        if agent is not None and identity.agent is None:
            agent.close()
    wanted = _in_order(held, ssh)
    identity.add(pair for key in wanted for pair in _with_certificates(key, identity.certificates))
    if held and not wanted:
        of_tokens = not ssh.identities_only and all(_on_token(key) for key in held)
        faults.append(
            f"the agent at {path} has only keys on security tokens, which wait for a touch"
            if of_tokens
            else f"none of the {len(held)} keys in the agent at {path} belongs to an identity that is named"
        )


def _in_order(held: Sequence[asyncssh.SSHKeyPair], ssh: SshSettings) -> list[asyncssh.SSHKeyPair]:
    """Return the agent's keys in the order of use: named ones, then others, then named ones on tokens.

    A key on a token may wait for a touch until the login times out, so it is used only if it is named.
    """
    named = {public for path in ssh.identities if (public := _public_half(path))}
    first = [key for key in held if _plain(key) in named]
    rest = [] if ssh.identities_only else [key for key in held if key not in first and not _on_token(key)]
    return [
        *(key for key in first if not _on_token(key)),
        *rest,
        *(key for key in first if _on_token(key)),
    ]


def _on_token(key: asyncssh.SSHKeyPair) -> bool:
    return key.algorithm.startswith(TOKEN_KEYS)


def _plain(key: asyncssh.SSHKeyPair) -> bytes:
    """Return the public key of an agent's key, which may be listed by its certificate."""
    if not key.has_cert:
        return key.public_data
    try:
        return decode_ssh_certificate(key.public_data).key.public_data
    except asyncssh.KeyImportError:
        return key.public_data


def _with_certificates(
    key: asyncssh.SSHKeyPair, certificates: Iterable[asyncssh.SSHCertificate]
) -> Iterator[asyncssh.SSHKeyPair]:
    """Yield an agent's key once with each of its certificates in files, and by itself."""
    for certificate in certificates:
        if certificate.key.public_data == key.public_data:
            certified: Any = copy.copy(key)
            certified.set_certificate(certificate)
            yield certified
    yield key


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
