"""Promised optima and their prices agree with linprog on random instances, kind by kind.

The restatement in `oracles.promises_oracle` was written from the theory alone. It also draws the
bounds: it knows the tightest that can be kept, and what the best plan without the promise attains.
"""

import tomllib
from typing import Any

import numpy as np
import pytest

from gnr.models.steady_state import solve
from gnr.reading import build, shipped_instances
from gnr.result import Solution
from gnr.slis import INDICATORS
from oracles import linprog_oracle, promises_oracle
from oracles.promises_oracle import Pledge
from random_instances import REGIMES, random_data

RELATIVE = 1e-8
SLOPE = 1e-6
"""Relative difference of a price and a difference quotient of second order."""
FACE = 1e-11
"""Relative loss of revenue that still counts as none."""
BINDING = 1e-9
"""Relative loss of revenue from which a promise counts as binding."""
IDLE = ("token_tpot",)
"""Kinds whose denominator is 0 in a plan that decodes nothing, which keeps any such promise."""
ALONE_TRIVIAL = ("proportional_share", "prefill_fairness", "decode_fairness", "max_min_fairness")
"""Kinds that compare classes."""
LIMITED = (
    "mean_tpot",
    "mean_ttft",
    "mean_end_to_end",
    "abandonment_fraction",
    "throughput",
)
"""Kinds with bounds that no plan keeps."""
CASES = [
    (kind, scope, direction)
    for kind, each in INDICATORS.items()
    for scope in each.scopes
    for direction in each.directions
]
NATURAL = [
    (kind, scope, direction)
    for kind, scope, direction in CASES
    if kind in LIMITED + IDLE and direction == INDICATORS[kind].directions[0]
]
"""Those on the side that can be out of reach."""


def raw(rng: np.random.Generator, several: bool = False) -> dict[str, Any]:
    return random_data(
        rng,
        classes=int(rng.integers(1 + several, 6)),
        regime=REGIMES[int(rng.integers(3))],
        scheme=("bundled", "separate")[int(rng.integers(2))],
        twins=bool(rng.random() < 0.2),
    )


def drawn(
    rng: np.random.Generator,
    data: dict[str, Any],
    case: tuple[str, str, str],
    others: list[Pledge],
    reach: tuple[float, float] = (0.02, 1.98),
) -> Pledge | None:
    """Return a promise that can be kept beside others, its bound part of the way to no loss.

    The part, between the two numbers of `reach`, is 0 at the tightest bound and 1 where the
    promise begins to cost nothing. None where the two are the same.
    """
    kind, scope, direction = case
    owner = int(rng.integers(len(data["classes"]))) if scope == "class" else None
    pledge = Pledge(kind, 0.0, owner, direction == "at_least")
    indicator = INDICATORS[kind]
    if indicator.lowest == indicator.highest:
        return pledge._replace(bound=indicator.lowest)
    scheme = data["prices"]["scheme"]
    best = promises_oracle.solve(data, scheme, others).value
    limit = promises_oracle.tightest(data, pledge, others)
    free = promises_oracle.tightest(data, pledge, others, scheme, best * (1 - FACE))
    bound = limit + float(rng.uniform(*reach)) * (free - limit)
    bound = min(max(bound, indicator.lowest), indicator.highest)
    clear = abs(bound - limit) > 1e-4 * max(abs(free), abs(limit))
    return pledge._replace(bound=bound) if clear else None


def broken(
    rng: np.random.Generator,
    data: dict[str, Any],
    case: tuple[str, str, str],
    others: list[Pledge],
) -> Pledge | None:
    """Return a promise beyond the tightest bound beside others, None where no number is."""
    kind, scope, direction = case
    owner = int(rng.integers(len(data["classes"]))) if scope == "class" else None
    pledge = Pledge(kind, 0.0, owner, direction == "at_least")
    limit = promises_oracle.tightest(data, pledge, others)
    beyond = limit * float(rng.uniform(1.01, 1.3)) ** (1 if pledge.at_least else -1)
    possible = beyond <= INDICATORS[kind].highest and limit > 1e-4
    return pledge._replace(bound=beyond) if possible else None


def entry(data: dict[str, Any], number: int, pledge: Pledge) -> dict[str, Any]:
    owner = {} if pledge.owner is None else {"class": data["classes"][pledge.owner]["name"]}
    side = "at_least" if pledge.at_least else "at_most"
    return {"kind": pledge.kind, "name": f"p{number}", side: pledge.bound, **owner}


def promised(data: dict[str, Any], pledges: list[Pledge]) -> Solution:
    slis = [entry(data, k, each) for k, each in enumerate(pledges)]
    return solve(build(data | {"slis": slis}, "random"))


def smooth(data: dict[str, Any], pledges: list[Pledge], value: float) -> bool:
    """Whether no bound and no arrival rate is at a kink, or at a distance of rounding from one.

    Full load is full to rounding only: what is unique in exact fractions may end just beyond.
    """
    scheme = data["prices"]["scheme"]
    rates = [float(each["arrival_rate"]) for each in data["classes"]]
    scales = [max(abs(each.bound), 1e-3) for each in pledges]
    sides = [
        (promises_oracle.arrival_slopes(data, scheme, pledges, k, 1e-6 * rate), rate)
        for k, rate in enumerate(rates)
    ] + [
        (promises_oracle.slopes(data, scheme, pledges, k, 1e-6 * scale), scale)
        for k, scale in enumerate(scales)
    ]
    return all(abs(left - right) * size < 1e-4 * value for (left, right), size in sides)


def agree(data: dict[str, Any], pledges: list[Pledge]) -> bool:
    """Compare status and value; return whether the promises cost something."""
    scheme = data["prices"]["scheme"]
    solution, expected = promised(data, pledges), promises_oracle.solve(data, scheme, pledges)
    assert solution.status == expected.status
    if expected.status != "optimal":
        return False
    free = promises_oracle.solve(data, scheme, []).value
    assert solution.revenue_rate == pytest.approx(
        expected.value, rel=RELATIVE, abs=RELATIVE * 1e-2 * free
    )
    return bool(expected.value < free * (1 - BINDING))


def prices_agree(data: dict[str, Any], pledges: list[Pledge]) -> None:
    """Compare prices where they are unique and not at a kink."""
    scheme = data["prices"]["scheme"]
    solution, expected = promised(data, pledges), promises_oracle.solve(data, scheme, pledges)
    if solution.unique is None or not solution.unique.marginals:
        return
    if not smooth(data, pledges, expected.value):
        return
    for found, pledge, price in zip(solution.promises, pledges, expected.prices, strict=True):
        size = expected.value / max(abs(pledge.bound), 1e-3)
        assert found.price == pytest.approx(price, rel=SLOPE, abs=SLOPE * size)
    assert solution.gpu_value == pytest.approx(expected.gpu_value, abs=SLOPE * expected.value)


def one_promise(case: tuple[str, str, str], count: int, seed: int) -> None:
    rng = np.random.default_rng([seed, CASES.index(case)])
    fixed = INDICATORS[case[0]].lowest == INDICATORS[case[0]].highest
    done = 0
    while done < count:
        data, binding = raw(rng, several=case[0] in ALONE_TRIVIAL), done % 2 == 0
        pledge = drawn(rng, data, case, [], (0.05, 0.95) if binding else (1.05, 1.95))
        if pledge is not None:
            assert agree(data, [pledge]) or fixed or not binding
            done += 1


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_value_under_one_promise_is_that_of_linprog(case: tuple[str, str, str]) -> None:
    one_promise(case, 2, 1)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_values_under_one_promise_are_those_of_linprog(case: tuple[str, str, str]) -> None:
    one_promise(case, 8, 2)


def several_promises(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    binding, conflicts = 0, 0
    for k in range(count):
        data, pledges = raw(rng), list[Pledge]()
        for j in rng.choice(len(CASES), size=int(rng.integers(2, 6)), replace=False):
            pledge = drawn(rng, data, CASES[j], pledges, (0.3, 2.0))
            pledges += [] if pledge is None else [pledge]
        last = broken(rng, data, NATURAL[k % len(NATURAL)], pledges) if k % 4 == 0 else None
        pledges += [] if last is None else [last]
        binding += agree(data, pledges)
        prices_agree(data, pledges)
        conflicts += promised(data, pledges).status == "infeasible"
    assert 0.2 * count < binding
    assert conflicts


def test_values_under_several_promises_are_those_of_linprog() -> None:
    several_promises(6, 3)


@pytest.mark.long
def test_values_under_many_promises_are_those_of_linprog() -> None:
    several_promises(40, 4)


@pytest.mark.parametrize("case", NATURAL, ids="-".join)
def test_a_promise_beyond_the_tightest_is_infeasible(case: tuple[str, str, str]) -> None:
    """Or, where the denominator may be 0, kept by a plan that finishes nothing."""
    rng = np.random.default_rng([5, CASES.index(case)])
    pledge = None
    while pledge is None:
        data = raw(rng)
        pledge = broken(rng, data, case, [])
    agree(data, [pledge])
    assert (promised(data, [pledge]).status == "infeasible") == (case[0] in LIMITED)


def second_order(quotient: Any, step: float, size: float) -> float | None:
    """Return the derivative from difference quotients on both sides; None at a kink.

    `quotient` gives the left and the right one for a step, `size` is what errors are relative to.
    Where the value is smooth, the two sides differ in proportion to the step.
    """
    (left, right), (near_left, near_right) = quotient(step), quotient(step / 4)
    bend = 4 * (near_right - near_left) - (right - left)
    if not np.isfinite(bend) or abs(bend) > 0.3 * SLOPE * size:
        return None
    coarse, fine = (left + right) / 2, (near_left + near_right) / 2
    return float(fine + (fine - coarse) / 15)


def slopes_agree(case: tuple[str, str, str], count: int, seed: int) -> None:
    rng = np.random.default_rng([seed, CASES.index(case)])
    smooth, done = 0, 0
    while done < count:
        data = raw(rng, several=case[0] in ALONE_TRIVIAL)
        scheme, pledge = data["prices"]["scheme"], drawn(rng, data, case, [], reach=(0.1, 0.95))
        if pledge is None:
            continue
        done += 1
        solution, scale = promised(data, [pledge]), max(abs(pledge.bound), 1e-3)
        assert solution.status == "optimal"
        assert solution.revenue_rate is not None
        size = max(abs(solution.promises[0].price), 1e-2 * solution.revenue_rate / scale)
        found = second_order(
            lambda step, data=data, scheme=scheme, pledge=pledge: promises_oracle.slopes(
                data, scheme, [pledge], 0, step
            ),
            1e-3 * scale,
            size,
        )
        if found is not None:
            smooth += 1
            assert solution.promises[0].price == pytest.approx(found, abs=SLOPE * size)
        rate = data["classes"][0]["arrival_rate"]
        worth = max(abs(solution.classes[0].marginal_value), 1e-2 * solution.revenue_rate / rate)
        found = second_order(
            lambda step, data=data, scheme=scheme, pledge=pledge: promises_oracle.arrival_slopes(
                data, scheme, [pledge], 0, step
            ),
            1e-3 * rate,
            worth,
        )
        if found is not None:
            assert solution.classes[0].marginal_value == pytest.approx(found, abs=SLOPE * worth)
        earned = sum(
            each.marginal_value * raw_class["arrival_rate"]
            for each, raw_class in zip(solution.classes, data["classes"], strict=True)
        )
        assert solution.gpu_value is not None
        assert solution.revenue_rate == pytest.approx(earned + solution.gpu_value, rel=RELATIVE)
    fixed = INDICATORS[case[0]].lowest == INDICATORS[case[0]].highest
    assert fixed or smooth > 0


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_prices_are_the_slopes_of_the_value(case: tuple[str, str, str]) -> None:
    """In the bound and in an arrival rate; and value = rates at their prices + one GPU's worth."""
    slopes_agree(case, 2, 6)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_prices_are_the_slopes_of_the_value_on_many_instances(case: tuple[str, str, str]) -> None:
    slopes_agree(case, 4, 7)


@pytest.mark.parametrize(
    ("kind", "value", "cost"),
    [("prefill_fairness", 134.0000, 0.550), ("decode_fairness", 257.3996, 0.135)],
)
def test_full_fairness_of_the_base_instance(kind: str, value: float, cost: float) -> None:
    """Equal prefill occupancies cost 55.0 % of the revenue, equal solo occupancies 13.5 %."""
    data = tomllib.loads(shipped_instances()["two-class"].read_text())
    expected = promises_oracle.solve(data, "bundled", [Pledge(kind, 0.0)]).value
    best = linprog_oracle.bundled(data).value
    solution = promised(data, [Pledge(kind, 0.0)])
    assert expected == pytest.approx(value, abs=5e-5)
    assert solution.revenue_rate == pytest.approx(expected, rel=RELATIVE)
    assert 1 - expected / best == pytest.approx(cost, abs=5e-4)
