"""What the time daemons say: one parser a tool, one SyncStatus, findings. Pure."""
