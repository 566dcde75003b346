"""A release: its artefacts, each installed into an empty place and tried. Run by ``make release``."""
