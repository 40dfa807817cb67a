"""Answers to any linear program: a bound on their error, and the optimum that is preferred.

For programs with promises, whose rows are not known beforehand: all is done on the matrices.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo

from gnr.arrays import Floats
from gnr.models.solver import Matrices, Outcome, Status, matrices, optimize, optimize_scaled

NOTICEABLE = 1e-7
"""Reduced cost or multiplier, relative to its magnitude, that counts as more than rounding."""


NOTHING = 1e-13
"""Share of the most that a column can be up to which it is 0 but for rounding."""


@dataclass(frozen=True)
class Answer:
    """A point and multipliers of a program, with a bound on their error.

    Attributes
    ----------
    program
        The matrices.
    values, duals
        Of the columns and of the rows, shapes ``(columns,)`` and ``(rows,)``.
    error
        Largest relative infeasibility, or relative distance to the best value, whichever is more.
    bound
        No feasible point has a larger objective, by weak duality.
    """

    program: Matrices
    values: Floats
    duals: Floats
    error: float
    bound: float


@dataclass(frozen=True)
class Solved:
    """How a program was solved; `answer` only if there is an optimum that stands up."""

    status: Status
    outcome: Outcome
    answer: Answer | None = None


def solve_verified(
    model: Any, largest: Callable[[Outcome, Matrices], Floats], accepted: float
) -> Solved:
    """Solve a program, in equilibrated form where the first answer does not stand up.

    `largest` returns upper bounds of the columns for an outcome, as `answer` wants them;
    `accepted` is the largest error with which an answer is believed.
    """
    solved = Solved(Status.LIMIT, Outcome(Status.LIMIT))
    for attempt in (optimize, optimize_scaled):
        outcome = attempt(model)
        solved = Solved(outcome.status, outcome)
        if outcome.status is not Status.OPTIMAL:
            continue
        program = matrices(model)
        found = answer(program, outcome, largest(outcome, program))
        if found.error <= accepted:
            return Solved(outcome.status, outcome, found)
        solved = Solved(Status.LIMIT, outcome)
    return solved


def answer(program: Matrices, outcome: Outcome, largest: Floats | float) -> Answer:
    """Return the answer of the solver with a bound on its error, found without the solver.

    `largest` are upper bounds of the columns, shape ``(columns,)``, that every feasible point
    keeps: a violated dual constraint hides at most its violation times that, and a column that is
    as good as 0 against it is taken for 0. Else a row in which all are rounding would be judged by
    the size of that.
    """
    values = np.array([outcome.values.get(column, 0.0) for column in program.columns])
    values = np.where(np.abs(values) <= NOTHING * largest, 0.0, values)
    duals = np.array([outcome.duals.get(row, 0.0) for row in program.rows])
    error, bound = _errors(program, values, duals, largest)
    return Answer(program, values, duals, error, bound)


def _errors(
    program: Matrices, values: Floats, duals: Floats, largest: Floats | float
) -> tuple[float, float]:
    """Return the error of an answer and an upper bound on the objective."""
    matrix, right, sense = program.matrix, program.right_side, program.sense
    left = matrix @ values
    size = abs(matrix) @ np.abs(values) + np.abs(right)
    over = np.where(sense >= 0, left - right, 0.0)
    under = np.where(sense <= 0, right - left, 0.0)
    missed = np.maximum(over, under) / np.where(size > 0, size, 1.0)
    negative = -values.min(initial=0.0)
    duals = np.where(sense == 0, duals, np.where(sense * duals > 0, duals, 0.0))
    short = np.maximum(program.cost - matrix.T @ duals, 0.0)
    earned = float(program.cost @ values)
    dual, hidden = float(right @ duals), float(np.sum(short * largest))
    scale = abs(earned) + float(np.abs(program.cost) @ np.abs(values)) or 1.0
    error = max(missed.max(initial=0.0), negative, (abs(dual - earned) + hidden) / scale)
    return float(error), dual + hidden + program.constant


def prefer(model: Any, found: Answer, preference: Any) -> Outcome | None:
    """Return, of the optima of a model, the one that a linear preference likes best.

    Every optimum has a variable at 0 where the reduced cost is not 0, and a row tight where the
    multiplier is not: with these conditions added, the preference is maximised. None if rounding
    leaves nothing. The model is left as it was.
    """
    program = found.program
    reduced = program.matrix.T @ found.duals - program.cost
    magnitude = abs(program.matrix).T @ np.abs(found.duals) + np.abs(program.cost)
    idle = reduced > NOTICEABLE * magnitude
    scale = np.max(np.abs(found.duals) * (np.abs(program.right_side) + 1), initial=0.0)
    tight = (program.sense != 0) & (np.abs(found.duals) > NOTICEABLE * (scale or 1.0))
    block = pyo.Block()
    model.add_component("preference", block)
    (goal,) = model.component_data_objects(pyo.Objective, active=True)
    block.idle = pyo.ConstraintList()
    block.tight = pyo.ConstraintList()
    for column, still in zip(program.columns, idle, strict=True):
        if still:
            block.idle.add(column == 0)
    for row, full in zip(program.rows, tight, strict=True):
        if full:
            block.tight.add(row.body == (row.upper if row.has_ub() else row.lower))
    goal.deactivate()
    block.goal = pyo.Objective(expr=preference, sense=pyo.maximize)
    try:
        outcome = optimize(model)
    finally:
        model.del_component(block)
        goal.activate()
    return outcome if outcome.status is Status.OPTIMAL else None
