"""The configuration: its schema and a loader that says where a fault is."""
