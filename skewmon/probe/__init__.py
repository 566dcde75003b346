"""How a node is measured: the stamped socket, SSH sessions, node-side programs, one burst."""
