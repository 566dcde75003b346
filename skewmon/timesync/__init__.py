"""The claims of time daemons: one parser for each tool, one SyncStatus, findings. Pure."""
