"""Tests of everything that is published."""
