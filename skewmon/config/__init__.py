"""The configuration: its schema, and a loader that locates every fault."""
