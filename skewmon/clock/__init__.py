"""The mathematics of measured clocks: intervals, bursts, history, pairs. Pure."""
