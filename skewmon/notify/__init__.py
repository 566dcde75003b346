"""How people are told: Alertmanager, webhooks, Apprise."""
