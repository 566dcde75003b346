"""Findings: named diagnoses with their evidence and the next command to type."""
