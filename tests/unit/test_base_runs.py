"""What figures 2, 4, 5 and 6 share: fluid limits, distances from a plan, and where they go."""

import numpy as np
import pytest

from gnr.validation.studies.reproduction.base_runs import (
    distances,
    fluid_revenue,
    planned,
    warnings_of,
)
from gnr.validation.studies.reproduction.parts import FIELDS, ClusterRun
from gnr.validation.studies.reproduction.quantities import distance_limit_of

SIZES = (5, 20, 50, 200, 500, 2000, 8000)


@pytest.mark.parametrize(
    ("policy", "accounting", "revenue"),
    [
        ("gate-and-route", "bundled", 297.7032),
        ("gate-and-route", "separate", 297.7032),
        ("prioritize-and-route", "separate", 298.5866),
        ("prioritize-and-route", "bundled", 291.0279),
    ],
)
def test_either_policy_under_either_accounting_goes_where_the_theory_says(
    policy: str, accounting: str, revenue: float
) -> None:
    """9.2: the vertex of (P42) would earn 274.54 bundled, but a shared buffer is class-blind."""
    assert fluid_revenue(policy, accounting) == pytest.approx(revenue, abs=5e-5)


def run_at(policy: str, more: float) -> ClusterRun:
    """Return two runs that hold the plan and `more` of its field's total, in every class."""
    plan = planned(policy)
    held = {}
    for field in FIELDS:
        targets = np.array([getattr(each, field) for each in plan])
        held[field] = np.repeat((targets + more * targets.sum())[:, None], 2, axis=1).tolist()
    return ClusterRun(
        policy=policy,
        gpus=5,
        fidelity="pooled",
        revenue={"bundled": [1.0, 1.0], "separate": [1.0, 1.0]},
        occupancy=held,
        horizon_s=1.0,
        warnings=(),
    )


def test_distances_are_of_the_own_plan_and_of_all_where_that_is_0() -> None:
    run = run_at("gate-and-route", 0.1)
    own = np.array([each.prefill for each in planned("gate-and-route")])
    found = distances(run, ("prefill", "prefill_queue"))
    assert found.shape == (4, 2)
    assert found[:2, 0] == pytest.approx(10 * own.sum() / own)
    assert found[2:, 0] == pytest.approx([10.0, 10.0])  # the second class plans no queue
    assert distances(run_at("gate-and-route", 0.0), FIELDS[:3]) == pytest.approx(0.0, abs=1e-9)


def decaying(limit: float, first: float, seed: int) -> list[np.ndarray]:
    """Return samples of a distance that decays from `first` to `limit` as n to the power -1/2."""
    random = np.random.default_rng(seed)
    return [limit + (first - limit) * (n / 5) ** -0.5 + 0.2 * random.normal(size=16) for n in SIZES]


def test_a_distance_that_vanishes_does_so_from_either_side(monkeypatch: pytest.MonkeyPatch) -> None:
    few_draws(monkeypatch)
    rows = [decaying(0.0, 40.0, 1), decaying(0.0, -40.0, 2)]
    assert distance_limit_of("d", "", SIZES, rows).high < 1.0


@pytest.mark.parametrize("limit", [5.0, -5.0])
def test_one_number_that_stays_away_keeps_the_largest_distance_up(
    limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_draws(monkeypatch)
    rows = [decaying(0.0, 40.0, 3), decaying(limit, -40.0, 4)]
    found = distance_limit_of("d", "", SIZES, rows)
    assert found.low < 5.0 < found.high
    assert found.low > 4.0


def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "gnr.validation.studies.reproduction.quantities.RESAMPLES", 1000
    )  # a rough interval is enough here


def test_what_a_run_warns_of_is_told_with_its_cluster() -> None:
    run = run_at("gate-and-route", 0.1).model_copy(update={"warnings": ("no room",)})
    assert warnings_of([run]) == ["gate-and-route, 5 GPUs, pooled: no room"]
