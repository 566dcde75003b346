"""Exports: metrics, JSON, HTTP and the page."""
