"""Benchmarks against known clocks and the alternatives; ``make bench`` runs them."""
