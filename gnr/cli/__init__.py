"""The command line: one module per verb, `console` for what they share."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from gnr.cli.app import run

    sys.exit(run(sys.argv[1:]))
