"""The beginning of a table: CSV or JSON lines, its header, and what its cells are."""

import csv
import io
import json
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from gnr.errors import InputError, Problem
from gnr.measure.byte_streams import head_of, not_utf8

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?(Z|[+-]\d\d(:?\d\d)?)?")
"""Points in time as texts; what follows the seconds is a zone."""

PEEKED = 1000
"""Rows looked at to tell what the cells of a column are."""

DELIMITERS = (",", ";", "\t")


class Kind(Enum):
    """What the cells of a column are."""

    NUMBER = "a number"
    TEXT = "a text"
    FLAG = "true or false"
    TIME = "a point in time such as 2023-11-16 18:15:46.680"
    ZONED_TIME = "a point in time with its zone, such as 2023-11-16T18:15:46.680Z"
    LIST = "a list of whole numbers"

    @property
    def is_time(self) -> bool:
        """Tell whether the cells are points in time written as texts."""
        return self in (Kind.TIME, Kind.ZONED_TIME)


@dataclass(frozen=True)
class Head:
    """What the beginning of a file says.

    Attributes
    ----------
    path
        The file.
    is_json
        Whether each line is a JSON object; else the file is CSV.
    names
        Headers of the columns, or keys of the objects, in order.
    rows
        The first rows: cells as texts, or JSON values; None where a key is missing.
    lines
        Lines that the header takes; 0 for JSON.
    delimiter
        What stands between the cells.
    quoted
        Whether cells are quoted, so that they may contain line ends.
    """

    path: Path
    is_json: bool
    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    lines: int = 0
    delimiter: str = ","
    quoted: bool = False

    def first(self, header: str) -> Any:
        """Return the first cell of a column that is not missing, None if all are."""
        at = self.names.index(header)
        cells = (row[at] for row in self.rows if at < len(row))
        return next((cell for cell in cells if cell is not None and cell != ""), None)

    def kind_of(self, header: str, instant: bool, many: bool) -> Kind:
        """Return what the cells of a column must be, given what it is to mean."""
        if many:
            return Kind.LIST
        cell = self.first(header)
        if not instant or not isinstance(cell, str):
            return Kind.NUMBER
        return time_kind(cell) or Kind.NUMBER

    def kind_of_text(self, header: str) -> Kind:
        """Return what the cells of a column are that rows are chosen by."""
        cell = self.first(header) if header in self.names else None
        if isinstance(cell, bool):
            return Kind.FLAG
        return Kind.NUMBER if isinstance(cell, int | float) else Kind.TEXT


def time_kind(cell: str) -> Kind | None:
    """Return what kind of point in time a text is, None if it is none."""
    found = TIME.fullmatch(cell.strip())
    if found is None:
        return None
    return Kind.ZONED_TIME if found[5] else Kind.TIME


def read_head(path: str | Path) -> Head:
    """Return what the beginning of a table says.

    Raises
    ------
    InputError
        If the file cannot be read, is no text, is empty, or has no header.
    """
    where = Path(path)
    head = head_of(where).removeprefix(b"\xef\xbb\xbf")
    first = head.lstrip()[:1]
    if first == b"[":
        raise _bad_head(where, "is one JSON array", "write one JSON object on each line")
    return _json_head(where, head) if first == b"{" else _csv_head(where, head)


def _json_head(path: Path, head: bytes) -> Head:
    names: dict[str, None] = {}
    found: list[dict[str, Any]] = []
    for number, line in enumerate(head.split(b"\n"), 1):
        if len(found) == PEEKED:
            break
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except UnicodeDecodeError as error:
            raise not_utf8(path, error) from error
        except (ValueError, RecursionError) as error:
            if found:  # what is wrong further down is told with its line when it is read
                break
            raise _bad_head(
                path, f"line {number} is not a JSON object: {error}",
                "write one JSON object on each line",
            ) from error  # fmt: skip
        if not isinstance(row, dict):
            break
        names |= dict.fromkeys(row)
        found.append(row)
    rows = tuple(tuple(row.get(name) for name in names) for row in found)
    return Head(path, True, tuple(names), rows)


def _csv_head(path: Path, head: bytes) -> Head:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # else a letter was cut at the end of what was looked at
            raise not_utf8(path, error) from error
        text = head[: error.start].decode("utf-8")
    line = next(each for each in text.splitlines() if each.strip())
    delimiter = max(DELIMITERS, key=line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows: list[tuple[str, ...]] = []
    lines = 0
    try:
        for row in reader:
            if not any(cell.strip() for cell in row) and not rows:
                continue
            rows.append(tuple(row))
            lines = lines or reader.line_num
            if len(rows) > PEEKED:
                break
    except csv.Error as error:
        raise _bad_head(path, f"is not CSV: {error}", "write it as CSV with a header") from error
    names = tuple(cell.strip() for cell in rows[0])
    if all(NUMBER.fullmatch(name) or time_kind(name) for name in names):
        raise _bad_head(
            path, f"has no header: its first line is {', '.join(names)[:80]}",
            "put the names of the columns on the first line",
        )  # fmt: skip
    return Head(path, False, names, tuple(rows[1:]), lines, delimiter, b'"' in head)


def _bad_head(path: Path, message: str, remedy: str) -> InputError:
    return InputError([Problem("table-head", str(path), "", message, remedy)])
