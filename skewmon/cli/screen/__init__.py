"""The full screen of ``watch``: keys, views and the history behind its sparklines."""
