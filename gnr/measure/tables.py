"""Tables of any length, CSV or JSON lines, gzipped or not, as batches of numbers.

What a file is, is told by its content. Arrow reads it block by block, so that memory stays bounded;
where Arrow refuses, the file is read again slowly to say which line is at fault.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.measure.byte_streams import DAMAGED, damaged, opened
from gnr.measure.columns import Choice, Column, Quantity, match_columns
from gnr.measure.row_filters import Condition, kept_rows
from gnr.measure.table_faults import first_fault, line_of_row
from gnr.measure.table_heads import Head, Kind

BLOCK = 8 << 20
"""Bytes read at a time."""

LONGEST_LINE = 256 << 20
"""Bytes of a JSON line above which a file is taken not to be one object per line."""

Told = Callable[[int], None]


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Attributes
    ----------
    rows
        Number of each row in the file, the first being 1 and the header not counted; shape
        ``(rows,)``.
    values
        Array of each quantity in its working unit, shape ``(rows,)``, all finite. Points in time
        count from the first row of the file.
    lists
        Arrow array of each quantity that is a list.
    """

    rows: NDArray[np.int64]
    values: dict[str, Floats]
    lists: dict[str, Any]


@dataclass
class Table:
    """A table whose columns are known, ready to be read as often as needed.

    Attributes
    ----------
    head
        What the beginning of the file says.
    columns
        Column of each quantity that was found.
    conditions
        Rows that do not meet all of them are left out.
    kinds
        What the cells of each column that is read are, by header.
    instants
        Quantities that are points in time.
    lists
        Quantities that are lists.
    sha256
        SHA-256 of the file as it is on the disk; None before it was read to the end.
    rows_read
        Rows of the file, those left out included; 0 before it was read to the end.
    """

    head: Head
    columns: dict[str, Column]
    conditions: tuple[Condition, ...]
    kinds: dict[str, Kind]
    instants: frozenset[str]
    lists: frozenset[str]
    sha256: str | None = None
    rows_read: int = 0
    _origins: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return self.head.path

    def origin(self, quantity: str) -> float:
        """Return the point in time that a quantity counts from, as in the file; 0 if none is."""
        return float(self._origins.get(quantity, 0.0))

    def batches(self, told: Told = lambda done: None) -> Iterator[Batch]:
        """Yield the rows of the table in file order; `told` hears of the bytes read.

        Raises
        ------
        InputError
            If a line cannot be read as the columns ask, with its number.
        """
        stream, file = opened(self.path, told)
        before = 0
        try:
            with file:
                blocks = _json_blocks if self.head.is_json else _csv_blocks
                for block in blocks(self, stream):
                    yield self._batch(block, before)
                    before += block.num_rows
                self.sha256, self.rows_read = file.sha256(), before
        except DAMAGED as error:
            raise damaged(self.path, error) from error
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise first_fault(self.head, self.kinds, self.columns, error) from error

    def refuse(self, row: int, quantity: str, message: str, remedy: str) -> InputError:
        """Return what to raise about a cell: its row as numbered in `Batch.rows`."""
        place = f"line {line_of_row(self.head, row):,}, column {self.columns[quantity].header}"
        return InputError([Problem("table-value", str(self.path), place, message, remedy)])

    def _batch(self, block: pa.Table, before: int) -> Batch:
        rows = np.arange(before + 1, before + 1 + block.num_rows)
        if before == 0 and block.num_rows:
            self._remember_origins(block)
        if self.conditions:
            kept = kept_rows(block, self.conditions)
            block, rows = block.filter(pa.array(kept)), rows[kept]
        values, lists = {}, {}
        for name, column in self.columns.items():
            cells = block.column(column.header).combine_chunks()
            if name in self.lists:
                lists[name] = cells
            else:
                values[name] = self._numbers(name, column, cells, rows)
        return Batch(rows, values, lists)

    def _remember_origins(self, block: pa.Table) -> None:
        """Keep the time of the first row: later ones count from it, which loses no digits."""
        for name in self.instants & set(self.columns):
            header = self.columns[name].header
            cell = self._cast(header, block.column(header).slice(0, 1).combine_chunks())
            if cell.null_count:
                raise self.refuse(1, name, "has no value", "fill it in, or leave out the row")
            self._origins[name] = cell.to_numpy(zero_copy_only=False)[0]

    def _cast(self, header: str, cells: Any) -> Any:
        """Return texts with a point in time as nanoseconds, other cells as they are."""
        kind = self.kinds[header]
        if kind.is_time:
            zone = "UTC" if kind is Kind.ZONED_TIME else None
            return pc.cast(pc.cast(cells, pa.timestamp("ns", tz=zone)), pa.int64())
        return cells

    def _numbers(self, name: str, column: Column, cells: Any, rows: NDArray[np.int64]) -> Floats:
        found = self._cast(column.header, cells)
        if found.null_count:
            row = int(rows[np.asarray(found.is_null()).argmax()])
            raise self.refuse(row, name, "has no value", "fill it in, or leave out the row")
        values = found.to_numpy(zero_copy_only=False)
        factor = column.factor
        if self.kinds[column.header].is_time:
            factor = 1e-9
        else:
            finite = np.isfinite(values)
            if not finite.all():
                at = int(finite.argmin())
                message = f"must be a finite number, got {values[at]}"
                raise self.refuse(int(rows[at]), name, message, "correct it, or leave out the row")
        if name in self.instants:
            values = values - self._origins[name]
        return np.asarray(values, dtype=float) * factor


def open_table(
    head: Head,
    quantities: Sequence[Quantity],
    choices: Mapping[str, Choice],
    *,
    conditions: Sequence[Condition] = (),
    instants: Sequence[str] = (),
    lists: Sequence[str] = (),
) -> Table:
    """Return the table of a file whose beginning was read, its columns matched.

    Parameters
    ----------
    head
        From `gnr.measure.table_heads.read_head`.
    quantities, choices
        What is looked for, and what the user says of it.
    conditions
        Which rows to keep; all must hold.
    instants
        Quantities that are points in time: numbers with a unit, or texts such as
        ``2023-11-16 18:15:46.6805900``.
    lists
        Quantities that are lists of whole numbers, in JSON lines only.

    Raises
    ------
    InputError
        If a column is missing, is there twice, or holds something else.
    """
    file = str(head.path)
    columns = match_columns(head.names, quantities, choices, file)
    used = [each.header for each in columns.values()] + [each.header for each in conditions]
    problems = [
        Problem("columns", file, name, "there is more than one column of this name", "rename one")
        for name in dict.fromkeys(used)
        if head.names.count(name) > 1
    ]
    problems += [each.missing_from(head) for each in conditions if each.header not in head.names]
    if problems:
        raise InputError(problems)
    kinds = {each.header: head.kind_of_text(each.header) for each in conditions}
    for name, column in columns.items():
        kinds[column.header] = head.kind_of(column.header, name in instants, name in lists)
    return Table(
        head, columns, tuple(conditions), kinds, frozenset(instants), frozenset(lists)
    )  # fmt: skip


_ARROW = {
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.FLAG: pa.bool_(),
    Kind.TIME: pa.string(),
    Kind.ZONED_TIME: pa.string(),
    Kind.LIST: pa.list_(pa.int64()),
}
"""What Arrow is asked to read; times are texts to it, since it would take a zone or leave it."""


def _csv_blocks(table: Table, stream: Any) -> Iterator[pa.Table]:
    head = table.head
    places = {name: f"{head.names.index(name)}" for name in table.kinds}
    try:
        reader = pa_csv.open_csv(
            stream,
            read_options=pa_csv.ReadOptions(
                block_size=BLOCK,
                column_names=[f"{k}" for k in range(len(head.names))],
                skip_rows=head.lines,
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=head.delimiter, newlines_in_values=head.quoted
            ),
            convert_options=pa_csv.ConvertOptions(
                include_columns=list(places.values()),
                column_types={places[name]: _ARROW[kind] for name, kind in table.kinds.items()},
                null_values=[],
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise
    for batch in reader:
        columns = [batch.column(k) for k in range(batch.num_columns)]
        yield pa.table(dict(zip(places, columns, strict=True)))


def _json_blocks(table: Table, stream: Any) -> Iterator[pa.Table]:
    schema = pa.schema([(name, _ARROW[kind]) for name, kind in table.kinds.items()])
    parsing = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    left = b""
    while True:
        read = stream.read(BLOCK)
        lines, newline, rest = (left + read).rpartition(b"\n") if read else (left, b"", b"")
        left = rest
        if newline or not read:
            if lines.strip():
                reading = pa_json.ReadOptions(block_size=len(lines) + 1, use_threads=False)
                lines = lines.removeprefix(b"\xef\xbb\xbf")
                yield pa_json.read_json(pa.BufferReader(lines), reading, parsing)
        elif len(left) > LONGEST_LINE:
            raise pa.ArrowInvalid("a line is too long")
        if not read:
            return
