"""Indicators as functions of a point: at optima, over replications, in fractions, without work."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from small_clusters import FEW_AND_MANY, ONE, TWO, Classes, small_cluster

import gnr
from gnr.exact_rates import exact_rates
from gnr.instance import Instance
from gnr.models.point import Point
from gnr.models.promises import Promise, promises_of
from gnr.models.steady_state import solve
from gnr.plan import Occupancy
from gnr.proofs.certificate_checker import DIRECTIONS
from gnr.rates import rates_of
from gnr.reading import build
from gnr.result import Solution
from gnr.slis import INDICATORS
from gnr.slis.indicator import Scope
from gnr.varying import plain
from oracles.format_oracle import KINDS

FORMS = [
    (kind, scope, direction)
    for kind, indicator in INDICATORS.items()
    for scope in indicator.scopes
    for direction in indicator.directions
]

BACKLOG = (ONE, "separate")
"""Sold separately, the plan prefills more than it can decode."""

BINDING: dict[tuple[str, str], tuple[Classes, str]] = {
    ("decode_fairness", "cluster"): (FEW_AND_MANY, "bundled"),
    ("token_tpot", "class"): (ONE, "bundled"),
    ("disaggregation", "class"): (ONE, "bundled"),
    **{(kind, scope): BACKLOG for kind in ("decode_backlog", "empty_decode_buffer")
       for scope in ("cluster", "class")},
}  # fmt: skip
"""Where a kind does not bind in TWO: classes there can swap slots, and nobody waits twice."""


def sli_of(kind: str, scope: str, **how: float) -> Instance:
    """Return a small cluster with one promise or penalty, if about a class the first one."""
    classes, scheme = BINDING.get((kind, scope), (TWO, "bundled"))
    owner = {"class": next(iter(classes))} if scope == "class" else {}
    return small_cluster(classes, scheme, kind=kind, **owner, **how)


def promise_of(instance: Instance) -> Promise:
    (promise,) = promises_of(instance, rates_of(instance))
    return promise


def point_of(solution: Solution) -> Point:
    columns = (
        np.array([getattr(each, field) for each in solution.classes])
        for field in Occupancy.model_fields
    )
    return Point(*columns)


def free_optimum(instance: Instance) -> Point:
    return point_of(solve(instance.model_copy(update={"slis": ()})))


def tighter(kind: str, scope: str, direction: str) -> Instance:
    """Return an instance with a promise that the optimum without it breaks by a little."""
    instance = sli_of(kind, scope, **{direction: 0.0})
    promise = promise_of(instance)
    free = promise.value(free_optimum(instance))
    factor = 0.97 if direction == "at_most" else 1.03
    return sli_of(kind, scope, **{direction: min(factor * free, promise.indicator.highest)})


@pytest.mark.parametrize(("kind", "scope", "direction"), FORMS)
def test_a_promise_that_binds_is_met_exactly(kind: str, scope: str, direction: str) -> None:
    instance = tighter(kind, scope, direction)
    promise, solution = promise_of(instance), solve(instance)
    (planned,) = solution.promises
    assert abs(planned.price) > 1e-6, "it binds"
    assert (planned.price > 0) == (direction == "at_most")
    assert promise.value(point_of(solution)) == pytest.approx(promise.bound, rel=1e-7, abs=1e-9)


MOVABLE = [each for each in FORMS if INDICATORS[each[0]].highest > 0]


@pytest.mark.parametrize(("kind", "scope", "direction"), MOVABLE)
def test_the_price_is_the_slope_of_the_best_revenue(kind: str, scope: str, direction: str) -> None:
    here = solve(tighter(kind, scope, direction))
    (promise,) = here.promises
    bound = promise.bound or 0.0
    step = 1e-4 * bound
    low, high = (
        solve(sli_of(kind, scope, **{direction: bound + sign * step})).revenue_rate
        for sign in (-1, 1)
    )
    assert low is not None
    assert high is not None
    assert (high - low) / (2 * step) == pytest.approx(promise.price, rel=1e-5)


@pytest.mark.parametrize(("kind", "scope", "direction"), FORMS)
def test_averages_of_replications_are_taken_one_by_one(
    kind: str, scope: str, direction: str
) -> None:
    instance = sli_of(kind, scope, **{direction: 0.0})
    promise, count = promise_of(instance), len(instance.classes)
    runs = Point(*np.random.default_rng(1).random((5, count, 7)))
    found = promise.indicator.at(promise.scope, runs)
    assert found.shape == (7,)
    for k in range(7):
        run = Point(*(getattr(runs, field)[:, k] for field in Occupancy.model_fields))
        assert found[k] == pytest.approx(promise.value(run))


@pytest.mark.parametrize(("kind", "scope", "direction"), FORMS)
def test_fractions_give_the_same_form(kind: str, scope: str, direction: str) -> None:
    instance = sli_of(kind, scope, **{direction: 0.0})
    (exact,) = promises_of(instance, exact_rates(instance))
    forms = (promise_of(instance).form, exact.form)
    rows = [(each.numerator, each.denominator, *each.definitions) for each in forms]
    for in_floats, in_fractions in zip(*rows, strict=True):
        numbers = [*in_fractions.coefficients.values(), in_fractions.constant]
        assert all(isinstance(each, Fraction | int) for each in numbers)
        assert list(in_fractions.coefficients) == list(in_floats.coefficients)
        assert [float(each) for each in numbers] == pytest.approx(
            [*in_floats.coefficients.values(), in_floats.constant]
        )


QUOTIENTS = [
    each for each in FORMS if each[0].startswith(("mean_wait", "mean_ttft", "mean_end", "token"))
]


@pytest.mark.parametrize(("kind", "scope", "direction"), QUOTIENTS)
def test_a_mean_over_nobody_has_no_value(kind: str, scope: str, direction: str) -> None:
    promise = promise_of(sli_of(kind, scope, **{direction: 0.0}))
    nobody = Point(*np.zeros((5, promise.scope.rates.classes)))
    assert np.isnan(promise.value(nobody))


@pytest.mark.parametrize("kind", ["abandonment_fraction", "decode_backlog", "empty_decode_buffer"])
def test_classes_that_never_leave_have_no_queue_in_a_form(kind: str) -> None:
    rates = replace(rates_of(small_cluster(TWO)), patience_rate=np.array([0.5, 0.0]))
    form = INDICATORS[kind].form(Scope(rates))
    assert {i for _, i in form.numerator.coefficients} == {0}


def test_every_kind_is_restated_by_the_oracle_of_files_and_by_the_certificate_checker() -> None:
    assert set(KINDS) == set(INDICATORS)
    without_shares = {kind for kind, each in INDICATORS.items() if not each.needs_fair_shares}
    assert without_shares <= set(DIRECTIONS) <= set(INDICATORS)


def test_fair_shares_do_not_depend_on_how_they_are_served() -> None:
    """With y_m = 0 fewer can be served, and nobody is promised less."""
    instance = small_cluster(ONE, kind="max_min_fairness", at_least=1.0)
    assert solve(instance).promises[0].planned == pytest.approx(1)
    assert solve(instance, disaggregated=True).status == "infeasible"


@pytest.mark.parametrize("kind", ["mean_tpot", "mean_wait", "mean_ttft"])
@pytest.mark.parametrize("patience", [(0.1, 0.1), (0.1, 0.02)])
@pytest.mark.parametrize("prompts", [(300, 300), (300, 3000)])
@pytest.mark.parametrize("decode_only", [0.022, 0.05])
def test_convex_is_said_of_what_no_chord_contradicts(
    kind: str, patience: tuple[float, float], prompts: tuple[float, float], decode_only: float
) -> None:
    """Between any two plans a convex indicator is below its chord, any other one somewhere not."""
    data = plain(gnr.load("two-class"))
    data["gpu"]["iteration_time"]["decode_only"] = decode_only
    for each, theta, tokens in zip(data["classes"], patience, prompts, strict=True):
        each |= {"patience_rate": theta, "prompt_tokens": float(tokens)}
    rates = rates_of(build(data, "x"))
    most = np.minimum(rates.full_prefill, 0.5)
    x = np.random.default_rng(1).uniform(0.01, 1.0, (3, 2, 2000)) * most[:, None]
    x[2] = (x[0] + x[1]) / 2
    waiting = (rates.arrival_rate[:, None] - rates.prefill[:, None] * x) / np.array(patience)[
        :, None
    ]
    nothing = np.zeros_like(x[0])
    one, other, between = (
        INDICATORS[kind].at(Scope(rates), Point(here, nothing, nothing, queue, nothing))
        for here, queue in zip(x, waiting, strict=True)
    )
    below = bool(np.all(between <= (one + other) / 2 + 1e-12 * np.abs(between)))
    assert INDICATORS[kind].convex(Scope(rates)) == below
