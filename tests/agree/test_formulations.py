"""Formulations that must agree: Pyomo (P40), (P42), (P52), the closed forms, and linprog.

The linprog restatement in `tests/oracles` was written from the theory alone, without sight of
the Pyomo programs.
"""

import copy
import itertools
from typing import Any

import numpy as np
import pytest

from gnr.errors import InputError
from gnr.models import closed_form
from gnr.models.point import (
    Multipliers,
    Point,
    bundled_weights,
    lost_revenue,
    separate_weights,
)
from gnr.models.programs import bundled_program, reduced_program, separate_program
from gnr.models.solver import optimize, optimize_scaled
from gnr.models.steady_state import solve
from gnr.rates import Rates, rates_of
from gnr.reading import build
from gnr.result import Solution
from oracles import linprog_oracle
from random_feasible import random_feasible_point
from random_instances import REGIMES, random_data

RELATIVE = 1e-8
COUNT = 90
"""Random instances in each of the six combinations of regime and scheme."""
CLOSED_FORMS = (
    closed_form.bundled_value,
    closed_form.separate_value,
    closed_form.disaggregated_value,
)
CASES = list(itertools.product(REGIMES, ("bundled", "separate")))


def instances(regime: str, scheme: str, count: int, seed: int, **options: Any) -> Any:
    """Yield random raw data with its instance."""
    rng = np.random.default_rng([seed, REGIMES.index(regime), scheme == "separate"])
    for _ in range(count):
        data = random_data(rng, regime=regime, scheme=scheme, **options)
        yield data, build(data, "random")


def oracle_of(data: dict[str, Any], **options: Any) -> Any:
    return getattr(linprog_oracle, data["prices"]["scheme"])(data, **options)


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_pyomo_closed_form_and_linprog_have_one_value(regime: str, scheme: str) -> None:
    closed = getattr(closed_form, f"{scheme}_value")
    for data, instance in instances(regime, scheme, COUNT, 1):
        expected = oracle_of(data).value
        assert solve(instance).revenue_rate == pytest.approx(expected, rel=RELATIVE)
        assert float(closed(rates_of(instance))) == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize("regime", REGIMES)
def test_reduced_program_has_the_value_of_the_bundled_one(regime: str) -> None:
    for data, instance in instances(regime, "bundled", 2 * COUNT, 2, patient=0.2):
        found, expected = optimize(reduced_program(rates_of(instance))), oracle_of(data)
        assert found.status == expected.status
        if expected.status == "optimal":
            assert found.objective == pytest.approx(expected.value, rel=RELATIVE)


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_status_and_value_agree_where_some_requests_never_leave(regime: str, scheme: str) -> None:
    seen = set()
    for data, instance in instances(regime, scheme, 60, 3, patient=0.5):
        solution, expected = solve(instance), oracle_of(data)
        assert solution.status == expected.status
        seen.add(solution.status)
        if solution.status == "optimal":
            assert solution.revenue_rate == pytest.approx(expected.value, rel=RELATIVE)
    assert seen == {"optimal", "infeasible"}


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_empty_decode_buffer_imposed_agrees_with_linprog(regime: str, scheme: str) -> None:
    for data, instance in instances(regime, scheme, 30, 4):
        solution = solve(instance, empty_decode_buffer=True)
        expected = oracle_of(data, empty_decode_buffer=True).value
        assert solution.revenue_rate == pytest.approx(expected, rel=RELATIVE)
        assert all(each.decode_queue == 0 for each in solution.classes)


@pytest.mark.parametrize(("regime", "scheme"), CASES)
@pytest.mark.parametrize("empty", [False, True])
def test_disaggregation_imposed_agrees_with_linprog(regime: str, scheme: str, empty: bool) -> None:
    demands = {"disaggregated": True, "empty_decode_buffer": empty}
    for data, instance in instances(regime, scheme, 30, 17):
        solution = solve(instance, **demands)
        expected = oracle_of(data, **demands).value
        assert solution.revenue_rate == pytest.approx(expected, rel=RELATIVE)
        assert all(each.mixed_decode == 0 for each in solution.classes)


@pytest.mark.parametrize("regime", REGIMES)
def test_bundled_disaggregation_is_a_knapsack_without_a_decode_buffer(regime: str) -> None:
    for data, instance in instances(regime, "bundled", COUNT, 18):
        solution = solve(instance, disaggregated=True)
        expected = oracle_of(data, disaggregated=True).value
        assert solution.revenue_rate == pytest.approx(expected, rel=RELATIVE)
        closed = closed_form.disaggregated_value(rates_of(instance))
        assert float(closed) == pytest.approx(expected, rel=RELATIVE)
        assert all(each.mixed_decode == each.decode_queue == 0 for each in solution.classes)


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_disaggregation_where_some_requests_never_leave(regime: str, scheme: str) -> None:
    seen = set()
    for data, instance in instances(regime, scheme, 30, 19, patient=0.5):
        solution = solve(instance, disaggregated=True)
        expected = oracle_of(data, disaggregated=True)
        assert solution.status == expected.status
        seen.add(solution.status)
        if solution.status == "optimal":
            assert solution.revenue_rate == pytest.approx(expected.value, rel=RELATIVE)
    assert seen == {"optimal", "infeasible"}


@pytest.mark.parametrize("program", [bundled_program, separate_program, reduced_program])
def test_both_routes_to_the_solver_agree(program: Any) -> None:
    for _, instance in instances("above", "bundled", 40, 5, patient=0.2):
        model = program(rates_of(instance))
        one, other = optimize(model), optimize_scaled(model)
        assert one.status is other.status
        if len(one.values):
            assert one.objective == pytest.approx(other.objective, rel=RELATIVE)


def test_a_large_instance_agrees_with_its_closed_form() -> None:
    for scheme in ("bundled", "separate"):
        data = random_data(np.random.default_rng(6), classes=1500, scheme=scheme)
        instance = build(data, "large")
        closed = getattr(closed_form, f"{scheme}_value")(rates_of(instance))
        assert solve(instance).revenue_rate == pytest.approx(float(closed), rel=RELATIVE)
    instance = build(random_data(np.random.default_rng(6), classes=1500), "large")
    closed = closed_form.disaggregated_value(rates_of(instance))
    disaggregated = solve(instance, disaggregated=True)
    assert disaggregated.revenue_rate == pytest.approx(float(closed), rel=RELATIVE)


def test_closed_forms_of_a_batch_are_those_of_its_members() -> None:
    rng = np.random.default_rng(7)
    members = [
        rates_of(build(random_data(rng, classes=4, regime=regime), "member"))
        for regime in REGIMES
        for _ in range(5)
    ]
    gpu = ("batch_slots", "chunk_tokens", "mixed_time", "solo_time", "speed_ratio",
           "prompt_price", "output_price")  # fmt: skip
    batch = Rates(
        **{
            field: np.array([getattr(each, field) for each in members]).reshape(15, -1)
            for field in (*gpu, *(f for f in Rates.__dataclass_fields__ if f not in gpu))
        }
    )
    for closed in CLOSED_FORMS:
        single = [float(closed(each)) for each in members]
        assert closed(batch) == pytest.approx(single, rel=1e-13)


def test_closed_forms_do_not_speak_of_classes_that_never_leave() -> None:
    rates = rates_of(build(random_data(np.random.default_rng(8), patient=1.0), "x"))
    assert all(np.isnan(closed(rates)) for closed in CLOSED_FORMS)


def multipliers_of(solution: Solution) -> Multipliers:
    return Multipliers(
        *(worth or 0.0 for worth in solution.marginals.values()),
        marginal_value=np.array([each.marginal_value for each in solution.classes]),
        decode_marginal=np.array([each.decode_marginal for each in solution.classes]),
    )


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_lost_revenue_adds_up_exactly_on_feasible_points(regime: str, scheme: str) -> None:
    """Eq. D11: R* - R equals its terms to 1e-12 of R*, and no term is negative."""
    rng = np.random.default_rng(9)
    weigh = {"bundled": bundled_weights, "separate": separate_weights}[scheme]
    for _, instance in instances(regime, scheme, 60, 10):
        rates, solution = rates_of(instance), solve(instance)
        weights, best = weigh(rates), solution.revenue_rate
        for _ in range(5):
            point = random_feasible_point(rng, rates)
            terms = lost_revenue(rates, weights, multipliers_of(solution), point)
            gap = best - weights.revenue(rates, point)
            assert sum(terms.values()) == pytest.approx(gap, abs=1e-12 * best)
            assert min(terms.values()) >= -1e-9 * best


def test_lost_revenue_is_nothing_at_the_optimum() -> None:
    for _, instance in instances("above", "bundled", 40, 11):
        rates, solution = rates_of(instance), solve(instance)
        columns = {
            field: np.array([getattr(each, field) for each in solution.classes])
            for field in Point.__dataclass_fields__
        }
        weights = bundled_weights(rates)
        terms = lost_revenue(rates, weights, multipliers_of(solution), Point(**columns))
        assert all(abs(term) <= 1e-9 * solution.revenue_rate for term in terms.values())


def test_every_optimum_above_the_threshold_has_an_empty_decode_buffer() -> None:
    """The sharp form of Proposition 3.2, on whatever vertex the solver returns."""
    for _, instance in instances("above", "bundled", 150, 12):
        rates = rates_of(instance)
        model = bundled_program(rates)
        found = optimize_scaled(model)
        waiting = rates.patience_rate * found.primal(model.decode_queue, rates.classes)
        assert np.all(waiting <= 1e-9 * rates.arrival_rate)
        solution = solve(instance)
        assert all(each.decode_queue == 0 for each in solution.classes)
        assert solution.unique is not None
        assert solution.unique.decode_queue


def stretch(data: dict[str, Any], rng: np.random.Generator, span: float) -> dict[str, Any]:
    """Spread rates over ``10**-span ... 10**span``, lengths and prices by less."""
    for each in data["classes"]:
        for key in ("prompt_tokens", "output_tokens"):
            each[key] = max(1.0, each[key] * 10 ** rng.uniform(-span / 4, span / 4))
        for key in ("arrival_rate", "patience_rate"):
            each[key] *= 10 ** rng.uniform(-span, span)
    for key in ("prompt_token", "output_token"):
        data["prices"][key] *= 10 ** rng.uniform(-span / 2, span / 2)
    return data


@pytest.mark.parametrize(("span", "always"), [(4, True), (8, True), (12, False)])
def test_wild_magnitudes_are_solved_rightly_or_not_called_optimal(
    span: float, always: bool
) -> None:
    """Up to 16 decades between rates all is solved; up to 24, what is called optimal is."""
    rng, optimal, refused = np.random.default_rng(13), 0, 0
    for number in range(60):
        data = random_data(
            rng, regime=REGIMES[number % 3], scheme=("bundled", "separate")[number // 3 % 2]
        )
        try:
            instance = build(stretch(data, rng, span), "wild")
        except InputError:
            refused += 1  # a rate beyond 18 decades
            continue
        solution = solve(instance)
        assert solution.status == "optimal" if always else solution.status in ("optimal", "limit")
        if solution.status == "optimal":
            closed = getattr(closed_form, f"{instance.prices.scheme}_value")(rates_of(instance))
            assert solution.revenue_rate == pytest.approx(float(closed), rel=2e-9)
            optimal += 1
    assert optimal >= 30
    assert not (always and refused)


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(
    "demands", [{}, {"empty_decode_buffer": True}, {"disaggregated": True}], ids=str
)
def test_missing_gpus_are_just_enough(regime: str, demands: dict[str, bool]) -> None:
    """All rates divided by the growth told: feasible with 1e-6 more GPUs, not with 1e-6 less."""
    explained = 0
    for data, instance in instances(regime, "bundled", 60, 14, patient=0.6):
        solution = solve(instance, **demands)
        if solution.status != "infeasible":
            continue
        growth = 1 + solution.shortfall[-1].by
        assert len(solution.shortfall) >= 2, "it names what cannot be served"
        for factor, status in (
            (growth * (1 + 1e-6), "optimal"),
            (growth * (1 - 1e-6), "infeasible"),
        ):
            scaled = copy.deepcopy(data)
            for each in scaled["classes"]:
                each["arrival_rate"] /= factor
            assert oracle_of(scaled, **demands).status == status
        explained += 1
    assert explained >= 10


def test_free_output_tokens_are_still_written() -> None:
    """With c_d = 0 decodes cost and earn nothing: what fits is decoded all the same."""
    for _, instance in instances("above", "separate", 30, 15, free="output_token"):
        solution, rates = solve(instance), rates_of(instance)
        work = solution.totals.mixed_decode + rates.speed_ratio * solution.totals.solo_decode
        used = solution.totals.prefill
        room = rates.speed_ratio * rates.batch_slots - rates.mixing_cost * used
        started = sum(
            gain * each.prefill
            for gain, each in zip(rates.decode_work, solution.classes, strict=True)
        )
        assert work == pytest.approx(min(room, started), rel=1e-9)


def test_the_threshold_is_met_within_rounding() -> None:
    """kappa computed as (B-1)/B may differ from it in the last digit; nothing may hang on that."""
    for _, instance in instances("at", "bundled", 200, 16):
        assert rates_of(instance).mixing_cost == 0
        solution = solve(instance)
        assert all(each.decode_queue == 0 for each in solution.classes)
        assert not any("Theorem 4.1" in warning for warning in solution.warnings)
