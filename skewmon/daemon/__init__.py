"""The service: configuration, signals, reload, watchdog, and the report of each round."""
