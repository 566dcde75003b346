"""Effects that several rooms share: files, name lookups, HTTP client, back-off, containment, logs."""
