"""Run the command line with ``python -m skewmon``."""

from skewmon.cli.main import main

main()
