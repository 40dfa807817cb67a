"""The seam to the solver: statuses, signs of duals, and coefficients out of its range."""

import itertools
from types import SimpleNamespace
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.results import TerminationCondition

from gnr.models import solver
from gnr.models.solver import Status, optimize, optimize_scaled

ROUTES = (optimize, optimize_scaled)


def one_row(sense: Any, relation: str) -> Any:
    """Return a model with one binding row whose right side is 2.

    max x or min -x under x <= 2 or x == 2; min x or max -x under x >= 2.
    """
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(domain=pyo.NonNegativeReals)
    body = {"<=": model.x <= 2, ">=": model.x >= 2, "==": model.x == 2}[relation]
    model.row = pyo.Constraint(expr=body)
    wants_large = relation != ">="
    sign = 1 if (sense == pyo.maximize) == wants_large else -1
    model.goal = pyo.Objective(expr=sign * 3 * model.x, sense=sense)
    return model


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("sense", "relation"),
    list(itertools.product((pyo.maximize, pyo.minimize), ("<=", ">=", "=="))),
)
def test_duals_are_derivatives_in_the_right_side_in_the_stated_sense(
    route: Any, sense: Any, relation: str
) -> None:
    model = one_row(sense, relation)
    found = route(model)
    model.x.set_value(1.0)
    coefficient = pyo.value(model.goal)
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(2 * coefficient)
    assert found.duals[model.row] == pytest.approx(coefficient)


@pytest.mark.parametrize("route", ROUTES)
def test_infeasible_unbounded_and_limit_are_never_an_optimum(route: Any) -> None:
    infeasible = one_row(pyo.maximize, "<=")
    infeasible.impossible = pyo.Constraint(expr=infeasible.x >= 3)
    unbounded = one_row(pyo.maximize, ">=")
    unbounded.goal.deactivate()
    unbounded.more = pyo.Objective(expr=unbounded.x, sense=pyo.maximize)
    for model, status in ((infeasible, Status.INFEASIBLE), (unbounded, Status.UNBOUNDED)):
        found = route(model)
        assert found.status is status
        assert len(found.values) == 0


@pytest.mark.parametrize("route", ROUTES)
def test_a_solver_that_gives_up_is_a_limit(route: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import highspy

    run = highspy.Highs.run

    def give_up(self: Any) -> Any:
        self.setOptionValue("presolve", "off")
        self.setOptionValue("simplex_iteration_limit", 0)
        return run(self)

    monkeypatch.setattr(highspy.Highs, "run", give_up)
    model = one_row(pyo.maximize, "<=")
    model.y = pyo.Var(range(30), domain=pyo.NonNegativeReals)
    model.rows = pyo.Constraint(
        range(29), rule=lambda m, i: m.y[i] + (i + 1) * m.y[i + 1] >= 1 + m.x
    )
    assert route(model).status is Status.LIMIT


def test_scaled_route_keeps_coefficients_the_solver_would_drop() -> None:
    model: Any = pyo.ConcreteModel()
    model.x = pyo.Var(domain=pyo.NonNegativeReals)
    model.row = pyo.Constraint(expr=1e-13 * model.x <= 1)
    model.goal = pyo.Objective(expr=model.x, sense=pyo.maximize)
    assert optimize(model).status is Status.UNBOUNDED, "dropped by the solver: the reason to scale"
    found = optimize_scaled(model)
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(1e13)


def test_an_optimum_without_a_value_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """What HiGHS answers where it breaks down, now and then."""
    broken = SimpleNamespace(
        termination_condition=TerminationCondition.convergenceCriteriaSatisfied,
        incumbent_objective=None,
        solution_loader=None,
    )
    monkeypatch.setattr(solver, "_call_pyomo", lambda *_, **__: broken)
    assert optimize(one_row(pyo.maximize, "<=")).status is Status.LIMIT
