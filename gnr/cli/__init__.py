"""The command line: one module per verb, `console` for what they share."""

import signal
import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from gnr.cli.app import run

    for stream in (sys.stdout, sys.stderr):  # a name beyond the terminal's encoding is no error
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    code = run(sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on Ctrl-C only ends what is ending
    sys.exit(code)
