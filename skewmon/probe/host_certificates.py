"""Refused certificates of host keys: expired, not yet valid, for another name, or of another authority.

None of these is a changed host key, and ``ssh-keygen -R`` cures none of them.
"""

import time
from typing import Any

import asyncssh
from asyncssh.public_key import CERT_TYPE_HOST, decode_ssh_certificate

from skewmon.errors import ConnectError, Reason
from skewmon.model import NS_PER_S, SshSettings
from skewmon.probe.host_keys import Known
from skewmon.text import harmless, names, span, utc

#: Names in a message; a certificate may list every alias of a machine.
MAX_PRINCIPALS = 3

#: Characters of such a name; none in the DNS is longer.
NAME_LENGTH = 255


def certificate_error(
    shown: bytes, known: Known, name: str, address: str, ssh: SshSettings
) -> ConnectError | None:
    """Return the reason for which a server's certificate was refused; None if it showed no certificate."""
    try:
        certificate: Any = decode_ssh_certificate(shown)
    except asyncssh.KeyImportError:
        return None
    if certificate.is_x509_chain or certificate.signing_key not in known.authorities:
        return _other_authority(certificate, name, ssh)
    now_s = time.time()
    if now_s < certificate._valid_after:  # noqa: SLF001  # asyncssh publishes no dates
        return _not_yet_valid(name, certificate._valid_after, now_s)  # noqa: SLF001
    if now_s >= certificate._valid_before:  # noqa: SLF001
        return _expired(name, certificate._valid_before, now_s)  # noqa: SLF001
    return ConnectError(
        Reason.HOST_CERTIFICATE_UNUSABLE,
        *_unusable(certificate, known, name, (ssh.host_key_alias or address).lower()),
    )


def _unusable(certificate: Any, known: Known, name: str, alias: str) -> tuple[str, str]:
    """Return detail and advice for a certificate of a trusted authority whose dates are right."""
    sign = f"ssh-keygen -s CA_KEY -h -I {alias} -n {alias} /etc/ssh/ssh_host_ed25519_key.pub"
    if not {certificate.signing_key, certificate.key}.isdisjoint(known.revoked):
        return (
            f"A @revoked line of known_hosts has the key of {name}'s host certificate, or its authority's.",
            f"Find out why it was revoked; then make a new host key on {name} and let it be signed.",
        )
    if certificate._cert_type != CERT_TYPE_HOST:  # noqa: SLF001
        return (
            f"{name} shows a user certificate as its host certificate.",
            f"Sign its host key with ssh-keygen -h: {sign}",
        )
    principals = names([str(one)[:NAME_LENGTH] for one in certificate.principals], MAX_PRINCIPALS)
    detail = (
        f"The host certificate of {name} is for {harmless(principals)}, and not for {alias}, the name by "
        "which skewmon reaches it."
    )
    return (
        detail,
        f"Sign its host key for that name, too: {sign}; or set ssh.host_key_alias (HostKeyAlias).",
    )


def _not_yet_valid(name: str, valid_after_s: int, now_s: float) -> ConnectError:
    ahead = span(round((valid_after_s - now_s) * NS_PER_S))
    return ConnectError(
        Reason.HOST_CERTIFICATE_NOT_YET_VALID,
        f"The host certificate of {name} is not valid before {_date(valid_after_s)}, {ahead} from now by the "
        f"clock of this machine ({_date(now_s)}). One of two clocks is wrong: this machine's is behind, or "
        "that of the authority was ahead when it signed.",
        "Compare this machine's clock with another one: date -u. If it is right, compare the clock of the "
        "authority, then sign the host key again. The key in known_hosts is right: remove nothing.",
    )


def _expired(name: str, valid_before_s: int, now_s: float) -> ConnectError:
    ago = span(round((now_s - valid_before_s) * NS_PER_S))
    return ConnectError(
        Reason.HOST_CERTIFICATE_EXPIRED,
        f"The host certificate of {name} expired at {_date(valid_before_s)}, {ago} ago by the clock of this "
        f"machine ({_date(now_s)}).",
        f"Let the authority sign the host key of {name} again, and reload its sshd. If that date is still to "
        "come, this machine's clock is ahead: date -u.",
    )


def _other_authority(certificate: Any, name: str, ssh: SshSettings) -> ConnectError:
    signer = getattr(certificate, "signing_key", None)
    by = f"signed by {signer.get_fingerprint()}" if signer else "of X.509"
    return ConnectError(
        Reason.HOST_CERTIFICATE_UNUSABLE,
        f"{name} shows a host certificate {by}, which no @cert-authority line for it in "
        f"{', '.join(ssh.known_hosts)} trusts.",
        "Compare the authority's key over a trusted path (ssh-keygen -Lf /etc/ssh/ssh_host_*-cert.pub on the "
        "node), then add it to known_hosts as @cert-authority.",
    )


def _date(instant_s: float) -> str:
    """Return an instant as UTC; a date beyond the calendar's end as such."""
    try:
        return utc(round(instant_s) * NS_PER_S)
    except (OverflowError, ValueError, OSError):
        return "a date beyond the year 9999"
