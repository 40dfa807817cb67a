"""Promises and penalties in the programs: the indicators of `gnr.slis` as Pyomo components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr.visitor import identify_variables

from gnr.instance import Instance, Sli
from gnr.models.fair_shares import fair_shares
from gnr.models.point import Point
from gnr.rates import Rates
from gnr.slis import INDICATORS
from gnr.slis.affine import Affine
from gnr.slis.indicator import Direction, Form, Indicator, Scope


@dataclass(frozen=True)
class Promise:
    """One entry of ``[[slis]]`` with the indicator it is about.

    Attributes
    ----------
    sli
        The entry.
    indicator
        Its kind.
    scope
        Rates and class; floats or fractions.
    """

    sli: Sli
    indicator: Indicator
    scope: Scope

    @property
    def label(self) -> str:
        """Its key in results."""
        return self.sli.label

    @property
    def form(self) -> Form:
        """Its linear form."""
        return self.indicator.form(self.scope)

    @property
    def hard(self) -> bool:
        """Whether it is a promise, and not a penalty."""
        return self.sli.penalty_weight is None

    @property
    def direction(self) -> Direction:
        """Which way the bound goes; of a penalty, which way it pulls."""
        if self.hard:
            return "at_most" if self.sli.at_most is not None else "at_least"
        return self.indicator.directions[0]

    @property
    def bound(self) -> float:
        """The bound of a promise."""
        bound = self.sli.at_most if self.sli.at_most is not None else self.sli.at_least
        if bound is None:
            raise ValueError(f"{self.label} is a penalty")
        return bound

    def excess(self, value: float) -> float:
        """Return by how much a value of the indicator breaks the promise; negative if it keeps."""
        return value - self.bound if self.direction == "at_most" else self.bound - value

    def value(self, point: Point) -> float:
        """Return the indicator at a point; nan where it has no meaning."""
        return float(self.indicator.at(self.scope, point))

    def penalty(self, point: Point) -> float:
        """Return what is subtracted from the revenue at a point, money/s per GPU; 0 if hard."""
        if self.sli.penalty_weight is None:
            return 0.0
        value = self.value(point)
        if np.isnan(value):
            return self._penalty_of_nothing(point)
        if self.indicator.best is not None:
            value = float(self.indicator.best(self.scope)) - value
        return self.sli.penalty_weight * value

    def _penalty_of_nothing(self, point: Point) -> float:
        """Return the penalty where D = 0, its limit: none only if N = 0 too."""
        form = self.form
        return float("inf") if not form.auxiliaries and form.numerator.at(point) > 0 else 0.0


def promises_of(instance: Instance, rates: Rates) -> tuple[Promise, ...]:
    """Return the promises and penalties of an instance, in file order.

    `rates` are those of the instance, in floats or in fractions. What is promised does not depend
    on how it is kept: fair shares are those of all plans, whatever else is demanded of them.
    """
    names = [each.name for each in instance.classes]

    def scope(sli: Sli) -> Scope:
        owner = None if sli.class_name is None else names.index(sli.class_name)
        asks = INDICATORS[sli.kind].needs_fair_shares
        return Scope(rates, owner, fair_shares(rates) if asks else ())

    return tuple(Promise(sli, INDICATORS[sli.kind], scope(sli)) for sli in instance.slis)


def add_form(model: Any, name: str, form: Form) -> Any:
    """Add the auxiliary variables of a form and their definitions, as a block; return it."""
    block = pyo.Block()
    model.add_component(name, block)
    block.auxiliary = pyo.Var(list(form.auxiliaries), domain=pyo.NonNegativeReals)
    block.definition = pyo.Constraint(
        range(len(form.definitions)),
        rule=lambda _, k: row(model, block, form.definitions[k]),
    )
    return block


def add_promise(model: Any, name: str, promise: Promise) -> Any:
    """Add a hard promise as a block with the constraint ``bound``; return the block.

    What is promised is its mutable parameter ``promised``.
    """
    form = promise.form
    block = add_form(model, name, form)
    block.promised = pyo.Param(initialize=promise.bound, mutable=True)
    excess = form.excess(promise.direction, block.promised)
    block.bound = pyo.Constraint(expr=row(model, block, excess))
    return block


def row(model: Any, block: Any, excess: Affine) -> Any:
    """Return the constraint that an affine function be at most 0, its constant on the right."""
    left = expression(model, block, Affine(excess.coefficients))
    if not any(True for _ in identify_variables(left)):  # all of them are 0
        kept = pyo.value(excess.constant) <= 0
        return pyo.Constraint.Feasible if kept else pyo.Constraint.Infeasible
    return left <= -excess.constant


def expression(model: Any, block: Any, affine: Affine) -> Any:
    """Return an affine function in the variables of a model and of the block of its form."""
    terms = (
        coefficient * found
        for (name, i), coefficient in affine.coefficients.items()
        if (found := _variable(model, block, name, i)) is not None
    )
    return pyo.quicksum(terms) + affine.constant


def amount(model: Any, block: Any, affine: Affine, values: Mapping[Any, float]) -> float:
    """Return an affine function at values of the variables of a model."""
    terms = (
        float(coefficient) * values.get(found, 0.0)
        for (name, i), coefficient in affine.coefficients.items()
        if (found := _variable(model, block, name, i)) is not None
    )
    return sum(terms, start=float(affine.constant))


def _variable(model: Any, block: Any, name: str, i: int) -> Any:
    """Return a variable; None for the queue of a class that never leaves: it has none."""
    field = FIELDS.get(name)
    if field is None:
        return block.auxiliary[name]
    component = getattr(model, field)
    if i not in component:
        return None
    return component[i]


FIELDS = {
    "prefill": "prefill_occupancy",
    "mixed_decode": "mixed_decode_occupancy",
    "solo_decode": "solo_decode_occupancy",
    "prefill_queue": "prefill_queue",
    "decode_queue": "decode_queue",
}
"""Pyomo variables of the fields of `Occupancy`."""


def scaled_bound(promise: Promise, point: Point, multiplier: float) -> float:
    r"""Return the slope of the best value in the bound of a promise, :math:`\pm\hat\nu D(z^*)`."""
    slope = multiplier * float(promise.form.denominator.at(point))
    return slope if promise.direction == "at_most" else 0.0 - slope  # not -0.0
