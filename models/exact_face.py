r"""All optima of an exact program at once: multipliers that single them out, and their directions.

The optimal points are those that use no column, variable or slack, of positive reduced cost, for
any optimal multipliers. Some optimal multipliers leave no column at reduced cost 0 but those that
an optimal point does use (Goldman and Tucker). With these, the dimension of the set of optima is
the number of columns at reduced cost 0 less their rank, a number that anyone can count.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from gnr.exact_factors import Factors
from gnr.exact_lp import LinearProgram, Outcome, Row, columns_of, maximize, slack_name

ZERO, ONE = Fraction(0), Fraction(1)

Direction = dict[str, Fraction]
"""A difference of two points: nonzero entries by variable."""


@dataclass(frozen=True)
class OptimalFace:
    """The set of optima of a program.

    Attributes
    ----------
    dual
        Optimal multipliers by row, strictly complementary.
    directions
        Differences of optimal points to the given one, linearly independent, as many as the set
        has dimensions; empty if the optimum is unique.
    used
        The columns, variables and slacks, that some optimum uses.
    """

    dual: dict[str, Fraction]
    directions: tuple[Direction, ...]
    used: tuple[str, ...]


def optimal_face(program: LinearProgram, optimum: Outcome) -> OptimalFace:
    """Return the set of optima around an optimal vertex of a bounded program."""
    dual, used, points = _strict_dual(program, optimum)
    columns = columns_of(program)
    rank = Factors([columns[name] for name in used], len(program.rows)).rank
    found = _Echelon()
    here = optimum.primal
    moves: list[Direction] = []
    for move in _moves(program, optimum, used, points, found):
        if len(moves) == len(used) - rank:
            break
        direction = {name: change for name, change in move.items() if change}
        if found.add(direction):
            moves.append({name: direction[name] for name in here if name in direction})
    return OptimalFace(dual, tuple(moves), tuple(used))


def reduced_costs(program: LinearProgram, dual: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Return what each column, variable or slack, costs above what it earns, by name."""
    costs = {name: -program.objective.get(name, ZERO) for name in program.variables}
    for row_name, row in program.rows.items():
        multiplier = dual[row_name]
        if row.sense != "=":
            costs[slack_name(row_name)] = multiplier if row.sense == "<=" else -multiplier
        if multiplier:
            for name, coefficient in row.coefficients.items():
                costs[name] += multiplier * coefficient
    return costs


def _strict_dual(
    program: LinearProgram, optimum: Outcome
) -> tuple[dict[str, Fraction], list[str], list[dict[str, Fraction]]]:
    """Return strictly complementary multipliers, the columns they leave free, and optima met.

    As long as a column of reduced cost 0 is used by no known optimum, the most of all such columns
    together is looked for. If that is nothing, its multipliers say so, and a bit of them added to
    the optimal ones raises the reduced costs of these columns.
    """
    dual, points = optimum.dual, []
    costs = reduced_costs(program, dual)
    free = [name for name, cost in costs.items() if not cost]
    used = _support(program, optimum.primal)
    start = optimum.basis
    while idle := [name for name in free if name not in used]:
        face = _face(program, free, idle)
        outcome = maximize(face, start)
        start = outcome.basis
        more = _support(program, outcome.primal) - used
        if more:
            used |= more
            points.append(outcome.primal)
            continue
        rise = dict(outcome.dual)
        for row_name in program.rows:
            if slack_name(row_name) in idle:
                rise[row_name] += ONE if program.rows[row_name].sense == "<=" else -ONE
        dual = _tilted(program, dual, rise, costs)
        break
    return dual, [name for name in free if name in used], points


def _tilted(
    program: LinearProgram,
    dual: Mapping[str, Fraction],
    rise: Mapping[str, Fraction],
    costs: Mapping[str, Fraction],
) -> dict[str, Fraction]:
    """Return `dual` plus so little of `rise` that positive reduced costs stay positive."""
    nothing = LinearProgram(dict.fromkeys(program.variables, ZERO), program.rows)
    most = min(
        (
            costs[name] / -change
            for name, change in reduced_costs(nothing, rise).items()
            if change < 0
        ),
        default=2 * ONE,
    )
    step = ONE
    while step >= most:
        step /= 2
    return {name: value + step * rise[name] for name, value in dual.items()}


def _face(program: LinearProgram, free: list[str], wanted: Iterable[str]) -> LinearProgram:
    """Return the program over the optima only, with the sum of the `wanted` columns to maximise.

    A wanted slack counts as what its row leaves, the constant bound apart.
    """
    may, wanted = set(free), set(wanted)
    objective = {name: ONE if name in wanted else ZERO for name in program.variables if name in may}
    rows = {}
    for row_name, row in program.rows.items():
        coefficients = {name: value for name, value in row.coefficients.items() if name in may}
        slack = slack_name(row_name)
        rows[row_name] = Row(coefficients, row.sense if slack in may else "=", row.bound)
        if slack in wanted:
            sign = ONE if row.sense == "<=" else -ONE
            for name, value in coefficients.items():
                objective[name] -= sign * value
    return LinearProgram(objective, rows)


def _support(program: LinearProgram, point: Mapping[str, Fraction]) -> set[str]:
    """Return the columns that are positive at a point."""
    used = {name for name, value in point.items() if value}
    for row_name, row in program.rows.items():
        if row.sense != "=" and _dot(row.coefficients, point) != row.bound:
            used.add(slack_name(row_name))
    return used


def _moves(
    program: LinearProgram,
    optimum: Outcome,
    used: list[str],
    points: list[dict[str, Fraction]],
    found: "_Echelon",
) -> Iterator[Direction]:
    """Yield differences of optimal points to the optimum until they span all of them.

    First the edges that leave it, then points met before, and then for each column that the moves
    in `found` do not fix yet the ends of what is left of it.
    """
    yield from _edges(program, optimum, used)
    here = optimum.primal
    for point in points:
        yield _difference(point, here)
    face = _face(program, used, ())
    for name in face.objective:
        while name not in found.pivots:
            end = _end_of(face, found.annihilator(name), optimum)
            if end is None:
                break
            yield _difference(end, here)


def _end_of(
    face: LinearProgram, function: Mapping[str, Fraction], optimum: Outcome
) -> dict[str, Fraction] | None:
    """Return an optimal point where a linear function differs from the optimum; None if none."""
    for sign in (ONE, -ONE):
        aim = {name: sign * function.get(name, ZERO) for name in face.objective}
        end = maximize(LinearProgram(aim, face.rows), optimum.basis)
        if end.value != _dot(aim, optimum.primal):
            return end.primal
    return None


def _edges(program: LinearProgram, optimum: Outcome, used: list[str]) -> Iterator[Direction]:
    """Yield the differences to the vertices next to the optimum along columns in use."""
    columns, basis = columns_of(program), optimum.basis
    factors = Factors([columns[name] for name in basis], len(program.rows))
    bounds = {index: row.bound for index, row in enumerate(program.rows.values()) if row.bound}
    values = factors.solve(bounds)
    for entering in used:
        if entering in basis:
            continue
        change = factors.solve(columns[entering])
        limits = [values.get(place, ZERO) / rate for place, rate in change.items() if rate > 0]
        step = min(limits, default=ZERO)
        if step:
            move = {basis[place]: -step * rate for place, rate in change.items()}
            move[entering] = step
            yield {name: value for name, value in move.items() if name in optimum.primal}


class _Echelon:
    """Independent vectors in reduced echelon form: each is 1 at its pivot, 0 at the others'."""

    def __init__(self) -> None:
        self.pivots: dict[str, Direction] = {}

    def add(self, vector: Mapping[str, Fraction]) -> bool:
        """Take a vector in; return whether it was independent of those before."""
        rest = dict(vector)
        for pivot, other in self.pivots.items():
            _subtract(rest, rest.get(pivot, ZERO), other)
        if not rest:
            return False
        pivot = next(iter(rest))
        rest = {name: value / rest[pivot] for name, value in rest.items()}
        for other in self.pivots.values():
            _subtract(other, other.get(pivot, ZERO), rest)
        self.pivots[pivot] = rest
        return True

    def annihilator(self, name: str) -> Direction:
        """Return a linear function that is 0 on the vectors so far and 1 at `name`."""
        shares = {pivot: -vector.get(name, ZERO) for pivot, vector in self.pivots.items()}
        return shares | {name: ONE}


def _subtract(target: Direction, multiple: Fraction, other: Mapping[str, Fraction]) -> None:
    if not multiple:
        return
    for name, value in other.items():
        left = target.get(name, ZERO) - multiple * value
        if left:
            target[name] = left
        else:
            target.pop(name, None)


def _difference(point: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Direction:
    return {name: point.get(name, ZERO) - value for name, value in other.items()}


def _dot(weights: Mapping[str, Fraction], point: Mapping[str, Fraction]) -> Fraction:
    return sum((weight * point.get(name, ZERO) for name, weight in weights.items()), ZERO)
