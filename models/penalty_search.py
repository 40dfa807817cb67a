r"""The optimum under penalties that are not linear, to a stated tolerance with a proven bound.

Every program solved here is a relaxation (`gnr.models.penalties`): its value is an upper bound, and
its optimum a plan with a true value below. Where they differ, a convex penalty gets one more
tangent; for any other one the box of its indicator and its denominator is split in two, and the box
with the largest bound goes first. The planes of a box miss a penalty by at most the product of its
two widths, so that boxes need not become small.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap

from gnr.models.linear_answer import Solved
from gnr.models.penalties import Box, Curved, charge
from gnr.models.solver import Outcome, Status

TOLERANCE = 1e-8
"""Largest distance of the bound from the value, and largest error of a program that is solved.

Relative to the revenue that could be had without these penalties, or to revenue plus penalties.
"""

MOST_PROGRAMS = 2_000
"""Programs after which a search gives up."""

MARGIN = 3e-5
"""By how much the first box is wider than need be, and the last one around the optimum, relative:
so that no multiplier is lost to its sides."""

SHARE = 0.1
"""Least share of a box that either half gets."""

Boxes = tuple[Box, ...]


@dataclass(frozen=True)
class Worth:
    """What a plan earns.

    Attributes
    ----------
    revenue, penalty
        Money/s per GPU; the true penalty, infinite where it has no finite value.
    """

    revenue: float
    penalty: float

    @property
    def value(self) -> float:
        """Revenue less penalties."""
        return self.revenue - self.penalty


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes
    ----------
    solved
        The last program, which the model still holds; its status is that of the search.
    bound
        No plan has a larger value, money/s per GPU; infinite if nothing is known.
    allowed
        Distance of the bound from the value that is within the tolerance, money/s per GPU.
    """

    solved: Solved
    bound: float = float("inf")
    allowed: float = 0.0


def search(
    model: Any,
    curved: Sequence[Curved],
    solve: Callable[[], Solved],
    worth: Callable[[Outcome], Worth],
) -> Found:
    """Return the optimum of a model whose penalties `curved` are not linear.

    Parameters
    ----------
    model
        A model to be maximised that has all of its promises and penalties.
    curved
        Those of its penalties that are only held from below.
    solve
        Solves the model as it is.
    worth
        Returns the true worth of an outcome of the model.
    """
    relaxed = solve()
    if relaxed.answer is None:
        return Found(relaxed)
    revenue = worth(relaxed.outcome).revenue
    allowed = TOLERANCE * revenue
    if not curved:
        return Found(relaxed, relaxed.answer.bound, allowed)
    boxes = _first_boxes(model, curved, solve, worth, relaxed, allowed)
    if boxes is None:
        return Found(Solved(Status.LIMIT, relaxed.outcome))
    number = count()
    waiting = [(-relaxed.answer.bound, next(number), boxes)]
    for _ in range(MOST_PROGRAMS):
        if not waiting:
            return Found(Solved(Status.LIMIT, Outcome(Status.LIMIT)))
        above, _, boxes = heapq.heappop(waiting)
        for each, box in zip(curved, boxes, strict=True):
            each.confine(box)
        solved = solve()
        if solved.status is Status.INFEASIBLE:
            continue
        if solved.answer is None:
            return Found(solved)
        own = min(solved.answer.bound, -above)
        bound = max([own, *(-key for key, _, _ in waiting[:1])])
        found = worth(solved.outcome)
        allowed = TOLERANCE * max(revenue, found.revenue + found.penalty)
        if bound - found.value <= allowed:
            return _settled(curved, boxes, solve, worth, Found(solved, bound, allowed))
        for halves in _refined(curved, boxes, solved.outcome):
            heapq.heappush(waiting, (-own, next(number), halves))
    bound = max((-key for key, _, _ in waiting), default=float("inf"))
    return Found(Solved(Status.LIMIT, Outcome(Status.LIMIT)), bound)


def _refined(curved: Sequence[Curved], boxes: Boxes, outcome: Outcome) -> list[Boxes]:
    """Return the boxes to look into next, after cutting or splitting what is furthest off."""
    missing = [_missing(each, outcome) for each in curved]
    worst = max(range(len(curved)), key=missing.__getitem__)
    if not curved[worst].convex:
        return [
            (*boxes[:worst], half, *boxes[worst + 1 :])
            for half in _halves(boxes[worst], *curved[worst].quotient(outcome))
        ]
    for each, distance in zip(curved, missing, strict=True):
        if each.convex and distance > 0:
            each.cut(outcome)
    return [boxes]


def _missing(each: Curved, outcome: Outcome) -> float:
    """Return by how much the model's penalty is below the true one."""
    above, below = each.quotient(outcome)
    if below <= 0:
        return float("inf") if above > 0 else 0.0
    return float(charge(each.promise, above / below)) - outcome.values.get(each.cost, 0.0)


def _halves(box: Box, above: float, below: float) -> tuple[Box, Box]:
    """Return a box in two, split across its relatively wider side near the solver's point."""
    if (box.most - box.least) * box.widest >= (box.widest - box.narrowest) * box.most:
        at = _inside(box.least, above / below if below > 0 else box.least, box.most)
        return replace(box, most=at), replace(box, least=at)
    at = _inside(box.narrowest, below, box.widest)
    return replace(box, widest=at), replace(box, narrowest=at)


def _inside(low: float, wanted: float, high: float) -> float:
    edge = SHARE * (high - low)
    return min(max(wanted, low + edge), high - edge)


def _settled(
    curved: Sequence[Curved],
    boxes: Boxes,
    solve: Callable[[], Solved],
    worth: Callable[[Outcome], Worth],
    found: Found,
) -> Found:
    """Return the optimum of a program in which no side of a box bears a multiplier.

    An optimum at a vertex is that of the program with the tangents there; any other one is looked
    for once more inside small boxes around it.
    """
    here = found.solved.outcome
    split = [each for each in curved if not each.convex and each.quotient(here)[1] > 0]
    if not split:
        return found
    for each in split:
        each.linearize(here)
    solved = solve()
    if solved.answer is not None and found.bound - worth(solved.outcome).value <= found.allowed:
        return replace(found, solved=solved)
    for each in split:
        each.confine(_around(*each.quotient(here)))
    solved = solve()
    if solved.answer is not None and found.bound - worth(solved.outcome).value <= found.allowed:
        return replace(found, solved=solved)
    for each, box in zip(curved, boxes, strict=True):
        each.confine(box)
    return replace(found, solved=solve())


def _around(above: float, below: float) -> Box:
    less, more, value = 1 - MARGIN, 1 + MARGIN, above / below
    return Box(less * value, more * value, less * below, more * below)


def _first_boxes(
    model: Any,
    curved: Sequence[Curved],
    solve: Callable[[], Solved],
    worth: Callable[[Outcome], Worth],
    relaxed: Solved,
    allowed: float,
) -> Boxes | None:
    """Return boxes that the optimum lies in; None if no plan has a finite penalty.

    A plan that serves some of everybody is worth something, and the relaxed program bounds the
    revenue: the difference is the most that the optimum can lose by a penalty.
    """
    ends = [
        tuple(_extreme(model, sign * each.denominator, solve) for sign in (-1, 1))
        for each in curved
    ]
    if relaxed.answer is None or any(each.answer is None for pair in ends for each in pair):
        return None
    serving = _mean([most.outcome for _, most in ends])
    known = max(worth(serving).value, worth(relaxed.outcome).value)
    most = (1 + MARGIN) * (relaxed.answer.bound - known) + allowed
    if most == float("inf"):
        return None
    return tuple(
        _first_box(each, most, *(abs(end.outcome.objective) for end in pair))
        for each, pair in zip(curved, ends, strict=True)
    )


def _first_box(each: Curved, most: float, narrowest: float, widest: float) -> Box:
    indicator, weight = each.promise.indicator, float(each.promise.sli.penalty_weight or 0.0)
    narrowest, widest = (1 - MARGIN) * narrowest, (1 + MARGIN) * widest
    if indicator.best is None:
        return Box(indicator.lowest, min(indicator.highest, most / weight), narrowest, widest)
    best = float(indicator.best(each.promise.scope))
    return Box(max(indicator.lowest, best - most / weight), best, narrowest, widest)


def _extreme(model: Any, expression: Any, solve: Callable[[], Solved]) -> Solved:
    """Solve the model for the largest value of an expression instead of its own objective."""
    (goal,) = model.component_data_objects(pyo.Objective, active=True)
    goal.deactivate()
    model.extreme = pyo.Objective(expr=expression, sense=pyo.maximize)
    try:
        return solve()
    finally:
        model.del_component("extreme")
        goal.activate()


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the point between outcomes of one model, feasible as they are."""
    values: Any = ComponentMap()
    for each in outcomes:
        for data, value in each.values.items():
            values[data] = values.get(data, 0.0) + value / len(outcomes)
    return Outcome(Status.OPTIMAL, values=values)
