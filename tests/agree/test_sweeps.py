"""Closed optima and sweeps against linprog, against Pyomo, and against single solves."""

import itertools
from typing import Any

import numpy as np
import pytest

import gnr
from gnr.models.closed_optimum import bundled_optimum, prefill_cap, separate_optimum
from gnr.models.steady_state import solve
from gnr.rates import rates_of
from gnr.reading import build
from gnr.varying import parse_axes, plain
from oracles import linprog_oracle
from random_instances import REGIMES, random_data

RELATIVE = 1e-8
CLOSED = {"bundled": bundled_optimum, "separate": separate_optimum}
CASES = list(itertools.product(REGIMES, CLOSED))


def drawn(regime: str, scheme: str, count: int, seed: int, **options: Any) -> Any:
    """Yield random raw data with its instance."""
    rng = np.random.default_rng([seed, REGIMES.index(regime), scheme == "separate"])
    for _ in range(count):
        data = random_data(rng, regime=regime, scheme=scheme, **options)
        yield data, build(data, "random")


@pytest.mark.parametrize(("regime", "scheme"), CASES)
@pytest.mark.parametrize("options", [{}, {"twins": True}, {"free": "output_token"}])
def test_closed_optimum_has_the_value_of_linprog(
    regime: str, scheme: str, options: dict[str, Any]
) -> None:
    for data, instance in drawn(regime, scheme, 12, 31, **options):
        found = CLOSED[scheme](rates_of(instance))
        expected = getattr(linprog_oracle, scheme)(data).value
        assert float(found.revenue_rate) == pytest.approx(expected, rel=RELATIVE)


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_mixed_share_tpot_and_prices_are_those_of_solve_where_unique(
    regime: str, scheme: str
) -> None:
    """The prices are u = beta-hat and nu = alpha-hat + B delta-hat - kappa B beta-hat (4.4)."""
    compared = 0
    for _, instance in drawn(regime, scheme, 12, 32):
        rates, solution = rates_of(instance), solve(instance)
        assert solution.unique is not None
        assert solution.totals is not None
        assert solution.gpu_value is not None
        found = CLOSED[scheme](rates)
        if solution.unique.prefill:
            assert float(found.mixed_share) == pytest.approx(solution.totals.prefill, rel=RELATIVE)
        ends = solution.unique.ranges
        if "mixed_decode_capacity" not in ends.marginals and ends.gpu_value is None:
            compared += 1
            scale, capacity = solution.revenue_rate, rates.speed_ratio * rates.batch_slots
            decode = solution.marginals["mixed_decode_capacity"]
            prefill = solution.gpu_value - capacity * decode
            assert float(found.decode_price) == pytest.approx(decode, abs=RELATIVE * scale)
            assert float(found.prefill_price) == pytest.approx(prefill, abs=RELATIVE * scale)
    assert compared > 5


@pytest.mark.parametrize(("regime", "scheme"), CASES)
def test_a_tpot_promise_is_a_cap_on_the_mixed_share(regime: str, scheme: str) -> None:
    rng = np.random.default_rng(33)
    seen = set()
    for _, instance in drawn(regime, scheme, 6, 33):
        rates = rates_of(instance)
        quick, slow = sorted((rates.solo_time, rates.mixed_time))
        bound = float(rng.uniform(0.95 * quick, 1.05 * slow))
        cap = prefill_cap(rates, bound)
        data = plain(instance) | {"slis": [{"kind": "mean_tpot", "at_most": bound}]}
        solution = solve(build(data, "promised"))
        if np.isnan(cap):
            assert rates.speed_ratio < 1
            continue
        seen.add(solution.status)
        assert (solution.status == "infeasible") == bool(cap < 0)
        if solution.status == "optimal":
            found = CLOSED[scheme](rates, cap)
            assert float(found.revenue_rate) == pytest.approx(solution.revenue_rate, rel=RELATIVE)
    assert "optimal" in seen


@pytest.mark.parametrize(
    "vary",
    [
        ["gpu.batch_slots=2:40:4", "gpu.iteration_time.per_chunk_token=1e-5:1e-3:4:log"],
        ["gpu.chunk_tokens=16,64,512", "gpu.iteration_time.decode_only=0.005:0.05:4"],
        ["prices.prompt_token=0:1:3", "prices.output_token=0.01:1:3"],
        ["classes.0.arrival_rate=0.01:9:4:log", "classes.1.prompt_tokens=10:5000:3"],
        ["classes.1.output_tokens=10:5000:3", "gpu.iteration_time.base=0.001:0.05:3"],
        ["classes.1.patience_rate=0:0.5:3"],
    ],
    ids=lambda texts: texts[0].partition("=")[0],
)
@pytest.mark.parametrize(
    ("name", "promise"),
    [
        ("two-class", None), ("two-class", "mean_tpot"),
        ("two-class-separate", None), ("two-class-separate", "prefill_fairness"),
    ],
)  # fmt: skip
def test_every_point_of_a_sweep_is_the_solve_of_its_instance(
    name: str, promise: str | None, vary: list[str]
) -> None:
    instance = gnr.load(name)
    data = plain(instance)
    if promise is not None:
        bound = {"mean_tpot": 0.026, "prefill_fairness": 0.05}[promise]
        data["slis"] = [{"kind": promise, "at_most": bound}]
    instance = build(data, "promised")
    swept = gnr.sweep(instance, vary)
    parameters = parse_axes(instance, vary)
    points = itertools.product(*(axis.values for axis in swept.axes))
    for k, point in enumerate(points):
        for parameter, value in zip(parameters, point, strict=True):
            parameter.put(data, value)
        solution = solve(build(data, "point"))
        if solution.revenue_rate is None:
            assert swept.binding[k] == solution.status
            assert swept.revenue_rate[k] is None
            continue
        assert swept.revenue_rate[k] == pytest.approx(solution.revenue_rate, rel=RELATIVE)
        assert solution.unique is not None
        assert solution.tpot is not None
        if solution.unique.prefill:
            assert swept.tpot_capacity[k] == pytest.approx(solution.tpot.capacity, rel=1e-6)
            if swept.method[k] != "re-solved" and solution.unique.decode_queue:
                mean = solution.tpot.token_mean
                assert swept.tpot_token_mean[k] == pytest.approx(mean, rel=RELATIVE)


def test_closed_optima_do_not_speak_of_classes_that_never_leave() -> None:
    rates = rates_of(build(random_data(np.random.default_rng(8), patient=1.0), "x"))
    for closed in CLOSED.values():
        assert np.isnan(closed(rates).revenue_rate)
        assert np.isnan(closed(rates).mixed_share)
