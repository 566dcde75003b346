"""Prometheus' lists of target groups, as files and servers give them: ``[{targets: […], labels: {…}}]``."""

from skewmon.config.targets import check_host, check_user
from skewmon.errors import InventoryError, echoed
from skewmon.inventory.settings import with_login
from skewmon.model import Node, SshSettings

#: Labels that say how to log in. Prometheus drops labels that start with __, so one list serves both.
USER_LABEL = "__ssh_user"
PORT_LABEL = "__ssh_port"


def nodes_of(groups: object, ssh: SshSettings) -> list[Node]:
    """Return the nodes of target groups; raise InventoryError where they are none.

    The port of a target is that of an exporter and says nothing of sshd, so it is not used.
    """
    if not isinstance(groups, list | tuple):
        raise InventoryError("expected a list of target groups")
    nodes = []
    for group in groups:
        targets = group.get("targets") if isinstance(group, dict) else None
        labels = group.get("labels") or {} if isinstance(group, dict) else {}
        if not isinstance(targets, list | tuple) or not isinstance(labels, dict):
            raise InventoryError("expected groups such as {targets: [host:port], labels: {}}")
        login = _login(labels, ssh)
        nodes += [Node(host, host, login) for host in map(_host, targets)]
    return nodes


def _login(labels: dict[str, object], ssh: SshSettings) -> SshSettings:
    """Return the settings with what the labels say of user and port."""
    user, port = _user(labels.get(USER_LABEL)), labels.get(PORT_LABEL)
    if port is None:
        return with_login(ssh, user, None)
    digits = str(port)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or not 1 <= int(digits) <= 65535:
        raise InventoryError(f"the label {PORT_LABEL} is not a port")
    return with_login(ssh, user, int(digits))


def _user(label: object) -> str | None:
    """Return the user that a label names."""
    if label is None:
        return None
    try:
        return check_user(label if isinstance(label, str) else "")
    except ValueError as error:
        raise InventoryError(f"the label {USER_LABEL} is not a user name: {error}") from None


def _host(target: object) -> str:
    """Return the host of a target ``host:port``."""
    if not isinstance(target, str):
        raise InventoryError(f"expected a target such as host:9100, found {echoed(target)}")
    host, _, port = target.rpartition(":")
    if not port.isdigit() or (":" in host and not host.startswith("[")):
        host = target
    try:
        return check_host(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    except ValueError as error:
        raise InventoryError(str(error)) from None
