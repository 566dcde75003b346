"""The full screen of ``watch``: keys, views and the course of each node for its sparkline."""
