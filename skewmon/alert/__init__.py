"""Thresholds, profiles and the alert machine. Pure."""
