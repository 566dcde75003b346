"""What the clocks are: intervals, bursts, pairs, culprits. Pure."""
