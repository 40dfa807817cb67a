"""Which line of a table is at fault: a slow second look at a file that could not be read."""

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gnr.errors import InputError, Problem
from gnr.measure.byte_streams import DAMAGED, damaged, not_utf8, text_lines
from gnr.measure.columns import Column
from gnr.measure.table_heads import NUMBER, Head, Kind, time_kind
from gnr.schema_errors import show

NOT_FINITE = ("nan", "inf", "infinity")
"""Texts that are numbers to a reader, and refused later with their line."""

LONGEST_CELL = 64 << 20
"""Letters of a cell that are read to find a fault."""


def first_fault(
    head: Head, kinds: Mapping[str, Kind], columns: Mapping[str, Column], error: Exception
) -> InputError:
    """Return what to say of a table that Arrow refused with `error`: the first line at fault."""
    try:
        look = _json_faults if head.is_json else _csv_faults
        for line, header, message in look(head, kinds):
            name = next((q for q, column in columns.items() if column.header == header), None)
            place = f"line {line:,}" + (f", column {header}" if header else "")
            remedy = "correct the line, or leave it out"
            if name is not None and kinds[header] is Kind.NUMBER:
                remedy += f", or name another column: --column {name}=HEADER"
            return InputError([Problem("table-value", str(head.path), place, message, remedy)])
    except DAMAGED as found:
        return damaged(head.path, found)
    except UnicodeDecodeError as found:
        return not_utf8(head.path, found)
    except csv.Error as found:
        error = found
    reason = str(error).splitlines()[0][:200]
    return InputError(
        [Problem("table-value", str(head.path), "", f"cannot be read: {reason}",
                 "write it as CSV with a header, or one JSON object on each line")]
    )  # fmt: skip


def line_of_row(head: Head, row: int) -> int:
    """Return the line that a row begins at; the first row is 1, whatever the header takes."""
    with text_lines(head.path) as lines:
        found = _json_lines(lines) if head.is_json else _csv_rows(head, lines)
        for number, (line, _) in enumerate(found, 1):
            if number == row:
                return line
    return row + head.lines


def _csv_rows(head: Head, lines: Any) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(lines, delimiter=head.delimiter)
    before = 0
    for row in reader:
        start, before = before + 1, reader.line_num
        if start > head.lines and row:
            yield start, row


def _csv_faults(head: Head, kinds: Mapping[str, Kind]) -> Iterator[tuple[int, str, str]]:
    places = {name: head.names.index(name) for name in kinds}
    with text_lines(head.path) as lines:
        for line, row in _csv_rows(head, lines):
            if len(row) != len(head.names):
                yield line, "", f"has {len(row)} cells, the header has {len(head.names)}"
            for header, at in places.items():
                if (fault := _text_fault(row[at], kinds[header])) is not None:
                    yield line, header, fault


def _text_fault(cell: str, kind: Kind) -> str | None:
    text = cell.strip()
    if kind is Kind.TEXT:
        return None
    if not text:
        return "is empty"
    fine = time_kind(text) is kind
    if kind is Kind.NUMBER:
        fine = NUMBER.fullmatch(text) is not None or text.lower().lstrip("+-") in NOT_FINITE
    elif fine:
        fine = not _no_such_time(text)
    return None if fine else f"must be {kind.value}, got {show(cell)}"


def _no_such_time(text: str) -> bool:
    """Tell whether a text looks like a point in time but is none, as the 31st of February."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = "UTC" if time_kind(text) is Kind.ZONED_TIME else None
    try:
        pc.cast(pa.array([text]), pa.timestamp("ns", tz=zone))
    except pa.ArrowInvalid:
        return True
    return False


def _json_lines(lines: Any) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line


def _json_faults(head: Head, kinds: Mapping[str, Kind]) -> Iterator[tuple[int, str, str]]:
    with text_lines(head.path) as lines:
        for number, line in _json_lines(lines):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, "", f"is not a JSON object: {error}"
                continue
            if not isinstance(row, dict):
                yield number, "", f"must be a JSON object, got {show(row)}"
                continue
            for header, kind in kinds.items():
                if not _fits(row.get(header), kind):
                    yield number, header, f"must be {kind.value}, got {show(row.get(header))}"


def _fits(value: Any, kind: Kind) -> bool:
    if isinstance(value, bool):
        return kind is Kind.FLAG
    if kind is Kind.NUMBER:
        return isinstance(value, int | float)
    if kind is Kind.TEXT:
        return isinstance(value, str)
    if kind is Kind.LIST:
        return isinstance(value, list) and all(type(each) is int for each in value)
    return isinstance(value, str) and _text_fault(value, kind) is None
