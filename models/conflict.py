"""Which promises cannot be kept together, and the nearest ones that can."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pyomo.environ as pyo

from gnr.models import promised_state
from gnr.models.point import Point, Program
from gnr.models.promises import Promise, add_form, expression
from gnr.models.solver import Status, optimize, optimize_scaled
from gnr.outward import outward
from gnr.result import Conflict, KeepablePromise, Shortfall
from gnr.slis.affine import Affine

MOST_STEPS = 50
"""Steps of the search for the best value of an indicator; a few suffice."""

MOST_ROUNDINGS = 10
"""Roundings outward that are tried, each twice as far as the one before."""


def find_conflict(build: Any, program: Program, promises: Sequence[Promise]) -> Conflict | None:
    """Return why the promises of an infeasible program cannot be kept.

    Parameters
    ----------
    build
        One of the functions of `gnr.models.programs`.
    program
        Rates, weights and what is demanded anyhow; not what promises and penalties come with.
    promises
        The promises and penalties of the instance, in file order.

    Returns
    -------
    Conflict | None
        None if the program is infeasible without any promise.
    """
    hard, soft = ([each for each in promises if each.hard is kind] for kind in (True, False))
    basis = promised_state.demanded(program, soft)
    if not _feasible(build, basis, ()):
        return None
    together = fewest_in_conflict(build, basis, hard)
    to_blame = _feasible(build, program, hard)
    return Conflict(
        promises=labels(together),
        keepable=tuple(_keepable(build, basis, each, hard) for each in together),
        penalties=labels(each for each in soft if to_blame and each.form.empty_decode_buffer),
    )


def labels(promises: Iterable[Promise]) -> tuple[str, ...]:
    """Return the keys of promises."""
    return tuple(each.label for each in promises)


def shortfall_of(conflict: Conflict) -> tuple[Shortfall, ...]:
    """Return how far each promise of a conflict is from one that can be kept."""
    return tuple(
        Shortfall(
            requirement=f"promise {each.name} {each.words(each.bound)}",
            by=abs(each.nearest - each.bound),
            unit=each.unit,
        )
        for each in conflict.keepable
        if each.nearest is not None
    )


def nearest(
    build: Any, program: Program, promise: Promise, others: Sequence[Promise]
) -> float | None:
    """Return the bound nearest to the one promised that can be kept beside the others.

    Rounded outward to few digits, so that a program with it has an optimum; None if there is
    none.
    """
    best = _best(build, program, promise, others)
    if best is None:
        return None
    for bound in _outward(promise, best):
        if _solved(build, program, [*others, _with_bound(promise, bound)]):
            return bound
    return None


def fewest_in_conflict(
    build: Any, program: Program, promises: Sequence[Promise]
) -> Sequence[Promise]:
    """Return the fewest of clashing promises that cannot be kept together, the first in file order.

    A plan that keeps some promises often keeps others too: sets of those need no program.
    """
    known: list[set[str]] = []
    for count in range(1, len(promises)):
        for some in combinations(promises, count):
            if any(all(each.label in kept for each in some) for kept in known):
                continue
            kept = _kept(build, program, some, promises)
            if kept is None:
                return some
            known.append(kept)
    return promises


def _keepable(
    build: Any, program: Program, promise: Promise, promises: Sequence[Promise]
) -> KeepablePromise:
    """Return what could be promised instead, and what still clashes without it."""
    others = [each for each in promises if each is not promise]
    clash = () if _feasible(build, program, others) else fewest_in_conflict(build, program, others)
    return KeepablePromise(
        name=promise.label,
        direction=promise.direction,
        bound=promise.bound,
        nearest=None if clash else nearest(build, program, promise, others),
        unit=promise.indicator.unit,
        clashing_without=labels(clash),
    )


def _feasible(build: Any, program: Program, promises: Sequence[Promise]) -> bool:
    """Whether promises can be kept; also where the solver cannot tell."""
    return _kept(build, program, promises, ()) is not None


def _kept(
    build: Any, program: Program, wanted: Sequence[Promise], promises: Sequence[Promise]
) -> set[str] | None:
    """Return the labels of promises kept by a plan that keeps those wanted; None if none does.

    Where the solver cannot tell, those wanted count as kept.
    """
    demands = promised_state.demanded(program, wanted)
    model = promised_state.build_program(build, demands, wanted)
    labels, status = {each.label for each in wanted}, Status.LIMIT
    for attempt in (optimize, optimize_scaled):
        outcome = attempt(model)
        status = outcome.status
        if status is Status.OPTIMAL:
            point = promised_state.point_of(model, outcome, demands)
            return labels | {each.label for each in promises if _keeps(point, each)}
    return None if status is Status.INFEASIBLE else labels


def _keeps(point: Point, promise: Promise) -> bool:
    """Whether a plan keeps a promise, without any tolerance."""
    if promise.form.empty_decode_buffer and point.decode_queue.any():
        return False
    value = promise.value(point)
    return value <= promise.bound if promise.direction == "at_most" else value >= promise.bound


def _solved(build: Any, program: Program, promises: Sequence[Promise]) -> bool:
    """Whether there is an optimum that stands up to verification."""
    demands = promised_state.demanded(program, promises)
    return promised_state.optimum(build, demands, promises).status is Status.OPTIMAL


def _best(
    build: Any, program: Program, promise: Promise, others: Sequence[Promise]
) -> float | None:
    r"""Return the best value of the indicator of a promise beside the others, None if none.

    The least :math:`N/D` by the steps of Dinkelbach: from a plan with :math:`D>0` on, each step
    minimises :math:`N-\eta D`, with :math:`\eta` the value at the plan before, until nothing is
    gained. Plans with :math:`D=0` stand in no way: one with :math:`N=0` keeps any promise, so
    that none would be in conflict, and one with :math:`N>0` never is the least. Of a promise
    ``at_least``, the largest.
    """
    program = promised_state.demanded(program, [promise, *others])
    form = promise.form
    point = _minimise(build, program, others, promise, form.denominator.times(-1))
    if point is None:
        return None
    value, towards = promise.value(point), 1 if promise.direction == "at_most" else -1
    for _ in range(MOST_STEPS):
        if not np.isfinite(value):
            return None
        excess = form.excess(promise.direction, value)
        point = _minimise(build, program, others, promise, excess)
        if point is None:
            return None
        found = promise.value(point)
        if not towards * (value - found) > 0:
            return value
        value = found
    return value


def _minimise(
    build: Any, program: Program, kept: Sequence[Promise], about: Promise, goal: Affine
) -> Point | None:
    """Return where an affine function of the form of a promise is least, the others kept."""
    model = promised_state.build_program(build, program, kept)
    block = add_form(model, "sought", about.form)
    for objective in model.component_data_objects(pyo.Objective, active=True):
        objective.deactivate()
    block.goal = pyo.Objective(expr=expression(model, block, goal), sense=pyo.minimize)
    for attempt in (optimize, optimize_scaled):
        outcome = attempt(model)
        if outcome.status is Status.OPTIMAL:
            return promised_state.point_of(model, outcome, program)
    return None


def _with_bound(promise: Promise, bound: float) -> Promise:
    return replace(promise, sli=promise.sli.model_copy(update={promise.direction: bound}))


def _outward(promise: Promise, value: float) -> Iterator[float]:
    """Yield a value rounded to the looser side, then looser and looser ones."""
    for step in range(MOST_ROUNDINGS):
        bound = outward(value, promise.direction, 2**step - 1)
        possible = min(max(bound, promise.indicator.lowest), promise.indicator.highest)
        yield possible
        if possible != bound:
            return
