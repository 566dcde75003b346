"""One parser for each time tool, and the registry of them."""
