"""What all tests share: a width of their own, and a way to tell figures in the run's summary."""

import os
from collections.abc import Callable
from functools import partial

import pytest

os.environ.pop("COLUMNS", None)  # the width of the terminal outside is no concern of a test


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Take lines that are printed at the end of the run, from whatever process they come."""
    return partial(record_property, "told")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests told."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, lines in report.user_properties:
                if name == "told":
                    terminalreporter.write_line(lines)
