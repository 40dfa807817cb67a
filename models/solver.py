"""The seam to the solver: a Pyomo model goes in, a status with numbers comes out.

This is the only module that names HiGHS. Small models go through `pyomo.contrib.solver`. Large
ones, and those whose first answer did not stand up to verification, are compiled to matrices,
equilibrated and handed over directly: translation is then faster, and coefficients too small
for the solver's absolute tolerances (1e-9 and less are dropped) come within its reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap
from pyomo.contrib.solver.common.results import TerminationCondition
from pyomo.contrib.solver.solvers.highs import Highs
from pyomo.repn import generate_standard_repn

from gnr.arrays import Floats

LARGE_MODEL = 2_000
"""Number of variables above which a model is compiled to matrices."""

TOLERANCE = 1e-9
"""Primal and dual feasibility tolerance asked of the solver; its default is 1e-7."""


class Status(StrEnum):
    """How a solve ended. Only OPTIMAL comes with numbers."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    LIMIT = "limit"
    """The solver stopped for any other reason: nothing is known."""


@dataclass(frozen=True)
class Outcome:
    """What a solve found.

    Attributes
    ----------
    status
        How it ended.
    objective
        Optimal value in the stated sense; nan unless optimal.
    values
        Value of each Pyomo variable data; empty unless optimal.
    duals
        Multiplier of each constraint data, the derivative of the optimal value in its
        right-hand side, in the stated sense; empty unless optimal.
    """

    status: Status
    objective: float = float("nan")
    values: Mapping[Any, float] = field(default_factory=ComponentMap)
    duals: Mapping[Any, float] = field(default_factory=ComponentMap)

    def primal(self, variable: Any, size: int) -> Floats:
        """Return the values of an indexed variable as an array of `size`, 0 where absent."""
        return _spread(variable, self.values, size)

    def dual(self, constraint: Any, size: int) -> Floats:
        """Return the multipliers of an indexed constraint as an array, 0 where absent."""
        return _spread(constraint, self.duals, size)


@dataclass(frozen=True)
class Matrices:
    """A linear model as matrices, variables at least 0.

    Attributes
    ----------
    matrix
        Coefficients, SciPy sparse by column, shape ``(rows, columns)``.
    right_side
        Bounds, shape ``(rows,)``.
    sense
        1 for ``<=``, 0 for ``=``, -1 for ``>=``; shape ``(rows,)``.
    cost
        Objective as it is stated, shape ``(columns,)``, and its constant.
    rows, columns
        Pyomo constraint and variable data in the order of the matrix.
    """

    matrix: Any
    right_side: Floats
    sense: Floats
    cost: Floats
    constant: float
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]


def matrices(model: Any) -> Matrices:
    """Return a linear Pyomo model as matrices."""
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
    return Matrices(
        form.A.tocsc(),
        np.asarray(form.rhs),
        np.array([row.bound_type for row in form.rows]),
        form.c.toarray()[0],
        float(form.c_offset[0]),
        tuple(row.constraint for row in form.rows),
        tuple(form.columns),
    )


def optimize(model: Any) -> Outcome:
    """Solve a linear Pyomo model; never raises for a model without an optimum."""
    size = sum(len(variable) for variable in model.component_objects(pyo.Var))
    return optimize_scaled(model) if size > LARGE_MODEL else _optimize_pyomo(model)


def optimize_scaled(model: Any) -> Outcome:
    """Solve a linear Pyomo model by way of matrices equilibrated by powers of two."""
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
    (objective,) = form.objectives
    matrix, cost = form.A.tocsc(), form.c.toarray()[0]
    rows, columns, money = _equilibrate(matrix, cost)
    scaled = matrix.copy()
    scaled.data *= rows[matrix.indices] * np.repeat(columns, np.diff(matrix.indptr))
    right_side = np.asarray(form.rhs) * rows
    size = np.max(np.abs(right_side), initial=0.0) or 1.0

    program = highspy.HighsLp()
    program.num_row_, program.num_col_ = matrix.shape
    program.sense_ = (
        highspy.ObjSense.kMaximize
        if objective.sense == pyo.maximize
        else highspy.ObjSense.kMinimize
    )
    program.col_cost_ = cost * columns * money
    lower, upper = _bounds(form.columns)
    program.col_lower_, program.col_upper_ = lower / columns / size, upper / columns / size
    kind = np.array([row.bound_type for row in form.rows])
    right_side = right_side / size
    program.row_lower_ = np.where(kind == 1, -highspy.kHighsInf, right_side)
    program.row_upper_ = np.where(kind == -1, highspy.kHighsInf, right_side)
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = scaled.indptr.astype(np.int32)
    program.a_matrix_.index_ = scaled.indices.astype(np.int32)
    program.a_matrix_.value_ = scaled.data

    solver = _new_highs(large=matrix.shape[1] > LARGE_MODEL)
    solver.passModel(program)
    status = _run(solver)
    if status is not Status.OPTIMAL:
        return Outcome(status)
    solution = solver.getSolution()
    values = np.asarray(solution.col_value) * columns * size
    duals = np.asarray(solution.row_dual) * rows / money
    return Outcome(
        status,
        float(cost @ values + form.c_offset[0]),
        ComponentMap(zip(form.columns, values.tolist(), strict=True)),
        ComponentMap(zip((row.constraint for row in form.rows), duals.tolist(), strict=True)),
    )


class KeptSolver:
    """A linear model kept with its solver, for many solves with other values of its parameters.

    The structure is compiled once. Each solve reads all numbers anew, so that none can be stale,
    and begins from the basis in which the last one ended.

    Parameters
    ----------
    model
        A linear Pyomo model whose variables are at least 0. Its mutable parameters may change
        between solves, nothing else.
    """

    def __init__(self, model: Any) -> None:
        (objective,) = model.component_data_objects(pyo.Objective, active=True)
        self._rows = list(model.component_data_objects(pyo.Constraint, active=True))
        parts = [generate_standard_repn(row.body, compute_values=False) for row in self._rows]
        goal = generate_standard_repn(objective.expr, compute_values=False)
        seen = ComponentMap()
        for part in (goal, *parts):
            for variable in part.linear_vars:
                seen.setdefault(variable, len(seen))
        self._columns = list(seen)
        self._goal, self._constants = goal, [part.constant for part in parts]
        self._maximize = objective.sense == pyo.maximize
        self._goal_columns = [seen[variable] for variable in goal.linear_vars]
        self._starts = np.cumsum([0, *(len(part.linear_vars) for part in parts)])
        self._index = [seen[variable] for part in parts for variable in part.linear_vars]
        self._coefficients = [each for part in parts for each in part.linear_coefs]
        self._solver = _new_highs(large=len(seen) > LARGE_MODEL)
        self._solver.setOptionValue("small_matrix_value", 1e-12)
        self._solver.setOptionValue("presolve", "off")  # it would throw the basis away
        self._basis: Any = None

    def optimize(self) -> Outcome:
        """Solve the model as it is now."""
        solver = self._solver
        solver.passModel(self._program())
        if self._basis is not None:
            solver.setBasis(self._basis)
        status = _run(solver)
        if status is not Status.OPTIMAL:
            return Outcome(status)
        self._basis = solver.getBasis()
        found = solver.getSolution()
        return Outcome(
            status,
            float(solver.getInfo().objective_function_value),
            ComponentMap(zip(self._columns, found.col_value, strict=True)),
            ComponentMap(zip(self._rows, found.row_dual, strict=True)),
        )

    def _program(self) -> Any:
        """Return the model in numbers."""
        cost = np.zeros(len(self._columns))
        cost[self._goal_columns] = [pyo.value(each) for each in self._goal.linear_coefs]
        constants = np.array([pyo.value(each) for each in self._constants])
        program = highspy.HighsLp()
        program.num_row_, program.num_col_ = len(self._rows), len(self._columns)
        program.sense_ = (
            highspy.ObjSense.kMaximize if self._maximize else highspy.ObjSense.kMinimize
        )
        program.col_cost_, program.offset_ = cost, float(pyo.value(self._goal.constant))
        program.col_lower_ = np.zeros(len(cost))
        program.col_upper_ = np.full(len(cost), highspy.kHighsInf)
        lower = [_side(row.lower, -highspy.kHighsInf) for row in self._rows]
        upper = [_side(row.upper, highspy.kHighsInf) for row in self._rows]
        program.row_lower_, program.row_upper_ = lower - constants, upper - constants
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        program.a_matrix_.start_ = self._starts
        program.a_matrix_.index_ = self._index
        program.a_matrix_.value_ = np.array([pyo.value(each) for each in self._coefficients])
        return program


def _side(bound: Any, absent: float) -> float:
    return absent if bound is None else float(pyo.value(bound))


def _optimize_pyomo(model: Any) -> Outcome:
    solver = Highs()
    try:
        results = _call_pyomo(solver, model, presolve="choose")
        if results.termination_condition is TerminationCondition.infeasibleOrUnbounded:
            results = _call_pyomo(solver, model, presolve="off")
    except IndexError:  # HiGHS refused a row or column, its coefficients being out of range
        return Outcome(Status.LIMIT)
    condition = results.termination_condition
    if condition is TerminationCondition.convergenceCriteriaSatisfied:
        loader, value = results.solution_loader, results.incumbent_objective
        if value is None:  # HiGHS broke down, and claims an optimum all the same
            return Outcome(Status.LIMIT)
        return Outcome(Status.OPTIMAL, float(value), loader.get_vars(), loader.get_duals())
    if condition is TerminationCondition.provenInfeasible:
        return Outcome(Status.INFEASIBLE)
    if condition is TerminationCondition.unbounded:
        return Outcome(Status.UNBOUNDED)
    return Outcome(Status.LIMIT)


def _call_pyomo(solver: Any, model: Any, presolve: str) -> Any:
    return solver.solve(
        model,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        threads=1,
        solver_options={
            "presolve": presolve,
            "primal_feasibility_tolerance": TOLERANCE,
            "dual_feasibility_tolerance": TOLERANCE,
            "small_matrix_value": 1e-12,
        },
    )


class _Quiet(highspy.Highs):
    """HiGHS without a word: its constructor enables callbacks, which prints a banner."""

    def enableCallbacks(self) -> None:  # noqa: N802 (the name is of HiGHS)
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def _new_highs(large: bool) -> Any:
    solver: Any = _Quiet()  # type: ignore[no-untyped-call]
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("primal_feasibility_tolerance", TOLERANCE)
    solver.setOptionValue("dual_feasibility_tolerance", TOLERANCE)
    if large:
        solver.setOptionValue("solver", "ipm")
    return solver


def _run(solver: Any) -> Status:
    """Run HiGHS and tell how it ended; an undecided presolve is run again without it."""
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kUnboundedOrInfeasible:
        solver.setOptionValue("presolve", "off")
        solver.run()
    return {
        highspy.HighsModelStatus.kOptimal: Status.OPTIMAL,
        highspy.HighsModelStatus.kInfeasible: Status.INFEASIBLE,
        highspy.HighsModelStatus.kUnbounded: Status.UNBOUNDED,
    }.get(solver.getModelStatus(), Status.LIMIT)


def _equilibrate(matrix: Any, cost: Floats) -> tuple[Floats, Floats, float]:
    """Return powers of two that bring rows, columns and cost near magnitude 1.

    Two passes of geometric means over the nonzero entries; the cost is scaled by its largest
    entry afterwards.
    """
    rows, columns = np.ones(matrix.shape[0]), np.ones(matrix.shape[1])
    entry_row = matrix.indices
    entry_column = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    logs = np.log2(np.abs(np.where(matrix.data == 0, 1.0, matrix.data)))
    for _ in range(2):
        rows = _geometric(logs + np.log2(columns)[entry_column], entry_row, len(rows))
        columns = _geometric(logs + np.log2(rows)[entry_row], entry_column, len(columns))
    largest = float(np.max(np.abs(cost * columns), initial=0.0)) or 1.0
    return rows, columns, float(2.0 ** -np.round(np.log2(largest)))


def _geometric(logs: Floats, index: Any, count: int) -> Floats:
    """Return 2**(-mean log) per index, rounded to a power of two; 1 for an empty index."""
    total = np.bincount(index, weights=logs, minlength=count)
    number = np.maximum(np.bincount(index, minlength=count), 1)
    return np.asarray(2.0 ** -np.round(total / number))


def _bounds(columns: Any) -> tuple[Floats, Floats]:
    pairs = [column.bounds for column in columns]
    lower = [-highspy.kHighsInf if low is None else low for low, _ in pairs]
    upper = [highspy.kHighsInf if high is None else high for _, high in pairs]
    return np.array(lower, dtype=float), np.array(upper, dtype=float)


def _spread(component: Any, numbers: Mapping[Any, float], size: int) -> Floats:
    found = np.zeros(size)
    for index, data in component.items():
        found[index] = numbers.get(data, 0.0)
    return found
