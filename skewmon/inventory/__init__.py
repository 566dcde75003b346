"""The nodes of each cluster: static entries and live sources."""
