"""The page: drawn here, so that it works without a script; kept up to date by a small one."""
