"""Sends alerts: to Alertmanager, webhooks, Apprise and the log."""
