"""Measure the clocks of a cluster over SSH, prove the skew, name the wrong clock."""

__version__ = "0.2.0"
