"""Sparse exact elimination: solve square systems of fractions, find ranks.

Made for the bases of the steady-state programs, where all but a few rows speak of one class only:
elimination in the order of fewest entries then fills in next to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

Vector = Mapping[int, Fraction]
"""A sparse vector: index to entry, absent entries 0."""


@dataclass(frozen=True)
class _Step:
    """One step of the elimination: a pivot and the multiples taken off other rows."""

    row: int
    column: int
    pivot: Fraction
    rest: tuple[tuple[int, Fraction], ...]
    """Further entries of the pivot row, by column."""
    multiples: tuple[tuple[int, Fraction], ...]
    """What was taken off, by row."""


class Factors:
    """The elimination of a sparse matrix given by its columns.

    Columns are taken as long as they are independent; `rejected` and `open_rows` say what is left
    over, and are empty for a regular matrix.

    Parameters
    ----------
    columns
        The columns, each by row.
    size
        Number of rows.

    Attributes
    ----------
    rejected
        Positions of columns that are combinations of the others.
    open_rows
        Rows without a pivot: unit columns there would complete the others to a basis.
    """

    def __init__(self, columns: Sequence[Vector], size: int) -> None:
        rows: list[dict[int, Fraction]] = [{} for _ in range(size)]
        for position, column in enumerate(columns):
            for row, entry in column.items():
                if entry:
                    rows[row][position] = entry
        where: dict[int, set[int]] = {position: set() for position in range(len(columns))}
        for row, entries in enumerate(rows):
            for position in entries:
                where[position].add(row)
        self.rejected: list[int] = []
        self._steps: list[_Step] = []
        while where:
            position = min(where, key=lambda each: len(where[each]))
            holders = where.pop(position)
            if not holders:
                self.rejected.append(position)
                continue
            row = min(holders, key=lambda each: (len(rows[each]), each))
            self._steps.append(_eliminate(rows, where, row, position, holders))
        used = {step.row for step in self._steps}
        self.open_rows = [row for row in range(size) if row not in used]

    @property
    def rank(self) -> int:
        """Rank of the matrix."""
        return len(self._steps)

    def solve(self, right_side: Vector) -> dict[int, Fraction]:
        """Return the combination of the columns that is `right_side`, by position.

        Only rows with a pivot are looked at; rejected columns are left out.
        """
        work = dict(right_side)
        for step in self._steps:
            value = work.get(step.row)
            if value:
                for row, multiple in step.multiples:
                    work[row] = work.get(row, Fraction(0)) - multiple * value
        found: dict[int, Fraction] = {}
        for step in reversed(self._steps):
            value = work.get(step.row, Fraction(0))
            for position, entry in step.rest:
                other = found.get(position)
                if other:
                    value -= entry * other
            if value:
                found[step.column] = value / step.pivot
        return found

    def solve_transposed(self, right_side: Vector) -> dict[int, Fraction]:
        """Return row multipliers whose product with each column is its entry of `right_side`."""
        work, found = dict(right_side), dict[int, Fraction]()
        for step in self._steps:
            value = work.get(step.column)
            if value:
                value /= step.pivot
                found[step.row] = value
                for position, entry in step.rest:
                    work[position] = work.get(position, Fraction(0)) - entry * value
        for step in reversed(self._steps):
            value = found.get(step.row, Fraction(0))
            for row, multiple in step.multiples:
                other = found.get(row)
                if other:
                    value -= multiple * other
            if value:
                found[step.row] = value
            else:
                found.pop(step.row, None)
        return found


def _eliminate(
    rows: list[dict[int, Fraction]],
    where: dict[int, set[int]],
    row: int,
    position: int,
    holders: set[int],
) -> _Step:
    """Take multiples of `row` off the other `holders` of the column at `position`."""
    entries = rows[row]
    pivot = entries.pop(position)
    multiples = []
    for other in holders:
        if other == row:
            continue
        target = rows[other]
        multiple = target.pop(position) / pivot
        multiples.append((other, multiple))
        for each, entry in entries.items():
            value = target.get(each, Fraction(0)) - multiple * entry
            if value:
                target[each] = value
                if each in where:
                    where[each].add(other)
            else:
                target.pop(each, None)
                if each in where:
                    where[each].discard(other)
    for each in entries:
        if each in where:
            where[each].discard(row)
    return _Step(row, position, pivot, tuple(entries.items()), tuple(multiples))
