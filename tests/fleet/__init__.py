"""A fleet of nodes with known clocks behind real SSH servers, all on this machine."""
