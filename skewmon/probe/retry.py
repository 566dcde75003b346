"""When a node or a relay that failed is tried again, and when a node is reached around its relay."""

from skewmon.errors import Failed, Reason
from skewmon.runtime.backoff import Backoff

#: The first wait after a failed connection, doubled up to the limit. It is short, because most failures
#: are a restart of sshd.
BACKOFF = Backoff(first_s=1.0, limit_s=60.0)

#: After a refused key, a refused host key or a flood: nothing changes until a person acts. OpenSSH 9.8's
#: PerSourcePenalties ban an address that keeps failing for up to ten minutes, and each flood costs as much.
BACKOFF_REFUSED = Backoff(first_s=30.0, limit_s=600.0)

#: Until a machine is tried again that runs no relay, no command at all, or refuses the login: a person has to
#: change that, and a ban of OpenSSH would also be one of the nodes behind it.
BACKOFF_LASTING = Backoff(first_s=60.0, limit_s=600.0)

#: After a relay that ended soon: each one may cost its nodes a round, so the wait grows further.
BACKOFF_UNSTEADY = Backoff(first_s=1.0, limit_s=600.0)

#: A link or a relay that was open this long starts its back-off from the beginning when it ends.
STEADY_S = 60.0

HOST_KEYS = frozenset(
    {
        Reason.HOST_KEY_CHANGED,
        Reason.HOST_KEY_UNKNOWN,
        Reason.HOST_CERTIFICATE_EXPIRED,
        Reason.HOST_CERTIFICATE_NOT_YET_VALID,
        Reason.HOST_CERTIFICATE_UNUSABLE,
    }
)

REFUSED = frozenset(
    {
        Reason.PERMISSION_DENIED,
        Reason.KEY_UNUSABLE,
        Reason.HOST_KEY_CHANGED,
        Reason.HOST_KEY_UNKNOWN,
        Reason.FLOOD,
        Reason.SSH_CONFIG_UNUSABLE,
    }
)

LASTING = REFUSED | {Reason.NO_PROGRAM, Reason.SESSION_REFUSED, Reason.GARBLED_REPLY}

#: A host key that only the far end of a relay shows may be that of a machine in the middle: nothing leads
#: around it. The others would be the same without the relay.
NO_DETOUR = HOST_KEYS | {Reason.NO_COMMON_ALGORITHM, Reason.KEY_UNUSABLE, Reason.FLOOD}


def after_node(failure: Failed | None) -> Backoff:
    """Return the pauses before a node is tried again."""
    return BACKOFF_REFUSED if failure is not None and failure.reason in REFUSED else BACKOFF


def after_vantage(failed: Reason | None) -> Backoff:
    """Return the pauses before a vantage, or the way of one node through it, is tried again."""
    return BACKOFF_LASTING if failed in LASTING else BACKOFF


def has_detour(failed: Reason, *, auto: bool) -> bool:
    """Return whether a node to which a relay did not lead, for this reason, may be reached around it.

    The vantage that ``auto`` chooses is the last bastion: a key that a node refuses to the relay it also
    refuses to the bastion, since both connect from one address.
    """
    return failed not in NO_DETOUR and not (auto and failed is Reason.PERMISSION_DENIED)
