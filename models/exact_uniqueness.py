r"""Which numbers of an optimum under promises are unique, and the ends of those that are not.

Decided in exact fractions on the program itself: no two optima differ in a variable if no direction
of the optimal face moves it, and multipliers lie between the one-sided slopes of the value.

A promise changes coefficients too, of :math:`N-\eta D\le0`, so that both the multiplier and
:math:`D` count: by Mills' theorem the slopes in :math:`\eta` to the right and left are
:math:`\min\nu\cdot\max D` and :math:`\max\nu\cdot\min D`, over optimal multipliers and optimal
plans, and with ``at_least`` :math:`-\max\nu\cdot\min D` and :math:`-\min\nu\cdot\max D`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

from gnr.checks import CAPACITIES
from gnr.exact_lp import LinearProgram, Outcome, Row, maximize
from gnr.exact_rates import exact, exact_rates
from gnr.instance import Instance
from gnr.models.exact_face import OptimalFace, optimal_face
from gnr.models.exact_program import columns_in_use, told_apart
from gnr.models.exact_promises import coefficients_of, promised_program, row_name
from gnr.models.exact_slopes import Slope, Slopes
from gnr.models.point import Point, Program
from gnr.models.promises import Promise, promises_of
from gnr.plan import Occupancy
from gnr.rates import Rates
from gnr.result import ClassSolution, MarginalRanges, Range

MOST_CLASSES = 24
"""Classes up to which this is decided; with more, exact elimination would take seconds."""

ROUNDING = 1e-8
"""Distance of a multiplier from its ends, relative to what it is made of, that is no difference."""

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Settled:
    """What is known exactly.

    Attributes
    ----------
    value
        The best value, money/s per GPU; None if nothing is feasible.
    variables
        By field of `gnr.plan.Occupancy`, whether it takes one value only over all optima.
    ends
        Right and left slope of everything that has a price, whether or not they differ.
    """

    value: Fraction | None
    variables: Mapping[str, bool]
    ends: MarginalRanges

    @property
    def ranges(self) -> MarginalRanges:
        """Ends of the multipliers that are not unique."""
        gpu = self.ends.gpu_value
        return MarginalRanges(
            marginals=_apart(self.ends.marginals),
            marginal_value=_apart(self.ends.marginal_value),
            decode_marginal=_apart(self.ends.decode_marginal),
            gpu_value=gpu if gpu is not None and gpu[0] != gpu[1] else None,
        )

    def holds(
        self,
        rates: Rates,
        classes: Sequence[ClassSolution],
        prices: Mapping[str, float | None],
    ) -> bool:
        """Whether multipliers in floats lie between their ends.

        Where they do not, rounding has carried the solver across a kink of the value.
        """
        money, reward = abs(float(self.value or ZERO)), float(rates.reward.max())
        reported = [
            (number, self.ends.marginals[name], money)
            for name, number in prices.items()
            if number is not None
        ]
        for each in classes:
            reported.append((each.marginal_value, self.ends.marginal_value[each.name], reward))
            reported.append((each.decode_marginal, self.ends.decode_marginal[each.name], reward))
        return all(_between(*each) for each in reported)

    def doubt(self, revenue_rate: float) -> str | None:
        """Return in words how a solver's answer differs from the exact one; None if it does not."""
        if self.value is None:
            return "the solver found an optimum, exactly nothing is feasible"
        return told_apart(revenue_rate, self.value)


def settle(instance: Instance, program: Program, point: Point) -> Settled | None:
    """Return what is unique in the optimum of an instance under hard promises, exactly.

    None where it is left open: with many classes, with penalties, and with fair shares, by which
    the load stands among the coefficients. `point`, an optimum in floats, only says where to begin.
    """
    rates = exact_rates(instance)
    promises = promises_of(instance, rates)
    if len(instance.classes) > MOST_CLASSES or not all(
        each.hard and not each.indicator.needs_fair_shares for each in promises
    ):
        return None
    names = [each.name for each in instance.classes]
    exact = promised_program(
        instance,
        rates,
        empty_decode_buffer=program.empty_decode_buffer,
        disaggregated=program.disaggregated,
    )
    outcome = maximize(exact, columns_in_use(names, point, instance.gpu.batch_slots))
    if outcome.value is None:
        return Settled(None, {}, MarginalRanges())
    face = optimal_face(exact, outcome)
    found = _Optimum(exact, outcome, face, names, rates, promises)
    return Settled(outcome.value, found.variables(), found.ends())


class _Optimum:
    """An exact optimum with all that is optimal beside it."""

    def __init__(
        self,
        program: LinearProgram,
        outcome: Outcome,
        face: OptimalFace,
        names: Sequence[str],
        rates: Rates,
        promises: Sequence[Promise],
    ) -> None:
        self._program, self._outcome, self._face = program, outcome, face
        self._names, self._rates, self._promises = names, rates, promises
        self._slopes = Slopes(program, face)

    def variables(self) -> dict[str, bool]:
        """Return which fields are unique; queues of classes that never leave are open."""
        moved = {name.partition("[")[0] for each in self._face.directions for name in each}
        closed = all(self._rates.patience_rate > 0)
        return {
            field: field not in moved and (closed or not field.endswith("queue"))
            for field in Occupancy.model_fields
        }

    def ends(self) -> MarginalRanges:
        """Return right and left slope of everything that has a price."""
        arrivals = [self._arrival(i) for i in range(len(self._names))]
        demand: dict[str, Fraction] = {}
        for rate, change in zip(self._rates.arrival_rate, arrivals, strict=True):
            for row, weight in change.items():
                demand[row] = demand.get(row, ZERO) + rate * weight
        least, most = self._slopes.ends(demand)
        value = self._outcome.value or ZERO
        capacities = [self._slopes.ends({name: ONE}) for name in CAPACITIES]
        prices = [self._price(each) for each in self._promises]
        labels = [each.label for each in self._promises]
        values = [self._slopes.ends(change) for change in arrivals]
        decodes = [self._slopes.ends({f"decode_balance[{name}]": ONE}) for name in self._names]
        return MarginalRanges(
            marginals=_named([*CAPACITIES, *labels], [*capacities, *prices]),
            marginal_value=_named(self._names, values),
            decode_marginal=_named(self._names, decodes),
            gpu_value=_floats(
                # One more GPU at the same demand is a little less demand for each.
                None if most is None else value - most,
                None if least is None else value - least,
            ),
        )

    def _arrival(self, i: int) -> dict[str, Fraction]:
        """Return what one more arrival of class `i` changes in the bounds, by row.

        Forms are affine in the arrival rates, in their constants only: a difference is exact.
        """
        found = {f"prefill_balance[{self._names[i]}]": ONE}
        more = self._rates.arrival_rate.copy()
        more[i] += 1
        rates = replace(self._rates, arrival_rate=more)
        for each in self._promises:
            other = replace(each, scope=replace(each.scope, rates=rates))
            bound = exact(each.bound)
            here, there = (one.form.excess(one.direction, bound) for one in (each, other))
            found[row_name(each)] = Fraction(here.constant - there.constant)
        return found

    def _price(self, promise: Promise) -> tuple[Slope, Slope]:
        """Return right and left slope in the bound of a promise."""
        least, most = self._slopes.ends({row_name(promise): ONE})
        smallest, largest = self._extent(promise)
        loosening = (least or ZERO) * largest  # at least 0, for the row is an inequality
        # A plan in which D is 0 keeps the promise whatever its bound.
        tightening = ZERO if not smallest else None if most is None else most * smallest
        if promise.direction == "at_most":
            return loosening, tightening
        return None if tightening is None else -tightening, -loosening

    def _extent(self, promise: Promise) -> tuple[Fraction, Fraction]:
        """Return the least and the most of the denominator of a promise over all optima."""
        below = promise.form.denominator
        weights = coefficients_of(self._program.variables, self._names, promise, below)
        here = self._outcome.primal
        value = Fraction(below.constant) + _dot(weights, here)
        if not any(_dot(weights, direction) for direction in self._face.directions):
            return value, value
        ends = []
        for sign in (-1, 1):
            aim = {name: sign * weight for name, weight in weights.items()}
            best = maximize(_over_optima(self._program, self._outcome, aim), self._outcome.basis)
            ends.append(sign * (best.value or ZERO) + Fraction(below.constant))
        return ends[0], ends[1]


def _over_optima(
    program: LinearProgram, outcome: Outcome, aim: Mapping[str, Fraction]
) -> LinearProgram:
    """Return the program to maximise `aim` over the optima of another."""
    best = Row(program.objective, "=", outcome.value or ZERO)
    return LinearProgram(aim, {**program.rows, "value": best})


def _apart(ends: Mapping[str, Range]) -> dict[str, Range]:
    return {name: (right, left) for name, (right, left) in ends.items() if right != left}


def _between(number: float, ends: Range, size: float) -> bool:
    right, left = (-inf if ends[0] is None else ends[0]), (inf if ends[1] is None else ends[1])
    room = ROUNDING * (abs(number) + size)
    return min(right, left) - room <= number <= max(right, left) + room


def _named(names: Sequence[str], ends: Sequence[tuple[Slope, Slope]]) -> dict[str, Range]:
    return {name: _floats(*each) for name, each in zip(names, ends, strict=True)}


def _floats(right: Slope, left: Slope) -> Range:
    return None if right is None else float(right), None if left is None else float(left)


def _dot(weights: Mapping[str, Fraction], point: Mapping[str, Fraction]) -> Fraction:
    return sum((weight * point.get(name, ZERO) for name, weight in weights.items()), ZERO)
