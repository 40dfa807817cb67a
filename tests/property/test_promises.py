"""What must hold of every optimum under promises, whatever their kinds, scopes and bounds."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnr.models.fair_shares import fair_shares
from gnr.models.point import Point
from gnr.models.steady_state import solve
from gnr.models.verification import infeasibility
from gnr.plan import Occupancy
from gnr.rates import rates_of
from gnr.reading import build
from gnr.result import Solution
from gnr.slis import INDICATORS
from gnr.slis.indicator import Indicator, Scope
from random_instances import REGIMES, random_data

RELATIVE = 1e-8
Entry = dict[str, Any]
"""One of ``[[slis]]``."""


def random_case(rng: np.random.Generator) -> dict[str, Any]:
    return random_data(
        rng,
        classes=int(rng.integers(1, 5)),
        regime=REGIMES[int(rng.integers(3))],
        scheme=("bundled", "separate")[int(rng.integers(2))],
        twins=bool(rng.random() < 0.3),
    )


def solved(data: dict[str, Any], entries: list[Entry]) -> Solution:
    return solve(build(data | {"slis": entries}, "random"))


def value(data: dict[str, Any], entries: list[Entry]) -> float:
    """Return the optimal value, -inf if infeasible."""
    solution = solved(data, entries)
    assert solution.status in ("optimal", "infeasible")
    return -np.inf if solution.revenue_rate is None else solution.revenue_rate


def point_of(solution: Solution) -> Point:
    return Point(
        *(np.array([getattr(c, f) for c in solution.classes]) for f in Occupancy.model_fields)
    )


def random_entries(
    rng: np.random.Generator, data: dict[str, Any], free: Solution, factors: tuple[float, ...]
) -> list[Entry]:
    """Return promises of up to four kinds, at factors of what the best plan without any attains.

    A factor above 1 is a looser bound. None of an indicator that has no meaning there.
    """
    rates, entries = rates_of(free.instance), list[Entry]()
    for kind in rng.choice(list(INDICATORS), size=int(rng.integers(1, 5)), replace=False):
        indicator = INDICATORS[str(kind)]
        scope, direction = str(rng.choice(indicator.scopes)), str(rng.choice(indicator.directions))
        owner = int(rng.integers(rates.classes)) if scope == "class" else None
        shares = fair_shares(rates) if indicator.needs_fair_shares else ()
        now = float(indicator.at(Scope(rates, owner, shares), point_of(free)))
        if np.isnan(now):
            continue
        looser = float(rng.choice(factors)) ** (1 if direction == "at_most" else -1)
        bound = min(max(now * looser, indicator.lowest), indicator.highest)
        named = {} if owner is None else {"class": data["classes"][owner]["name"]}
        entries.append({"kind": str(kind), direction: bound, **named})
    return entries


def side(entry: Entry) -> str:
    return "at_most" if "at_most" in entry else "at_least"


def moved(entry: Entry, factor: float) -> Entry:
    """Return a promise with a looser bound, for a factor above 1, or a tighter one."""
    indicator, key = INDICATORS[entry["kind"]], side(entry)
    bound = entry[key] * (factor if key == "at_most" else 1 / factor)
    return entry | {key: min(max(bound, indicator.lowest), indicator.highest)}


def case(rng: np.random.Generator) -> tuple[dict[str, Any], list[Entry]]:
    data = random_case(rng)
    return data, random_entries(rng, data, solved(data, []), (0.6, 0.9, 0.97, 1.2))


def tightening_never_raises_revenue(rng: np.random.Generator) -> None:
    data, entries = case(rng)
    tight = [moved(each, float(rng.choice([1.0, 0.98, 0.8]))) for each in entries]
    assert value(data, tight) <= value(data, entries) * (1 + RELATIVE)


def one_more_promise_never_raises_revenue(rng: np.random.Generator) -> None:
    data, entries = case(rng)
    assert value(data, entries) <= value(data, entries[1:]) * (1 + RELATIVE)


SECONDS = ("mean_tpot", "token_tpot", "mean_wait", "mean_ttft", "mean_end_to_end")


def a_faster_clock_scales_revenue_and_times(rng: np.random.Generator) -> None:
    data, entries = case(rng)
    factor, faster, sooner = float(rng.uniform(0.1, 10)), copy.deepcopy(data), list[Entry]()
    for key in ("base", "per_chunk_token", "decode_only"):
        faster["gpu"]["iteration_time"][key] /= factor
    for each in faster["classes"]:
        each["arrival_rate"] *= factor
        each["patience_rate"] *= factor
    for entry in entries:
        power = -1 if entry["kind"] in SECONDS else 1 if entry["kind"] == "throughput" else 0
        sooner.append(entry | {side(entry): entry[side(entry)] * factor**power})
    expected = value(data, entries)
    assert value(faster, sooner) == pytest.approx(factor * expected, rel=RELATIVE)


def relabelling_the_classes_changes_nothing(rng: np.random.Generator) -> None:
    data, entries = case(rng)
    order = rng.permutation(len(data["classes"]))
    other = data | {"classes": [data["classes"][i] for i in order]}
    one, two = solved(data, entries), solved(other, entries[::-1])
    assert one.status == two.status
    if one.revenue_rate is not None:
        assert two.revenue_rate == pytest.approx(one.revenue_rate, rel=RELATIVE)


def what_a_plan_attains_costs_nothing_to_promise(rng: np.random.Generator) -> None:
    """But for the empty decode buffer that comes with some kinds, where the plan has none.

    To ten digits: where nothing better can be attained, rounding decides what can be kept.
    """
    data = random_case(rng)
    free = solved(data, [])
    assert free.totals is not None
    assert free.revenue_rate is not None
    entries = random_entries(rng, data, free, (1 + 1e-10,))
    if free.totals.decode_queue > 0:
        entries = [each for each in entries if not comes_with_empty_buffer(free, each)]
    assert value(data, entries) == pytest.approx(free.revenue_rate, rel=RELATIVE)


def comes_with_empty_buffer(solution: Solution, entry: Entry) -> bool:
    if entry["kind"] == "empty_decode_buffer":
        return True
    indicator: Indicator = INDICATORS[entry["kind"]]
    rates = rates_of(solution.instance)
    return indicator.form(Scope(rates, None, (1.0,) * rates.classes)).empty_decode_buffer


def the_reported_plan_keeps_every_promise(rng: np.random.Generator) -> None:
    data, entries = case(rng)
    solution = solved(data, entries)
    if solution.status != "optimal":
        return
    rates, point = rates_of(solution.instance), point_of(solution)
    assert infeasibility(rates, point) <= RELATIVE
    for entry, found in zip(entries, solution.promises, strict=True):
        assert found.bound == entry[side(entry)]
        if found.planned is None:
            continue
        missed = (found.planned - found.bound) * (1 if side(entry) == "at_most" else -1)
        assert missed <= RELATIVE * max(found.bound, 1e-3)


LAWS = (
    tightening_never_raises_revenue,
    one_more_promise_never_raises_revenue,
    a_faster_clock_scales_revenue_and_times,
    relabelling_the_classes_changes_nothing,
    what_a_plan_attains_costs_nothing_to_promise,
    the_reported_plan_keeps_every_promise,
)
seeds = st.integers(0, 2**32)


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=seeds)
def test_promised_optima(law: Callable[[np.random.Generator], None], seed: int) -> None:
    law(np.random.default_rng(seed))


@pytest.mark.long
@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=seeds)
def test_many_promised_optima(law: Callable[[np.random.Generator], None], seed: int) -> None:
    law(np.random.default_rng(seed + 1))
