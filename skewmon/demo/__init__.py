"""A simulated cluster behind real SSH servers, for a first look and for load tests."""
