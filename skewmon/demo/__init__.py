"""A simulated cluster behind real SSH servers."""
