"""Penalties: worth what the promise at the same price is, and as much as a grid can find."""

import copy
from typing import Any

import numpy as np
import pytest

import gnr
from gnr.instance import Instance, Sli
from gnr.models import penalty_search
from gnr.models.point import Point
from gnr.models.promises import Promise, promises_of
from gnr.rates import rates_of
from gnr.reading import build
from gnr.slis import INDICATORS
from oracles import soft_oracle
from random_instances import random_data

Entry = dict[str, Any]

FIELDS = ("prefill", "mixed_decode", "solo_decode", "prefill_queue", "decode_queue")


def load(name: str) -> Instance:
    """Return a shipped instance; "dear-output" is two-class where output pays most of all, so that
    the optimum serves the long requests and fewer of them."""
    if name != "dear-output":
        return gnr.load(name)
    instance = gnr.load("two-class")
    prices = instance.prices.model_copy(update={"prompt_token": 0.001, "output_token": 1.0})
    return instance.model_copy(update={"prices": prices})


def under(instance: Instance, *entries: Entry) -> Any:
    """Return the optimum of an instance under promises and penalties."""
    slis = tuple(Sli.model_validate(each) for each in entries)
    return gnr.solve(instance.model_copy(update={"slis": slis}))


def value(solution: Any) -> float:
    """Return revenue less penalties, after a look at the bound."""
    assert solution.status == "optimal", solution.warnings
    found = float(solution.revenue_rate - solution.penalty)
    scale = max(solution.revenue_rate + solution.penalty, 1.0)
    assert found <= solution.penalty_bound <= found + 3e-8 * scale
    return found


def planned_without(instance: Instance, entry: Entry) -> tuple[Promise, float]:
    """Return the indicator of an entry and its value at the optimum without promises."""
    slis = (Sli.model_validate(entry | {"penalty_weight": 1.0}),)
    (promise,) = promises_of(instance.model_copy(update={"slis": slis}), rates_of(instance))
    classes = gnr.solve(instance).classes
    point = Point(*(np.array([getattr(each, name) for each in classes]) for name in FIELDS))
    return promise, promise.value(point)


LINEAR_OR_CONVEX = [
    ("two-class", "prefill_fairness", None, 0.6),
    ("two-class", "decode_fairness", None, 0.3),
    ("two-class", "mean_tpot", None, 0.97),
    ("two-class", "mean_wait", "decode-heavy", 0.6),
    ("two-class", "mean_ttft", "decode-heavy", 0.6),
    ("dear-output", "abandonment_fraction", None, 0.9),
    ("two-class", "abandonment_fraction", "decode-heavy", 0.6),
    ("dear-output", "throughput", None, 1.01),
    ("two-class", "throughput", "decode-heavy", 1.03),
    ("two-class", "max_min_fairness", None, 1.01),
    ("two-class-separate", "decode_backlog", None, 0.02),
    ("two-class-separate", "empty_decode_buffer", None, 0.1),
    ("two-class", "disaggregation", None, 0.6),
]
"""Instance, kind, class, and the bound as a share of what is planned without it."""

CURVED = [
    ("two-class", "mean_wait", None, 0.6),
    ("two-class", "mean_ttft", None, 0.6),
    ("two-class", "token_tpot", None, 0.97),
    ("two-class", "mean_end_to_end", None, 0.97),
    ("two-class", "proportional_share", "decode-heavy", 1.03),
]
"""The same for kinds whose best revenue need not be concave in the bound."""


def at_the_price(name: str, kind: str, owner: str | None, share: float) -> tuple[float, float]:
    """Return what a promise is worth at its own price, and what the penalty with it comes to."""
    instance = load(name)
    entry: Entry = {"kind": kind} | ({} if owner is None else {"class": owner})
    promise, planned = planned_without(instance, entry)
    hard = under(instance, entry | {promise.direction: share * planned})
    price = abs(hard.promises[0].price)
    assert price > 0, "the promise must bind"
    best = promise.indicator.best
    counted = planned * share if best is None else float(best(promise.scope)) - planned * share
    return hard.revenue_rate - price * counted, value(
        under(instance, entry | {"penalty_weight": price})
    )


@pytest.mark.parametrize(("name", "kind", "owner", "share"), LINEAR_OR_CONVEX)
def test_a_penalty_at_the_price_of_a_promise_is_worth_what_the_promise_is(
    name: str, kind: str, owner: str | None, share: float
) -> None:
    hard, soft = at_the_price(name, kind, owner, share)
    assert soft == pytest.approx(hard, rel=1e-6)


@pytest.mark.parametrize(("name", "kind", "owner", "share"), CURVED)
def test_a_penalty_at_the_price_of_a_promise_is_never_worth_less(
    name: str, kind: str, owner: str | None, share: float
) -> None:
    """The plan under the promise is one of those the penalty chooses from. Where the best revenue
    is not concave in the bound, a plan far away can be worth more."""
    hard, soft = at_the_price(name, kind, owner, share)
    assert soft >= hard - 1e-6 * abs(hard)


def test_every_kind_has_been_tried_as_a_penalty() -> None:
    assert {kind for _, kind, *_ in LINEAR_OR_CONVEX + CURVED} == set(INDICATORS)


GRID = [
    ("mean_tpot", "below", None, "bundled"),
    ("mean_tpot", "below", None, "separate"),
    ("mean_tpot", "above", None, "bundled"),
    ("token_tpot", "above", None, "separate"),
    ("token_tpot", "below", 0, "bundled"),
    ("mean_wait", "above", None, "bundled"),
    ("mean_ttft", "above", None, "separate"),
    ("mean_ttft", "below", 1, "bundled"),
    ("mean_end_to_end", "above", None, "bundled"),
    ("mean_end_to_end", "below", 0, "separate"),
    ("proportional_share", "above", 1, "bundled"),
]


@pytest.mark.parametrize(("kind", "regime", "owner", "scheme"), GRID)
def test_no_plan_on_a_grid_is_worth_more_and_the_plan_is_one(
    kind: str, regime: str, owner: int | None, scheme: str
) -> None:
    """The oracle knows the best revenue for 30 values of the indicator around the one planned."""
    seed = GRID.index((kind, regime, owner, scheme))
    data = random_data(np.random.default_rng(seed), classes=3, regime=regime, scheme=scheme)
    instance = build(data, "grid.toml")
    free = gnr.solve(instance)
    z = np.array([[getattr(each, name) for each in free.classes] for name in FIELDS]).ravel()
    before = soft_oracle.indicator(data, kind, owner, z)
    weight = 0.3 * free.revenue_rate / (before or 1.0)
    entry: Entry = {"kind": kind, "penalty_weight": weight}
    solution = under(
        instance, entry if owner is None else entry | {"class": instance.classes[owner].name}
    )
    best = value(solution)
    z = np.array([[getattr(each, name) for each in solution.classes] for name in FIELDS]).ravel()
    eta, top = soft_oracle.indicator(data, kind, owner, z), float(kind == "proportional_share")
    eta = top if np.isnan(eta) else eta  # a class that is shut out costs nothing

    def worth(revenue: float, indicator: float) -> float:
        return revenue - weight * (top - indicator if top else indicator)

    tolerance = 1e-7 * free.revenue_rate
    assert worth(soft_oracle.revenue(data, z), eta) == pytest.approx(best, abs=tolerance)
    around = [np.linspace(0, 2 * (eta or 1.0), 20), np.linspace(0.99 * eta, 1.01 * eta, 10)]
    for near in np.concatenate(around):
        found = soft_oracle.best_with(data, kind, owner, near)
        assert not worth(found, near) > best + tolerance


def test_several_penalties_at_once_against_all_plans_of_two_classes() -> None:
    """By (D4) every x with (C phi + kappa B - (B - 1)) x <= kappa B earns sum w mu_p x, q_d = 0.
    A grid over x, refined five times around its best point, finds what five penalties leave."""
    instance = gnr.load("two-class")
    weights = {"mean_tpot": 6e4, "cluster": 0.5, "decode-heavy": 0.2, "fair": 80.0, "left": 30.0}
    solution = under(
        instance,
        {"kind": "mean_tpot", "penalty_weight": weights["mean_tpot"]},
        {"kind": "mean_ttft", "penalty_weight": weights["cluster"]},
        {"kind": "mean_wait", "class": "decode-heavy", "penalty_weight": weights["decode-heavy"]},
        {"kind": "prefill_fairness", "penalty_weight": weights["fair"]},
        {"kind": "abandonment_fraction", "penalty_weight": weights["left"]},
    )
    tau, gamma, slots = 0.0174 + 6.2e-5 * 256, 1 / 0.022002200220022, 16
    rate = 256 / (np.array([300.0, 3000.0]) * tau)
    reward, work = np.array([230.0, 380.0]), 256 * np.array([1000 / 300, 400 / 3000])
    solo = gamma * tau * slots
    low, high, best = np.zeros(2), 0.5 / rate, -np.inf
    for _ in range(6):
        x = np.stack(np.meshgrid(*np.linspace(low, high, 401).T, indexing="ij"), axis=-1)
        started = x * rate
        queue = (0.5 - started) / 0.1
        total = x.sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            worth = (
                started @ reward
                - weights["mean_tpot"]
                * (tau * (slots - 1) * total + slots / gamma * (1 - total))
                / (slots - total)
                - weights["cluster"] * (queue + x).sum(axis=-1) / started.sum(axis=-1)
                - weights["decode-heavy"] * queue[..., 0] / started[..., 0]
                - weights["fair"] * np.abs(x[..., 0] - x[..., 1])
                - weights["left"] * (0.1 * queue).sum(axis=-1)
            )
        fits = x @ (work + solo - (slots - 1)) <= solo
        worth = np.where(fits & np.isfinite(worth), worth, -np.inf)
        best = max(best, worth.max())
        here = x[np.unravel_index(worth.argmax(), worth.shape)]
        reach = 3 * (high - low) / 400
        low, high = np.maximum(here - reach, 0), np.minimum(here + reach, 0.5 / rate)
    assert value(solution) == pytest.approx(best, abs=1e-5 * solution.revenue_rate)


@pytest.mark.parametrize(
    "entries",
    [
        [{"kind": "abandonment_fraction", "penalty_weight": 50.0}],
        [{"kind": "throughput", "class": "decode-heavy", "penalty_weight": 100.0}],
        [{"kind": "mean_tpot", "penalty_weight": 9.1e4}],
        [
            {"kind": "mean_wait", "penalty_weight": 0.24},
            {"kind": "mean_tpot", "at_most": 0.0236},
        ],
        [
            {"kind": "mean_end_to_end", "penalty_weight": 5.0},
            {"kind": "prefill_fairness", "penalty_weight": 100.0},
        ],
    ],
    ids=lambda entries: "+".join(each["kind"] for each in entries),
)
def test_marginal_values_are_the_slopes_of_revenue_less_penalties(entries: list[Entry]) -> None:
    instance = gnr.load("two-class")
    solution = under(instance, *entries)
    largest = max(abs(each.marginal_value) for each in solution.classes)
    for i, each in enumerate(instance.classes):
        step = 1e-3 * each.arrival_rate
        ends = []
        for sign in (-1, 1):
            moved = each.model_copy(update={"arrival_rate": each.arrival_rate + sign * step})
            classes = (*instance.classes[:i], moved, *instance.classes[i + 1 :])
            found = under(instance.model_copy(update={"classes": classes}), *entries)
            ends.append(found.revenue_rate - found.penalty)
        slope = (ends[1] - ends[0]) / (2 * step)
        assert solution.classes[i].marginal_value == pytest.approx(slope, abs=1e-3 * largest)
    phi = sum(
        each.marginal_value * owner.arrival_rate
        for each, owner in zip(solution.classes, instance.classes, strict=True)
    )
    assert solution.gpu_value == pytest.approx(solution.revenue_rate - solution.penalty - phi)


def test_a_search_that_is_given_up_says_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty_search, "MOST_PROGRAMS", 2)
    entry = {"kind": "mean_end_to_end", "penalty_weight": 5.0}
    stopped = under(gnr.load("two-class"), entry)
    monkeypatch.undo()
    solved = under(gnr.load("two-class"), entry)
    assert stopped.status == "limit"
    assert stopped.revenue_rate is None
    assert stopped.penalty_bound >= value(solved)
    assert "given up" in stopped.warnings[-1]


def test_promises_alone_have_no_penalty_bound() -> None:
    assert (
        under(gnr.load("two-class"), {"kind": "mean_tpot", "at_most": 0.024}).penalty_bound is None
    )


def test_penalties_under_promises_that_cannot_be_kept_are_infeasible() -> None:
    found = under(
        gnr.load("two-class"),
        {"kind": "mean_tpot", "at_most": 0.02},
        {"kind": "mean_ttft", "penalty_weight": 1.0},
    )
    assert found.status == "infeasible"


def test_where_nobody_is_served_waiting_has_no_finite_penalty() -> None:
    instance = gnr.load("two-class")
    slis = tuple(
        Sli(kind=kind, penalty_weight=1.0) for kind in ("mean_ttft", "token_tpot", "mean_wait")
    )
    promises = promises_of(instance.model_copy(update={"slis": slis}), rates_of(instance))
    nothing = Point(*(np.zeros(2) for _ in range(3)), np.full(2, 5.0), np.zeros(2))
    assert [each.penalty(nothing) for each in promises] == [np.inf, 0.0, np.inf]


def test_a_penalty_does_not_depend_on_the_currency() -> None:
    data = random_data(np.random.default_rng(4), classes=3)
    data["slis"] = [{"kind": "mean_ttft", "class": "class-0", "penalty_weight": 1.0}]
    worth = gnr.solve(build(data, "x.toml")).revenue_rate
    data["slis"][0]["penalty_weight"] = worth
    found = value(gnr.solve(build(data, "x.toml")))
    for factor in (1e-5, 1e5):
        other = copy.deepcopy(data)
        other["slis"][0]["penalty_weight"] *= factor
        for key in ("prompt_token", "output_token"):
            other["prices"][key] *= factor
        solution = gnr.solve(build(other, "x.toml"))
        scaled = (solution.revenue_rate - solution.penalty) / factor
        assert scaled == pytest.approx(found, abs=1e-7 * worth)
