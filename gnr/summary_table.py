"""The tables that terminal summaries are made of."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

NARROW = 26
"""Characters of a name in a narrow table."""


def table(title: str, headers: Sequence[str]) -> Table:
    """Return an empty table: names in the first column, numbers, never cut, in the others."""
    rows = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="",
                 padding=(0, 1, 0, 0))  # fmt: skip
    for k, header in enumerate(headers):
        rows.add_column(header, justify="right" if k else "left", no_wrap=k > 0)
    return rows


def narrow_table(title: str, first: str, columns: Sequence[str]) -> Table:
    """Return an empty table: names, cut where they are long, and numbers that may wrap."""
    rows = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="italic")
    rows.add_column(first, no_wrap=True, max_width=NARROW)
    for column in columns:
        rows.add_column(column, justify="right")
    return rows
