"""The command line: one file a command, rendering beside it."""
