"""Tests of lines, profiles, observation and the alert machine."""
