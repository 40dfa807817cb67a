r"""One-sided slopes of the value of an exact program in its bounds.

The slope to the right in a direction g of the bounds is the least of :math:`g\cdot y` over all
optimal multipliers y, that to the left the most of it; they are unique where these agree. Optimal
multipliers are one solution plus all :math:`Zt`, Z spanning what is orthogonal to the columns that
optima use, as long as no other column earns more than it costs. There are few such dimensions, so
that the dual of finding an end, a program with a row for each, is small.
"""

from collections.abc import Mapping
from fractions import Fraction

from gnr.exact_factors import Factors
from gnr.exact_lp import LinearProgram, Row, columns_of, maximize
from gnr.models.exact_face import OptimalFace, reduced_costs

ZERO, ONE = Fraction(0), Fraction(1)

Slope = Fraction | None
"""None: there is no end, for the program would be infeasible there."""


class Slopes:
    """Slopes of the value of a program in its bounds, at an optimum.

    Parameters
    ----------
    program
        The program.
    face
        All its optima.
    """

    def __init__(self, program: LinearProgram, face: OptimalFace) -> None:
        self._dual = face.dual
        self._rows = list(program.rows)
        columns = columns_of(program)
        self._null = _null_space([columns.pop(name) for name in face.used], len(self._rows))
        costs = reduced_costs(program, face.dual)
        self._toll = {name: -costs[name] for name in columns}
        self._conditions = [
            {name: product for name, column in columns.items() if (product := _dot(z, column))}
            for z in self._null
        ]

    def ends(self, change: Mapping[str, Fraction]) -> tuple[Slope, Slope]:
        """Return the least and the most of a combination of multipliers, weights by row."""
        here = sum((weight * self._dual[name] for name, weight in change.items()), ZERO)
        weights = {row: change[name] for row, name in enumerate(self._rows) if name in change}
        along = [_dot(z, weights) for z in self._null]
        if not any(along):
            return here, here
        down, up = self._least(along), self._least([-rate for rate in along])
        return None if down is None else here + down, None if up is None else here - up

    def _least(self, along: list[Fraction]) -> Slope:
        """Return the least of a linear function of t, by duality."""
        rows = {
            str(k): Row(condition, "=", rate)
            for k, (condition, rate) in enumerate(zip(self._conditions, along, strict=True))
        }
        return maximize(LinearProgram(self._toll, rows)).value


def _null_space(columns: list[dict[int, Fraction]], size: int) -> list[dict[int, Fraction]]:
    """Return a basis of the vectors orthogonal to all columns, by row."""
    factors = Factors(columns, size)
    rejected = set(factors.rejected)
    basis = [column for k, column in enumerate(columns) if k not in rejected]
    units: list[dict[int, Fraction]] = [{row: ONE} for row in factors.open_rows]
    completed = Factors([*basis, *units], size)
    return [completed.solve_transposed({len(basis) + k: ONE}) for k in range(len(units))]


def _dot(weights: Mapping[int, Fraction], column: Mapping[int, Fraction]) -> Fraction:
    return sum((weights[row] * entry for row, entry in column.items() if row in weights), ZERO)
