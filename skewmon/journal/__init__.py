"""The journal: events, and the state that outlives a restart, in one SQLite file."""

from skewmon.journal.journal import Journal

__all__ = ["Journal"]
