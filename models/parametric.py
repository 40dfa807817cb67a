r"""Exact programs with one row that moves with a parameter: all pieces of the best value.

The moving row is :math:`(a_0+\eta a_1)z\le b_0+\eta b_1`. As long as the same basis stays optimal,
the basis matrix changes by a matrix of rank one, so that every basic variable, every reduced cost
and the value are quotients of affine functions of :math:`\eta` with one common denominator
(Sherman and Morrison). The ends of the interval on which the basis stays optimal are roots of
affine functions: all breakpoints are exact fractions, and none can be missed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from gnr.exact_factors import Factors
from gnr.exact_lp import LinearProgram, Outcome, Row, columns_of, maximize

ZERO, ONE = Fraction(0), Fraction(1)

REACH = Fraction(10**400)
"""Where an interval without an end is cut off: beyond any bound that a file can hold."""

Key = TypeVar("Key")

Coefficients = Mapping[str, Fraction]
"""Coefficients by variable; absent ones are 0."""


@dataclass(frozen=True)
class ParametricProgram:
    """A program with one row that is affine in a parameter.

    Attributes
    ----------
    fixed
        Objective, and the rows that do not move.
    name
        Name of the moving row.
    start, change
        The moving row, a ``<=``, at parameter 0, and what one unit of the parameter adds to its
        coefficients and to its bound.
    """

    fixed: LinearProgram
    name: str
    start: Row
    change: Row

    def at(self, parameter: Fraction) -> LinearProgram:
        """Return the program at one value of the parameter."""
        coefficients = dict(self.start.coefficients)
        for name, change in self.change.coefficients.items():
            coefficients[name] = coefficients.get(name, ZERO) + parameter * change
        row = Row(coefficients, "<=", self.start.bound + parameter * self.change.bound)
        return LinearProgram(self.fixed.objective, dict(self.fixed.rows) | {self.name: row})

    def with_rows(self, rows: Mapping[str, Row]) -> "ParametricProgram":
        """Return the program with more rows that do not move."""
        fixed = LinearProgram(self.fixed.objective, dict(self.fixed.rows) | dict(rows))
        return replace(self, fixed=fixed)

    def widening(self, point: Coefficients) -> Fraction:
        """Return how fast the slack of the moving row grows with the parameter at a point."""
        return self.change.bound - _dot(self.change.coefficients, point)

    def excess(self, point: Coefficients) -> Fraction:
        """Return how far a point is above the bound of the moving row at parameter 0."""
        return _dot(self.start.coefficients, point) - self.start.bound


@dataclass(frozen=True)
class LinearFractional:
    r"""The function :math:`(a+b\eta)/(c+d\eta)`, in the one form in which d = 1, or c = 1, d = 0.

    Attributes
    ----------
    a, b, c, d
        Its coefficients; a constant has b = d = 0.
    """

    a: Fraction
    b: Fraction
    c: Fraction = ONE
    d: Fraction = ZERO

    def at(self, parameter: Fraction) -> Fraction:
        """Return its value."""
        return (self.a + self.b * parameter) / (self.c + self.d * parameter)

    def slope(self, parameter: Fraction) -> Fraction:
        """Return its derivative."""
        return (self.b * self.c - self.a * self.d) / (self.c + self.d * parameter) ** 2


@dataclass(frozen=True)
class Piece:
    """An interval of the parameter on which the best value is one linear-fractional function.

    Attributes
    ----------
    low, high
        Its ends.
    value
        The best value between them, ends included.
    first, last
        An optimal vertex at each end, by variable.
    """

    low: Fraction
    high: Fraction
    value: LinearFractional
    first: Coefficients
    last: Coefficients


def tightest(program: ParametricProgram, start: Iterable[str] = ()) -> Fraction | None:
    r"""Return the extreme parameter at which the moving row can be kept (Dinkelbach's method).

    Only points count at which the slack of the row depends on the parameter. It must grow with it
    at all of them, and the least parameter is returned; or shrink at all, and the largest is. None
    if there is no such point, or the row can be kept whatever the parameter and with room to
    spare. The extreme is attained: each step ends at a better vertex. `start` is a basis to begin
    from, any will do.
    """
    found = _moving_point(program, start)
    while found.status == "optimal" and program.widening(found.primal):
        parameter = program.excess(found.primal) / program.widening(found.primal)
        row = program.at(parameter).rows[program.name]
        found = maximize(_towards(program.fixed, row.coefficients, -ONE), found.basis)
        if _dot(row.coefficients, found.primal) >= row.bound:
            return parameter
    return None


def trace(
    program: ParametricProgram,
    low: Fraction,
    high: Fraction,
    start: Iterable[str] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[Piece, ...]:
    """Return the pieces of the best value from `low` to `high`, all of which must be feasible.

    The range must not go beyond `tightest`, where the value may jump.

    Every basis met covers an interval, and the gaps it leaves on both sides are looked at in turn.
    A basis that is optimal at a single parameter, of which there are finitely many, only splits
    its gap. `start` is a basis to begin from, any will do; `progress` is called with the share of
    the range that is done.
    """
    if low == high:
        return (_Basis(program, low, start).piece(low, high),)
    pieces, gaps = list[Piece](), [(low, high, tuple(start))]
    while gaps:
        left, right, near = gaps.pop()
        basis = _Basis(program, _between(left, right), near)
        first, last = max(left, basis.low), min(right, basis.high)
        if first < last:
            pieces.append(basis.piece(first, last))
        gaps += [(*gap, basis.names) for gap in ((left, first), (last, right)) if gap[0] < gap[1]]
        progress(1.0 - float(sum(gap[1] - gap[0] for gap in gaps) / (high - low)))
    return tuple(_merged(sorted(pieces, key=lambda piece: piece.low)))


class _Basis:
    """An optimal basis at one parameter, and what becomes of it when the parameter moves.

    With q = 1 + change * bend, basic variables are ``values + change * drift / q``, the value is
    ``value + change * rise / q``.

    Attributes
    ----------
    names
        The basic columns.
    low, high
        Between which parameters it is optimal; infinite ends as far as `REACH`.
    """

    def __init__(
        self, program: ParametricProgram, parameter: Fraction, start: Iterable[str]
    ) -> None:
        here = program.at(parameter)
        outcome = maximize(here, start)
        if outcome.value is None:
            raise ValueError(f"{outcome.status} at {float(parameter)}")
        self.names, self._parameter, self._value = outcome.basis, parameter, outcome.value
        columns, moves = columns_of(here), program.change.coefficients
        factors = Factors([columns[name] for name in self.names], len(here.rows))
        if factors.open_rows:  # of redundant rows, which the moving one never is: it has a slack
            units = [{row: ONE} for row in factors.open_rows]
            basic = [columns[name] for name in self.names] + units
            factors = Factors(basic, len(here.rows))
        moving = list(here.rows).index(program.name)
        at = dict(enumerate(self.names))
        values = factors.solve({k: row.bound for k, row in enumerate(here.rows.values())})
        response = factors.solve({moving: ONE})
        costs = {k: program.fixed.objective[name] for k, name in at.items()
                 if name in program.fixed.objective}  # fmt: skip
        multipliers = factors.solve_transposed(costs)
        moved = factors.solve_transposed({k: moves[name] for k, name in at.items()
                                          if name in moves})  # fmt: skip
        self._bend = sum((moves.get(at[k], ZERO) * x for k, x in response.items() if k in at), ZERO)
        self._values = {name: values.get(k, ZERO) for k, name in at.items()}
        widening = program.widening(self._values)
        self._drift = {name: response.get(k, ZERO) * widening for k, name in at.items()}
        price = multipliers.get(moving, ZERO)
        self._rise = price * widening
        signs = [(ONE, self._bend)]
        signs += [(x, x * self._bend + self._drift[name]) for name, x in self._values.items()]
        basic_names = set(self.names)
        for name, column in columns.items():
            if name not in basic_names:
                cost = _dot(multipliers, column) - program.fixed.objective.get(name, ZERO)
                tilt = moves.get(name, ZERO) - _dot(moved, column)
                signs.append((cost, cost * self._bend + price * tilt))
        self.low = max((parameter - p / r for p, r in signs if r > 0), default=-REACH)
        self.high = min((parameter - p / r for p, r in signs if r < 0), default=REACH)

    def piece(self, low: Fraction, high: Fraction) -> Piece:
        """Return the piece of the best value on an interval on which the basis is optimal."""
        return Piece(low, high, self._best_value(), self._vertex(low), self._vertex(high))

    def _best_value(self) -> LinearFractional:
        if not self._rise:
            return LinearFractional(self._value, ZERO)
        b = self._value * self._bend + self._rise
        a, c, d = self._value - self._parameter * b, 1 - self._parameter * self._bend, self._bend
        return LinearFractional(a / d, b / d, c / d, ONE) if d else LinearFractional(a, b)

    def _vertex(self, parameter: Fraction) -> Coefficients:
        change = parameter - self._parameter
        scale = ONE + change * self._bend
        return {
            name: value + change * self._drift[name] / scale if self._drift[name] else value
            for name, value in self._values.items()
        }


def _merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces with neighbours of the same function made one."""
    last: Piece | None = None
    for piece in pieces:
        if last is not None and last.value == piece.value:
            last = replace(last, high=piece.high, last=piece.last)
            continue
        if last is not None:
            yield last
        last = piece
    if last is not None:
        yield last


def _between(low: Fraction, high: Fraction) -> Fraction:
    """Return a fraction of few digits in the middle half of an interval."""
    middle, quarter, most = (low + high) / 2, (high - low) / 4, 1
    while abs((found := middle.limit_denominator(most)) - middle) > quarter:
        most *= 10
    return found


def _moving_point(program: ParametricProgram, start: Iterable[str]) -> Outcome:
    """Return a vertex at which the slack of the moving row depends on the parameter, if any."""
    coefficients = program.change.coefficients
    growing = maximize(_towards(program.fixed, coefficients, -ONE), start)
    if growing.status != "optimal" or program.widening(growing.primal) > 0:
        return growing
    return maximize(_towards(program.fixed, coefficients, ONE), growing.basis)


def _towards(program: LinearProgram, coefficients: Coefficients, sign: Fraction) -> LinearProgram:
    """Return a program with another objective, `coefficients` times `sign`."""
    objective = dict.fromkeys(program.variables, ZERO)
    objective |= {name: sign * value for name, value in coefficients.items()}
    return LinearProgram(objective, program.rows)


def _dot(multipliers: Mapping[Key, Fraction], entries: Mapping[Key, Fraction]) -> Fraction:
    return sum(
        (entry * multipliers[key] for key, entry in entries.items() if key in multipliers), ZERO
    )
