"""The forms of a report: HTML in one file, CSV, JSON."""
