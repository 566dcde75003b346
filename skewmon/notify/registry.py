"""The family of notifiers."""

from collections.abc import Callable, Iterable, Mapping

import aiohttp

from skewmon.notify.alertmanager import Alertmanager
from skewmon.notify.apprise import Apprise
from skewmon.notify.log import Logged
from skewmon.notify.receiver import Notifier, Origin, ReceiverConfig
from skewmon.notify.webhook import Webhook

Build = Callable[[ReceiverConfig, Origin, aiohttp.ClientSession], Notifier]

#: Every kind of receiver; ``notifier`` labels take their values from here.
NOTIFIERS: Mapping[str, Build] = {
    "alertmanager": Alertmanager,
    "webhook": Webhook,
    "apprise": Apprise,
    "log": Logged,
}


def build(
    targets: Iterable[ReceiverConfig], origin: Origin, session: aiohttp.ClientSession
) -> tuple[Notifier, ...]:
    """Return a notifier for every target, each once."""
    unique = dict.fromkeys(targets)
    return tuple(NOTIFIERS[target.kind](target, origin, session) for target in unique)
