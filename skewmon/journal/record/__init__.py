"""The record: the past of clusters and nodes by minutes and sealed hours, in a SQLite file of its own."""

from skewmon.journal.record.record import Record

__all__ = ["Record"]
