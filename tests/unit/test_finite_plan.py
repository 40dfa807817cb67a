"""The document of a plan for n GPUs, and who follows such a plan."""

from pathlib import Path

import pytest
import rich

import gnr
from gnr.finite_plan import FinitePlan
from gnr.validation.policies import find_policy
from gnr.validation.studies.optima import planning_optimum, policy_plan

BACKPRESSURE = "gate-and-route-backpressure"


def test_a_prediction_says_so_and_lists_every_size_it_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = gnr.plan_for_size(gnr.load("two-class"), 20, most_simulated=0)
    assert (found.decided_by, found.plan.mixed_gpus) == ("prediction", found.sizes[0].mixed_gpus)
    assert all(each.gap is None and each.runs == 0 for each in found.sizes)
    assert found.plan.mixed_decode_slots == 15 * found.plan.mixed_gpus
    assert any("by prediction alone" in warning for warning in found.warnings)
    (path,) = found.write(tmp_path)
    assert FinitePlan.model_validate_json(path.read_text()) == found
    rich.print(found)
    assert "by prediction" in capsys.readouterr().out


def test_a_simulated_choice_has_both_roundings_and_what_they_lose() -> None:
    found = gnr.plan_for_size(gnr.load("two-class"), 5)
    by_rounding = {each.rounding: each for each in found.sizes if each.runs}
    assert found.decided_by == "simulation"
    assert {"up", "down"} <= set(by_rounding)
    down = by_rounding["down"].behind
    assert down is not None
    assert down.mean - down.half_width > 0.05
    chosen = next(each for each in found.sizes if each.mixed_gpus == found.plan.mixed_gpus)
    assert chosen.behind is not None
    assert chosen.behind.mean == 0


def test_the_policy_with_backpressure_plans_for_n_and_rounds_under_promises() -> None:
    """Promises bear on the group size; the model knows revenue alone."""
    policy = find_policy(BACKPRESSURE)
    solution = planning_optimum(gnr.load("two-class"), policy)
    assert policy_plan(solution, policy, 20).mixed_gpus > solution.plan(20).mixed_gpus
    assert policy_plan(solution, find_policy("gate-and-route"), 20) == solution.plan(20)
    promised = planning_optimum(gnr.load("two-class-promises"), policy)
    assert policy_plan(promised, policy, 20) == promised.plan(20)
