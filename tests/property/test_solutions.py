"""What must hold of every solution: scaling, relabelling, more capacity, convexity in prices."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnr.models.chosen_optimum import drain_decode_buffer
from gnr.models.point import (
    Multipliers,
    Point,
    Program,
    bundled_weights,
    separate_weights,
)
from gnr.models.steady_state import solve
from gnr.models.verification import infeasibility, suboptimality
from gnr.rates import Rates, rates_of
from gnr.reading import build
from random_feasible import random_feasible_point
from random_instances import REGIMES, random_data

raw = st.builds(
    lambda seed, regime, scheme, patient, twins: random_data(
        np.random.default_rng(seed), regime=regime, scheme=scheme, patient=patient, twins=twins
    ),
    st.integers(0, 2**32),
    st.sampled_from(REGIMES),
    st.sampled_from(["bundled", "separate"]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
)
often = settings(max_examples=40, deadline=None, derandomize=True)


def value(data: dict[str, Any], **demands: bool) -> float:
    """Return the optimal value, -inf if infeasible."""
    solution = solve(build(data, "random"), **demands)
    return -np.inf if solution.revenue_rate is None else solution.revenue_rate


@often
@given(raw, st.floats(0.01, 100))
def test_scaling_time_scales_the_value(data: dict[str, Any], factor: float) -> None:
    faster = copy.deepcopy(data)
    for key in ("base", "per_chunk_token", "decode_only"):
        faster["gpu"]["iteration_time"][key] /= factor
    for each in faster["classes"]:
        each["arrival_rate"] *= factor
        each["patience_rate"] *= factor
    assert value(faster) == pytest.approx(factor * value(data), rel=1e-9)


@often
@given(raw, st.floats(0, 1), st.floats(0.1, 10))
def test_value_is_convex_and_homogeneous_in_prices(
    data: dict[str, Any], share: float, scale: float
) -> None:
    """(D6), on three price vectors of one instance."""
    one, other, between = (copy.deepcopy(data) for _ in range(3))
    other["prices"]["prompt_token"], other["prices"]["output_token"] = (
        scale * data["prices"]["output_token"],
        data["prices"]["prompt_token"],
    )
    for key in ("prompt_token", "output_token"):
        between["prices"][key] = share * one["prices"][key] + (1 - share) * other["prices"][key]
    ends = share * value(one) + (1 - share) * value(other) if value(one) > 0 else -np.inf
    assert value(between) <= ends * (1 + 1e-9)
    scaled = copy.deepcopy(data)
    for key in ("prompt_token", "output_token"):
        scaled["prices"][key] *= scale
    assert value(scaled) == pytest.approx(scale * value(data), rel=1e-9)


@often
@given(raw)
def test_more_slots_never_hurt(data: dict[str, Any]) -> None:
    more = copy.deepcopy(data)
    more["gpu"]["batch_slots"] += 1
    assert value(more) >= value(data) * (1 - 1e-9)


@often
@given(raw, st.floats(1, 3))
def test_more_demand_of_impatient_classes_never_hurts(data: dict[str, Any], factor: float) -> None:
    more = copy.deepcopy(data)
    for each in more["classes"]:
        each["arrival_rate"] *= factor if each["patience_rate"] else 1
    assert value(more) >= value(data) * (1 - 1e-9)


@often
@given(raw, st.booleans())
def test_disaggregation_never_earns_more(data: dict[str, Any], empty: bool) -> None:
    free = value(data, empty_decode_buffer=empty)
    assert value(data, empty_decode_buffer=empty, disaggregated=True) <= free * (1 + 1e-9)


@often
@given(raw)
def test_disaggregated_plans_are_feasible_and_decode_on_solo_slots_only(
    data: dict[str, Any],
) -> None:
    solution = solve(build(data, "x"), disaggregated=True)
    if solution.status != "optimal":
        return
    assert infeasibility(rates_of(solution.instance), _point(solution)) <= 1e-9
    assert all(each.mixed_decode == 0 for each in solution.classes)
    if data["prices"]["scheme"] == "bundled":
        assert all(each.decode_queue == 0 for each in solution.classes)
    plan = solution.plan(1000)
    assert plan.mixed_decode_slots == 0
    assert plan.solo_decode_slots == (1000 - plan.mixed_gpus) * data["gpu"]["batch_slots"]


@often
@given(raw, st.randoms(use_true_random=False))
def test_relabelling_the_classes_changes_nothing_that_is_unique(
    data: dict[str, Any], random: Any
) -> None:
    order = list(range(len(data["classes"])))
    random.shuffle(order)
    shuffled = {**data, "classes": [data["classes"][i] for i in order]}
    one, other = solve(build(data, "x")), solve(build(shuffled, "x"))
    assert one.status == other.status
    if one.status != "optimal":
        return
    assert one.revenue_rate == pytest.approx(other.revenue_rate, rel=1e-9)
    assert one.unique.prefill == other.unique.prefill
    if one.unique.prefill:
        by_name = {each.name: each for each in other.classes}
        size = rates_of(one.instance).full_prefill
        for i, each in enumerate(one.classes):
            assert each.prefill == pytest.approx(by_name[each.name].prefill, abs=1e-7 * size[i])


@often
@given(raw, st.integers(0, 1000), st.booleans())
def test_weak_duality_bounds_what_a_feasible_point_misses(
    data: dict[str, Any], seed: int, disaggregated: bool
) -> None:
    """Any multipliers at all give a bound on the distance of any feasible point to the optimum."""
    data["classes"] = [each for each in data["classes"] if each["patience_rate"]]
    if not data["classes"]:
        return
    instance = build(data, "x")
    rates, rng = rates_of(instance), np.random.default_rng(seed)
    weights = {"bundled": bundled_weights, "separate": separate_weights}[data["prices"]["scheme"]](
        rates
    )
    best = value(data, disaggregated=disaggregated)
    program = Program(rates, weights, empty_decode_buffer=False, disaggregated=disaggregated)
    for _ in range(5):
        point = random_feasible_point(rng, rates)
        point = _without_mixed_decodes(rates, point) if disaggregated else point
        guess = Multipliers(
            *(rng.normal(size=3) * best / rates.batch_slots),
            rng.normal(size=rates.classes) * rates.reward,
            rng.normal(size=rates.classes) * rates.reward,
        )
        bound = suboptimality(program, guess, point)
        revenue = weights.revenue(rates, point)
        assert bound >= (best - revenue) / revenue * (1 - 1e-9)


@often
@given(raw)
def test_solutions_are_feasible_and_solo_slots_are_filled_in_file_order(
    data: dict[str, Any],
) -> None:
    """Rule 10.1(d): nobody later in the file decodes solo while an earlier class decodes mixed."""
    solution = solve(build(data, "x"))
    if solution.status != "optimal":
        return
    assert infeasibility(rates_of(solution.instance), _point(solution)) <= 1e-9
    mixed = [each.mixed_decode > 1e-9 for each in solution.classes]
    solo = [each.solo_decode > 1e-9 for each in solution.classes]
    first_mixed = mixed.index(True) if True in mixed else len(mixed)
    assert not any(solo[first_mixed + 1 :])


@often
@given(raw, st.integers(0, 1000))
def test_algorithm_0_drains_the_buffer_of_any_feasible_point_at_the_same_value(
    data: dict[str, Any], seed: int
) -> None:
    data["classes"] = [each for each in data["classes"] if each["patience_rate"]]
    if not data["classes"]:
        return
    rates = rates_of(build(data, "x"))
    point = random_feasible_point(np.random.default_rng(seed), rates)
    if rates.mixing_cost < 0:
        with pytest.raises(ValueError, match="kappa"):
            drain_decode_buffer(rates, point)
        return
    _check_drained(rates, point)


@often
@given(raw, st.integers(0, 1000))
def test_algorithm_0_drains_a_buffer_beside_solo_decodes_for_any_speed_ratio(
    data: dict[str, Any], seed: int
) -> None:
    data["classes"] = [each for each in data["classes"] if each["patience_rate"]]
    if not data["classes"]:
        return
    rates = rates_of(build(data, "x"))
    point = random_feasible_point(np.random.default_rng(seed), rates)
    _check_drained(rates, _without_mixed_decodes(rates, point))


def _check_drained(rates: Rates, point: Point) -> None:
    drained = drain_decode_buffer(rates, point)
    weights = bundled_weights(rates)
    assert np.all(drained.decode_queue == 0)
    assert infeasibility(rates, drained) <= 1e-12
    assert weights.revenue(rates, drained) == pytest.approx(weights.revenue(rates, point))
    assert drained.decode_work(rates) == pytest.approx(point.decode_work(rates))


def _without_mixed_decodes(rates: Rates, point: Point) -> Point:
    """Return the point with its mixed decodes sent to the decode buffer."""
    stopped = rates.mixed_decode * point.mixed_decode / rates.patience_rate
    return replace(
        point,
        mixed_decode=np.zeros(rates.classes),
        decode_queue=point.decode_queue + stopped,
    )


def _point(solution: Any) -> Point:
    return Point(
        **{
            field: np.array([getattr(each, field) for each in solution.classes])
            for field in Point.__dataclass_fields__
        }
    )
