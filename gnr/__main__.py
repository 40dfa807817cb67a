"""``python -m gnr``."""

from gnr.cli import main

main()
