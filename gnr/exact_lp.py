r"""Linear programs in exact fractions: optimum, multipliers, or why there is none.

A revised simplex method. It takes the largest reduced cost, and after a step of length 0 the
smallest index (Bland's rule) until the value rises again, so that it cannot cycle. Made for the
steady-state programs and others of their size: hundreds of rows at most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from gnr.exact_factors import Factors

Sense = Literal["<=", "=", ">="]

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Row:
    """A constraint: a combination of variables against a bound.

    Attributes
    ----------
    coefficients
        By variable; absent ones are 0.
    sense
        How the combination compares with the bound.
    bound
        The right-hand side.
    """

    coefficients: Mapping[str, Fraction]
    sense: Sense
    bound: Fraction


@dataclass(frozen=True)
class LinearProgram:
    """Maximise a linear objective over nonnegative variables.

    Attributes
    ----------
    objective
        Coefficients by variable. The variables are those named here and in the rows.
    rows
        Constraints by name.
    """

    objective: Mapping[str, Fraction]
    rows: Mapping[str, Row]

    @property
    def variables(self) -> list[str]:
        """Names of the variables, in the order in which they are first named."""
        named = dict.fromkeys(self.objective)
        for row in self.rows.values():
            named.update(dict.fromkeys(row.coefficients))
        return list(named)


@dataclass(frozen=True)
class Outcome:
    """What the program came to.

    Attributes
    ----------
    status
        How it ended.
    value
        Optimal value; None unless optimal.
    primal
        By variable: an optimal vertex; if unbounded, a ray along which the objective grows
        without end; empty if infeasible.
    dual
        By row: optimal multipliers, the derivatives of the value in the bounds, at least 0 for
        ``<=`` and at most 0 for ``>=``. If infeasible, Farkas multipliers of these same signs:
        their combination of the rows has no negative coefficient and a negative bound. Empty if
        unbounded.
    basis
        Names of the basic columns, ``slack[ROW]`` for the slack of a row; fewer than there are
        rows where some are redundant. Empty if infeasible.
    """

    status: Literal["optimal", "infeasible", "unbounded"]
    value: Fraction | None = None
    primal: dict[str, Fraction] = field(default_factory=dict)
    dual: dict[str, Fraction] = field(default_factory=dict)
    basis: tuple[str, ...] = ()


def slack_name(row: str) -> str:
    """Return the name of the slack column of a row."""
    return f"slack[{row}]"


def columns_of(program: LinearProgram) -> dict[str, dict[int, Fraction]]:
    """Return the columns of a program in equality form, by row index: variables, then slacks.

    Raises
    ------
    ValueError
        If a variable bears the name of a slack.
    """
    columns: dict[str, dict[int, Fraction]] = {name: {} for name in program.variables}
    for index, (name, row) in enumerate(program.rows.items()):
        for variable, coefficient in row.coefficients.items():
            if coefficient:
                columns[variable][index] = coefficient
        if row.sense != "=":
            if slack_name(name) in columns:
                raise ValueError(f"a variable and the slack of a row are both {slack_name(name)}")
            columns[slack_name(name)] = {index: ONE if row.sense == "<=" else -ONE}
    return columns


def maximize(program: LinearProgram, start: Iterable[str] = ()) -> Outcome:
    """Return the optimum of a program, exactly.

    Parameters
    ----------
    program
        What to maximise.
    start
        Names of columns to begin from, as in `Outcome.basis`: any set will do. Those that are
        unknown, dependent or negative are replaced.

    Raises
    ------
    ValueError
        If a variable bears the name of a slack, ``slack[ROW]``.
    """
    simplex = _Simplex(program, start)
    if simplex.artificials:
        toll = dict.fromkeys(simplex.artificials, -ONE)
        simplex.climb(toll)
        if simplex.value_of(toll):
            return Outcome("infeasible", dual=simplex.dual(toll))
        simplex.drive_out_artificials()
    ray = simplex.climb(program.objective)
    if ray is not None:
        return Outcome("unbounded", primal=ray, basis=simplex.true_basis())
    return Outcome(
        "optimal",
        simplex.value_of(program.objective),
        simplex.primal(),
        simplex.dual(program.objective),
        simplex.true_basis(),
    )


class _Simplex:
    """A basis of a program, its elimination and the values of its columns."""

    def __init__(self, program: LinearProgram, start: Iterable[str]) -> None:
        self._variables = program.variables
        self._rows = list(program.rows)
        self._bounds = {
            index: row.bound for index, row in enumerate(program.rows.values()) if row.bound
        }
        self._columns = columns_of(program)
        self.artificials: dict[str, dict[int, Fraction]] = {}
        known = dict.fromkeys(name for name in start if name in self._columns)
        self._begin(list(known))

    def climb(self, costs: Mapping[str, Fraction]) -> dict[str, Fraction] | None:
        """Pivot until no column gains by `costs`; return a ray if it gains without end."""
        careful = False
        while True:
            entering = self._entering(costs, careful)
            if entering is None:
                return None
            change = self._factors.solve(self._columns[entering])
            limits = [
                (self._values[position] / rate, self._order[self._basis[position]], position)
                for position, rate in change.items()
                if rate > 0
            ]
            if not limits:
                moves = {self._basis[position]: -rate for position, rate in change.items()}
                moves[entering] = ONE
                return {name: moves.get(name, ZERO) for name in self._variables}
            step, _, leaving = min(limits)
            careful = not step
            for position, rate in change.items():
                self._values[position] -= step * rate
            self._replace(leaving, entering, step)

    def drive_out_artificials(self) -> None:
        """Put true columns in the place of artificial ones at 0, but for redundant rows."""
        for position, name in enumerate(self._basis):
            if name not in self.artificials:
                continue
            row = self._factors.solve_transposed({position: ONE})
            basic = set(self._basis)
            for entering, column in self._columns.items():
                if entering not in basic and _dot(row, column):
                    self._replace(position, entering, ZERO)
                    break

    def value_of(self, costs: Mapping[str, Fraction]) -> Fraction:
        """Return the value of the objective `costs` at the vertex."""
        pairs = zip(self._basis, self._values, strict=True)
        return sum((costs.get(name, ZERO) * value for name, value in pairs), ZERO)

    def primal(self) -> dict[str, Fraction]:
        """Return the vertex, by variable."""
        values = dict(zip(self._basis, self._values, strict=True))
        return {name: values.get(name, ZERO) for name in self._variables}

    def dual(self, costs: Mapping[str, Fraction]) -> dict[str, Fraction]:
        """Return the multipliers of the basis for the objective `costs`, by row."""
        found = self._multipliers(costs)
        return {name: found.get(index, ZERO) for index, name in enumerate(self._rows)}

    def true_basis(self) -> tuple[str, ...]:
        """Return the basic columns that are no artificial ones."""
        return tuple(name for name in self._basis if name not in self.artificials)

    def _begin(self, chosen: list[str]) -> None:
        """Make `chosen` a feasible basis: drop what does not fit, fill up with slacks.

        Rows that then still lack a column get an artificial one, with the sign of what is missing.
        """
        refused: set[str] = set()
        while True:
            factors = Factors([self._columns[name] for name in chosen], len(self._rows))
            rejected = set(factors.rejected)
            basis = [name for position, name in enumerate(chosen) if position not in rejected]
            artificials: dict[str, dict[int, Fraction]] = {}
            for row in factors.open_rows:
                slack = slack_name(self._rows[row])
                if slack in self._columns and slack not in refused:
                    basis.append(slack)
                else:
                    artificials[f"artificial[{self._rows[row]}]"] = {row: ONE}
            columns = [self._columns[name] for name in basis] + list(artificials.values())
            values = Factors(columns, len(self._rows)).solve(self._bounds)
            negative = {name for position, name in enumerate(basis) if values.get(position, 0) < 0}
            if not negative:
                break
            refused |= negative
            chosen = [name for name in basis if name not in negative]
        for position, column in enumerate(artificials.values(), start=len(basis)):
            if values.get(position, 0) < 0:
                column.update(dict.fromkeys(column, -ONE))
        self.artificials = artificials
        self._basis = [*basis, *artificials]
        self._order = {name: index for index, name in enumerate([*self._columns, *artificials])}
        self._factor()
        self._values = [abs(values.get(position, ZERO)) for position in range(len(self._rows))]

    def _factor(self) -> None:
        columns = [self._columns.get(name) or self.artificials[name] for name in self._basis]
        self._factors = Factors(columns, len(self._rows))

    def _replace(self, position: int, entering: str, value: Fraction) -> None:
        self._basis[position] = entering
        self._values[position] = value
        self._factor()

    def _multipliers(self, costs: Mapping[str, Fraction]) -> dict[int, Fraction]:
        return self._factors.solve_transposed(
            {position: costs[name] for position, name in enumerate(self._basis) if name in costs}
        )

    def _entering(self, costs: Mapping[str, Fraction], careful: bool) -> str | None:
        """Return the column that gains most, or, if `careful`, the first that gains."""
        multipliers, basic = self._multipliers(costs), set(self._basis)
        best, most = None, ZERO
        for name, column in self._columns.items():
            if name in basic:
                continue
            gain = costs.get(name, ZERO) - _dot(multipliers, column)
            if gain > most:
                if careful:
                    return name
                best, most = name, gain
        return best


def _dot(multipliers: Mapping[int, Fraction], column: Mapping[int, Fraction]) -> Fraction:
    return sum(
        (multipliers[index] * entry for index, entry in column.items() if index in multipliers),
        ZERO,
    )
