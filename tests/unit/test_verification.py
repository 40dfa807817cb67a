"""An answer that is not optimal is not called optimal, whatever the solver says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gnr.instance import Instance
from gnr.models import steady_state
from gnr.models.point import Multipliers, Point, Program, bundled_weights
from gnr.models.solver import Outcome, Status, optimize
from gnr.models.steady_state import solve
from gnr.models.verification import ACCEPTED_ERROR, infeasibility, suboptimality
from gnr.rates import rates_of
from gnr.reading import load
from gnr.result import Solution


@pytest.fixture
def base() -> tuple[Instance, Point, Multipliers]:
    instance = load("two-class")
    return instance, *_numbers(solve(instance))


def _numbers(solution: Solution) -> tuple[Point, Multipliers]:
    point = Point(
        *(
            np.array([getattr(each, field) for each in solution.classes])
            for field in Point.__dataclass_fields__
        )
    )
    multipliers = Multipliers(
        *(worth or 0.0 for worth in solution.marginals.values()),
        np.array([each.marginal_value for each in solution.classes]),
        np.array([each.decode_marginal for each in solution.classes]),
    )
    return point, multipliers


def bound(instance: Instance, point: Point, multipliers: Multipliers) -> float:
    rates = rates_of(instance)
    program = Program(rates, bundled_weights(rates), empty_decode_buffer=False)
    return suboptimality(program, multipliers, point)


def test_the_optimum_passes(base: Any) -> None:
    instance, point, multipliers = base
    assert infeasibility(rates_of(instance), point) <= 1e-14
    assert abs(bound(instance, point, multipliers)) <= 1e-14


@pytest.mark.parametrize("field", ["prefill", "mixed_decode", "solo_decode", "prefill_queue"])
@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6])
def test_a_point_moved_by_a_millionth_fails(base: Any, field: str, factor: float) -> None:
    instance, point, multipliers = base
    moved = replace(point, **{field: getattr(point, field) * factor})
    wrong = max(infeasibility(rates_of(instance), moved), bound(instance, moved, multipliers))
    assert wrong > ACCEPTED_ERROR


@pytest.mark.parametrize(
    "field",
    ["mixed_decode_capacity", "solo_decode_capacity", "marginal_value", "decode_marginal"],
)
@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6, -1])
def test_a_multiplier_moved_by_a_millionth_or_of_wrong_sign_fails(
    base: Any, field: str, factor: float
) -> None:
    instance, point, multipliers = base
    moved = replace(multipliers, **{field: getattr(multipliers, field) * factor})
    assert bound(instance, point, moved) > ACCEPTED_ERROR


def test_a_disaggregated_optimum_passes_without_the_columns_of_mixed_decodes_only() -> None:
    """Mixed decodes would earn more: their dual constraints are violated, and must not count."""
    solution = solve(load("two-class"), disaggregated=True)
    point, multipliers = _numbers(solution)
    rates = rates_of(solution.instance)
    program = Program(rates, bundled_weights(rates), False, disaggregated=True)
    assert suboptimality(program, multipliers, point) <= 1e-14
    assert suboptimality(replace(program, disaggregated=False), multipliers, point) > 0.01
    for field in ("solo_decode_capacity", "marginal_value", "decode_marginal"):
        moved = replace(multipliers, **{field: getattr(multipliers, field) * (1 - 1e-6)})
        assert suboptimality(program, moved, point) > ACCEPTED_ERROR


class Liar:
    """A solver whose answers are changed before they are passed on."""

    def __init__(self, change: Any) -> None:
        self.change, self.calls = change, 0

    def __call__(self, model: Any) -> Outcome:
        self.calls += 1
        found = optimize(model)
        self.change(model, found)
        return found


def halve_the_prefill(model: Any, found: Outcome) -> None:
    for each in model.prefill_occupancy.values():
        found.values[each] *= 0.5


def turn_the_duals(model: Any, found: Outcome) -> None:
    for each in model.prefill_balance.values():
        found.duals[each] *= -1


@pytest.mark.parametrize("change", [halve_the_prefill, turn_the_duals])
def test_a_wrong_answer_is_asked_for_again_and_then_not_believed(
    change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = Liar(change)
    monkeypatch.setattr(steady_state, "optimize", liar)
    assert solve(load("two-class")).status == "optimal", "the second route mends it"
    assert liar.calls == 1
    monkeypatch.setattr(steady_state, "optimize_scaled", liar)
    solution = solve(load("two-class"))
    assert solution.status == "limit"
    assert solution.revenue_rate is None
    assert any("nothing is known" in warning for warning in solution.warnings)


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.UNBOUNDED, Status.LIMIT])
def test_infeasible_is_not_believed_where_every_class_leaves(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    for route in ("optimize", "optimize_scaled"):
        monkeypatch.setattr(steady_state, route, lambda model: Outcome(status))
    assert solve(load("two-class")).status == "limit"
