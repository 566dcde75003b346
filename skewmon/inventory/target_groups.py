"""Prometheus' lists of target groups, as files and servers give them: ``[{targets: […], labels: {…}}]``."""

from skewmon.config.targets import check_host, check_user
from skewmon.errors import InventoryError, echoed
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import with_login
from skewmon.model import Node, SshSettings

#: Labels with the login. Prometheus drops labels that start with __, so one list serves both.
USER_LABEL = "__ssh_user"
PORT_LABEL = "__ssh_port"

_EXPECTED = "expected groups such as {targets: [host:port], labels: {}}"


def add_groups(listing: Listing, groups: object, ssh: SshSettings, place: str = "") -> None:
    """Add the targets of a document to a listing; ``place`` stands before the reason of a rejected one.

    Raise InventoryError if the document is not a list of groups. The port of a target is that of an exporter
    and not of sshd, so it is dropped.
    """
    if not isinstance(groups, list | tuple):
        raise InventoryError(f"{place}expected a list of target groups")
    for number, group in enumerate(groups, start=1):
        targets = group.get("targets") if isinstance(group, dict) else None
        labels = group.get("labels") or {} if isinstance(group, dict) else {}
        if not isinstance(targets, list | tuple) or not isinstance(labels, dict):
            listing.reject(f"group {number}", f"{place}group {number}: {_EXPECTED}")
            continue
        _add_targets(listing, targets, labels, ssh, place)


def _add_targets(
    listing: Listing,
    targets: list[object] | tuple[object, ...],
    labels: dict[str, object],
    ssh: SshSettings,
    place: str,
) -> None:
    """Add the targets of one group; a label that cannot be used rejects all of them."""
    try:
        login = _login(labels, ssh)
    except ValueError as error:
        for target in targets:
            listing.reject(target, f"{place}{error}")
        return
    for target in targets:
        with listing.entry(target, place):
            host = _host(target)
            listing.nodes.append(Node(host, host, login))


def _login(labels: dict[str, object], ssh: SshSettings) -> SshSettings:
    """Return the settings with the user and the port of the labels."""
    user, port = _user(labels.get(USER_LABEL)), labels.get(PORT_LABEL)
    if port is None:
        return with_login(ssh, user, None)
    digits = str(port)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or not 1 <= int(digits) <= 65535:
        raise ValueError(f"the label {PORT_LABEL} is not a port")
    return with_login(ssh, user, int(digits))


def _user(label: object) -> str | None:
    """Return the user that a label names."""
    if label is None:
        return None
    try:
        return check_user(label if isinstance(label, str) else "")
    except ValueError as error:
        raise ValueError(f"the label {USER_LABEL} is not a user name: {error}") from None


def _host(target: object) -> str:
    """Return the host of a target ``host:port``."""
    if not isinstance(target, str):
        raise ValueError(f"expected a target such as host:9100, found {echoed(target)}")  # noqa: TRY004  see Listing.entry
    if "://" in target:
        raise ValueError(f"expected a target such as host:9100, found the URL {echoed(target)}")
    host, colon, port = target.rpartition(":")
    if not colon or not port.isdigit() or (":" in host and not (host.startswith("[") and host.endswith("]"))):
        host = target
    return check_host(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
