"""``--where COLUMN=VALUE``: which rows of a table are kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gnr.arrays import Flags
from gnr.errors import InputError, Problem
from gnr.measure.table_heads import Head
from gnr.schema_errors import suggest


@dataclass(frozen=True)
class Condition:
    """Keep the rows whose cell in a column is the value, as a text or as a number."""

    header: str
    value: str

    def __str__(self) -> str:
        return f"{self.header}={self.value}"

    def missing_from(self, head: Head) -> Problem:
        """Return what to say if the table has no such column."""
        near = suggest(self.header, list(head.names))
        remedy = f"did you mean {near}?" if near else f"columns: {', '.join(head.names)}"
        return Problem("where", f"--where {self}", "", "the table has no such column", remedy)


def read_conditions(options: Iterable[str]) -> tuple[Condition, ...]:
    """Return what ``--where COLUMN=VALUE`` says.

    Raises
    ------
    InputError
        If an option has another form.
    """
    found, problems = [], []
    for option in options:
        header, equals, value = option.partition("=")
        if equals and header:
            found.append(Condition(header, value))
        else:
            message = "must be COLUMN=VALUE"
            problems.append(Problem("where", "--where", option, message, "as in model=llama-70b"))
    if problems:
        raise InputError(problems)
    return tuple(found)


def kept_rows(block: pa.Table, conditions: Sequence[Condition]) -> Flags:
    """Return which rows of a block meet all conditions, shape ``(rows,)``."""
    kept = np.ones(block.num_rows, dtype=bool)
    for each in conditions:
        kept &= _meets(block.column(each.header), each.value)
    return kept


def _meets(cells: Any, value: str) -> Flags:
    if pa.types.is_boolean(cells.type):
        cells = pc.cast(cells, pa.string())
        value = value.lower()
    if not pa.types.is_string(cells.type):
        number = _number(value)
        found = pc.equal(cells, np.nan if number is None else number)
    else:  # few different texts stand for many rows
        different = pc.unique(cells)
        alike = [each for each in different.to_pylist() if _alike(each, value)]
        found = pc.is_in(cells, pa.array(alike, pa.string()))
    return np.asarray(pc.fill_null(found, False))


def _alike(cell: str | None, value: str) -> bool:
    if cell is None:
        return False
    if cell.strip() == value.strip():
        return True
    number = _number(value)
    return number is not None and _number(cell) == number


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
