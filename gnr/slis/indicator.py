r"""What a service level indicator is: a quotient of affine functions, with what it needs.

An indicator is :math:`N(z)/D(z)` with N and D affine in the variables z of the programs and
:math:`D>0` wherever it has a meaning. A promise that it be at most (at least) :math:`\eta` is then
one linear row, :math:`N-\eta D\le0` (:math:`\ge0`), exactly. If :math:`\hat\nu` is the
multiplier of that row, the slope of the best revenue in :math:`\eta` is :math:`\hat\nu D(z^*)`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gnr.rates import Rates
from gnr.slis.affine import Affine, Number, constant, total, variable

Direction = Literal["at_most", "at_least"]


@dataclass(frozen=True)
class Scope:
    """What an indicator is about.

    Attributes
    ----------
    rates
        Rates of the instance, in floats or fractions; class arrays of shape ``(classes,)``.
    owner
        Number of the class it is about; None: the whole cluster.
    fair_shares
        Served fraction of each class at the max-min fair optimum, for the one kind that asks.
    """

    rates: Rates
    owner: int | None = None
    fair_shares: tuple[Number, ...] = ()

    @property
    def classes(self) -> list[int]:
        """Numbers of the classes it is about."""
        return list(range(self.rates.classes)) if self.owner is None else [self.owner]

    @property
    def impatient(self) -> list[int]:
        """Those of them that leave at some rate: the others have no queues in the programs."""
        return [i for i in self.classes if self.rates.patience_rate[i] > 0]


@dataclass(frozen=True)
class Form:
    """An indicator as the programs see it.

    Attributes
    ----------
    numerator, denominator
        N and D.
    definitions
        Affine functions that must be at most 0: they tie the auxiliary variables to the others.
    auxiliaries
        Names of nonnegative variables that only this form has. The indicator is then the best
        value of N that they allow: the least, or the greatest where more is better.
    empty_decode_buffer
        Whether the hard and the soft form come with q_d = 0 (eqs. P43, P45).
    """

    numerator: Affine
    denominator: Affine = field(default_factory=lambda: constant(1))
    definitions: tuple[Affine, ...] = ()
    auxiliaries: tuple[str, ...] = ()
    empty_decode_buffer: bool = False

    @property
    def constant_denominator(self) -> bool:
        """Whether the indicator is affine: its penalty is then linear."""
        return not any(self.denominator.coefficients.values())

    def excess(self, direction: Direction, bound: Number) -> Affine:
        """Return what a promise wants at most 0: N - eta D, or its negative for ``at_least``."""
        above = self.numerator - self.denominator.times(bound)
        return above if direction == "at_most" else above.times(-1)


def quotient(form: Form, point: Any) -> Any:
    """Return N/D at a point, nan where D is 0; for forms without auxiliaries."""
    import numpy as np

    shape = np.shape(point.prefill)[1:]
    above = np.broadcast_to(form.numerator.at(point), shape)
    below = np.broadcast_to(form.denominator.at(point), shape)
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


@dataclass(frozen=True)
class Indicator:
    """A kind of service level indicator: what one file of this package defines as `INDICATOR`.

    Attributes
    ----------
    kind
        Its name in instance files.
    title
        What it measures, in words.
    source
        Where it is defined.
    unit
        Its unit.
    directions
        Which bounds make sense, the natural one first.
    scopes
        Whether it can be about the ``cluster``, a ``class``, or both.
    form
        Its linear form in a scope.
    lowest, highest
        Between which numbers a bound must lie, ends included.
    convex
        Whether the penalty is convex on the feasible set, as a function of the scope: it can
        then be cut by tangents. True for every affine one.
    best
        What a penalty is counted from, where more is better: it is the weight times ``best -
        indicator``. None where less is better: the weight times the indicator.
    value
        The indicator at a point of arrays, ``(classes, ...)``; by default N/D.
    needs_patience
        Whether all classes in scope must leave at some rate for it to be defined.
    needs_fair_shares
        Whether `Scope.fair_shares` must be there.
    ends_at_first_token
        Whether it says nothing of what comes after the prefill.
    averages_iterations
        Whether it is a mean of iteration times, and so never above the slowest.
    """

    kind: str
    title: str
    source: str
    unit: str
    directions: tuple[Direction, ...]
    scopes: tuple[Literal["cluster", "class"], ...]
    form: Callable[[Scope], Form]
    lowest: float = 0.0
    highest: float = float("inf")
    convex: Callable[[Scope], bool] = lambda _: True
    best: Callable[[Scope], Number] | None = None
    value: Callable[[Scope, Any], Any] | None = None
    needs_patience: bool = False
    needs_fair_shares: bool = False
    ends_at_first_token: bool = False
    averages_iterations: bool = False

    def at(self, scope: Scope, point: Any) -> Any:
        """Return the indicator at a point, or at averages of a simulation; shape ``(...)``.

        `point` has the fields of `gnr.plan.Occupancy`, arrays of shape ``(classes, ...)``.
        """
        if self.value is not None:
            return self.value(scope, point)
        return quotient(self.form(scope), point)


def started(scope: Scope) -> Affine:
    r"""Return the prefills that complete, :math:`\sum_i\mu_{p,i}x_i`, requests/s per GPU."""
    return total({("prefill", i): scope.rates.prefill[i] for i in scope.classes})


def finished(scope: Scope) -> Affine:
    r"""Return the requests that finish, :math:`\sum_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})`.

    Sum over the classes in scope, requests/s per GPU.
    """
    rates = scope.rates
    mixed = {("mixed_decode", i): rates.mixed_decode[i] for i in scope.classes}
    solo = {("solo_decode", i): rates.solo_decode[i] for i in scope.classes}
    return total(mixed) + total(solo)


def spread(scope: Scope, name: str) -> Form:
    """Return the largest less the smallest of one field over the classes, with q_d = 0."""
    highest, lowest = variable("highest"), variable("lowest")

    def between() -> Iterator[Affine]:
        for i in scope.classes:
            yield variable(name, i) - highest
            yield lowest - variable(name, i)

    return Form(
        highest - lowest,
        definitions=tuple(between()),
        auxiliaries=("highest", "lowest"),
        empty_decode_buffer=True,
    )
