r"""Penalties in the programs: the soft forms of the indicators (eqs. P44, P46, P48).

An indicator whose denominator is constant gives a linear penalty. The penalty of a quotient N/D is
a variable that the model holds from below by planes: by tangents where the indicator is convex
(eq. D8), and by planes that hold inside a box of values and denominators in any case. Both leave it
too small, so that a model with them is a relaxation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from gnr.models.promises import Promise, add_form, amount, expression
from gnr.models.solver import Outcome


@dataclass(frozen=True)
class Box:
    """Where the optimum is looked for: between which indicators, and between which denominators.

    Attributes
    ----------
    least, most
        Ends of the indicator N/D.
    narrowest, widest
        Ends of the denominator D; not negative.
    """

    least: float
    most: float
    narrowest: float
    widest: float


@dataclass(frozen=True)
class Curved:
    """A penalty that is not linear, in a model.

    Attributes
    ----------
    model
        The Pyomo model.
    promise
        The indicator with its weight.
    block
        Its block: the variable ``cost``, money/s per GPU, and the rows that hold it from below.
    """

    model: Any
    promise: Promise
    block: Any

    @property
    def cost(self) -> Any:
        """The penalty as the model has it, at most the true one."""
        return self.block.cost

    @property
    def convex(self) -> bool:
        """Whether every tangent of the penalty stays below it."""
        return self.promise.indicator.convex(self.promise.scope)

    @property
    def numerator(self) -> Any:
        """N as a Pyomo expression."""
        return expression(self.model, self.block, self.promise.form.numerator)

    @property
    def denominator(self) -> Any:
        """D as a Pyomo expression."""
        return expression(self.model, self.block, self.promise.form.denominator)

    def quotient(self, outcome: Outcome) -> tuple[float, float]:
        """Return N and D at what the solver found."""
        form = self.promise.form
        return (
            amount(self.model, self.block, form.numerator, outcome.values),
            amount(self.model, self.block, form.denominator, outcome.values),
        )

    def cut(self, outcome: Outcome) -> None:
        r"""Hold the cost above its tangent where the solver's point is; needs D > 0 there.

        With :math:`\eta_0=N(z_0)/D(z_0)` the tangent of the indicator is
        :math:`\eta_0+(N(z)-\eta_0D(z))/D(z_0)`.
        """
        self.block.tangent.add(self._above_tangent(outcome))

    def linearize(self, outcome: Outcome) -> None:
        """Hold the cost above one tangent instead of a box; the true penalty is less elsewhere."""
        row = self._above_tangent(outcome)
        self.block.del_component("box")
        self.block.box = pyo.ConstraintList()
        self.block.box.add(row)

    def _above_tangent(self, outcome: Outcome) -> Any:
        above, below = self.quotient(outcome)
        value = above / below
        plane = value + (self.numerator - value * self.denominator) / below
        return self.cost >= charge(self.promise, plane)

    def confine(self, box: Box) -> None:
        r"""Admit only points of a box, and hold the cost above planes that are exact at its ends.

        From :math:`\eta-a=(N-aD)/D` and :math:`b-\eta=(bD-N)/D` with :math:`a\le\eta\le b` and D
        between its ends, :math:`\eta` is at least, and at most, two affine functions each.
        """
        above, below, block = self.numerator, self.denominator, self.block
        block.del_component("box")
        block.box = pyo.ConstraintList()
        over, under = above - box.least * below, box.most * below - above
        block.box.add(over >= 0)
        block.box.add(under >= 0)
        block.box.add(below >= box.narrowest)
        block.box.add(below <= box.widest)
        ends = (box.widest, box.narrowest)
        far, near = ends if self.promise.direction == "at_most" else ends[::-1]
        if far > 0:
            block.box.add(self.cost >= charge(self.promise, box.least + over / far))
        if near > 0:
            block.box.add(self.cost >= charge(self.promise, box.most - under / near))

    def keep(self, outcome: Outcome) -> None:
        """Let the indicator stay what it is at an outcome."""
        above, below = self.quotient(outcome)
        left = self.denominator if below <= 0 else self.numerator - above / below * self.denominator
        self.block.kept = pyo.Constraint(expr=left == 0)


def add_penalty(model: Any, name: str, promise: Promise) -> Any:
    """Add a penalty as a block and return what to subtract from the revenue, money/s per GPU.

    Where the denominator of the indicator varies that is the block's variable ``cost``, which
    nothing holds above 0 yet.
    """
    block = add_form(model, name, promise.form)
    if promise.form.constant_denominator:
        size = float(promise.form.denominator.constant)
        return charge(promise, expression(model, block, promise.form.numerator) / size)
    block.cost = pyo.Var(domain=pyo.NonNegativeReals)
    block.tangent = pyo.ConstraintList()
    return block.cost


def charge(promise: Promise, indicator: Any) -> Any:
    """Return the penalty of a value of the indicator, a number or an expression."""
    weight, best = promise.sli.penalty_weight, promise.indicator.best
    if best is None:
        return weight * indicator
    return weight * (float(best(promise.scope)) - indicator)


def curved_penalties(model: Any, promises: Sequence[Promise]) -> tuple[Curved, ...]:
    """Return the penalties of a model that are not linear, in file order."""
    return tuple(
        Curved(model, promise, getattr(model, f"sli_{k}"))
        for k, promise in enumerate(promises)
        if not promise.hard and not promise.form.constant_denominator
    )
