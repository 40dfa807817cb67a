"""What is said to be unique is, what is said not to be is not; both ends of the multipliers.

Judged by linprog: the extent of the optimal face in random directions, and difference quotients
of the optimal value in each arrival rate.
"""

from typing import Any

import numpy as np
import pytest

from gnr.models.steady_state import solve
from gnr.plan import Occupancy
from gnr.rates import Rates, rates_of
from gnr.reading import build
from oracles import linprog_oracle
from random_instances import REGIMES, random_data

SAME, APART = 1e-6, 1e-4
"""Relative extents of the face taken as a point, and as more than a point; between: no verdict.

The oracle's face holds all points within 1e-11 of the optimum, which blurs nearly flat faces."""


def cases(seed: int, count: int) -> Any:
    rng = np.random.default_rng(seed)
    for number in range(count):
        yield random_data(
            rng,
            regime=REGIMES[number % 3],
            scheme=("bundled", "separate")[number // 3 % 2],
            patient=(0.0, 0.0, 0.4)[number // 6 % 3],
            twins=bool(number // 18 % 2),
            free=(None, None, "output_token", "prompt_token")[number // 36 % 4],
        )


def fill_disaggregated(data: dict[str, Any]) -> None:
    """Scale the arrivals so that disaggregated GPUs serve them all with nothing to spare."""
    rates = rates_of(build(data, "random"))
    solo = rates.decode_work / rates.speed_ratio + rates.batch_slots
    load = float(solo @ rates.full_prefill) / rates.batch_slots
    for each in data["classes"]:
        each["arrival_rate"] /= load


def extents(
    data: dict[str, Any], rates: Rates, rng: np.random.Generator, **demands: bool
) -> dict[str, float]:
    """Return the relative extent of the optimal face in each group of variables."""
    face = getattr(linprog_oracle, f"{data['prices']['scheme']}_face")
    work = rates.decode_work * rates.full_prefill
    queue = rates.arrival_rate / np.where(rates.patience_rate > 0, rates.patience_rate, 1.0)
    sizes = (rates.full_prefill, work, work / rates.speed_ratio, queue, queue)
    found = {}
    for group, (name, size) in enumerate(zip(Occupancy.model_fields, sizes, strict=True)):
        direction = np.zeros((5, rates.classes))
        coefficients = rng.uniform(0.5, 1.5, rates.classes) * rng.choice([-1, 1], rates.classes)
        direction[group] = coefficients / size
        low, high = face(data, direction.ravel(), **demands)
        found[name] = high - low
    return found


@pytest.mark.parametrize("disaggregated", [False, pytest.param(True, marks=pytest.mark.long)])
def test_uniqueness_is_reported_as_it_is(disaggregated: bool) -> None:
    rng = np.random.default_rng(20)
    verdicts: dict[bool, int] = {True: 0, False: 0}
    for data in cases(21, 216):
        instance = build(data, "random")
        solution = solve(instance, disaggregated=disaggregated)
        if solution.status != "optimal":
            continue
        assert solution.unique is not None
        rates = rates_of(instance)
        for name, extent in extents(data, rates, rng, disaggregated=disaggregated).items():
            claimed = getattr(solution.unique, name)
            if name.endswith("queue") and not np.all(rates.patience_rate > 0):
                assert claimed is False, "queues of classes that never leave are open"
            elif extent < SAME or extent > APART:
                assert claimed is (extent < SAME), (data, name, extent)
                verdicts[claimed] += 1
    assert min(verdicts.values()) >= 100, "both answers were put to the test"


@pytest.mark.parametrize("disaggregated", [False, pytest.param(True, marks=pytest.mark.long)])
def test_marginal_values_lie_between_right_and_left_derivative(disaggregated: bool) -> None:
    kinks = 0
    for number, data in enumerate(cases(22, 108)):
        if disaggregated and number % 2:
            fill_disaggregated(data)
        instance = build(data, "random")
        solution = solve(instance, disaggregated=disaggregated)
        if solution.status != "optimal":
            continue
        assert solution.unique is not None
        for i, each in enumerate(solution.classes):
            step = 1e-5 * data["classes"][i]["arrival_rate"]
            scheme = data["prices"]["scheme"]
            quotients = linprog_oracle.marginal_range(
                data, scheme, i, step, disaggregated=disaggregated
            )
            value = each.marginal_value
            ends = solution.unique.ranges.marginal_value.get(each.name, (value, value))
            kinks += ends[0] != ends[1]
            size = 2e-3 * rates_of(instance).reward[i]
            for end, quotient in zip(ends, quotients, strict=True):
                if end is None:
                    assert np.isnan(quotient), "beyond this point there is no plan"
                else:
                    assert end == pytest.approx(quotient, abs=size)
    assert kinks >= 20, "both ends were put to the test"
