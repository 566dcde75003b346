"""Tests against the real programs that skewmon works beside."""
