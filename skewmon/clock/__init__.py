"""What the clocks are: intervals, bursts, pairs. Pure."""
