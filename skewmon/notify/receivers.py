"""From the ``alerts`` section of a configuration to targets."""

from skewmon.config.schema import AlertsSpec
from skewmon.notify.settings import Target


def targets_of(alerts: AlertsSpec) -> tuple[Target, ...]:
    """Return every receiver of a configuration."""
    return (
        *(Target("alertmanager", url) for url in alerts.alertmanagers),
        *(
            Target("webhook", hook.url or "", hook.url_file or "", hook.headers_file or "")
            for hook in alerts.webhooks
        ),
        *(Target("apprise", url_file=service.url_file) for service in alerts.apprise),
    )
