"""Penalties on one class of requests, on paper: a linear one, a convex one, and a concave one.

All GPUs have B = 4 slots, chunks of C = 100 tokens and mixed iterations of 1 s. One class, P = 100,
D = 5, lambda = 1, theta = 1/2: mu_p = 1, mu_m = 1/5, w = 0.25 P + D = 30. With solo iterations of
0.5 s, kappa = 2, it finishes s <= min(x, 1.6 - x) of its requests, so that R = 30 min(x, 1.6 - x).
"""

from typing import Any

import pytest

import gnr
from gnr.reading import build


def solve(decode_only: float = 0.5, **sli: Any) -> Any:
    data = {
        "schema_version": 1,
        "name": "paper",
        "title": "Small enough for paper",
        "source": "tests",
        "gpu": {
            "batch_slots": 4,
            "chunk_tokens": 100,
            "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": decode_only},
        },
        "prices": {"scheme": "bundled", "prompt_token": 0.25, "output_token": 1.0},
        "classes": [
            {
                "name": "only",
                "prompt_tokens": 100,
                "output_tokens": 5,
                "arrival_rate": 1.0,
                "patience_rate": 0.5,
            }
        ],
        "slis": [sli],
    }
    return gnr.solve(build(data, "paper.toml"))


def assert_worth(solution: Any, revenue: float, penalty: float, planned: float) -> None:
    (promise,) = solution.promises
    assert solution.status == "optimal"
    assert promise.planned == pytest.approx(planned, rel=1e-4)
    assert solution.revenue_rate == pytest.approx(revenue, rel=1e-3)
    assert promise.penalty == solution.penalty == pytest.approx(penalty, rel=1e-3)
    assert promise.price == promise.penalty_weight
    assert promise.bound is None
    value = solution.revenue_rate - solution.penalty
    assert value == pytest.approx(revenue - penalty, rel=1e-7)
    assert value <= solution.penalty_bound <= value + 1e-8 * (revenue + penalty)


def test_a_penalty_on_abandonment_is_worth_more_requests_until_the_slots_are_full() -> None:
    """l = 10 (1 - s): 40 s - 10 is largest at s = 0.8 like the revenue alone, 24 - 2."""
    assert_worth(solve(kind="abandonment_fraction", penalty_weight=10.0), 24.0, 2.0, 0.2)


def test_a_convex_penalty_on_the_time_per_token_stops_inside() -> None:
    """f(X) = (3 X + 2 (1 - X))/(4 - X) = (2 + X)/(4 - X), f' = 6/(4 - X)^2. With weight 64.8 the
    slopes 30 and 64.8 * 6/(4 - X)^2 meet at 4 - X = 3.6: X = 0.4, R = 12, l = 64.8 * 2.4/3.6."""
    solution = solve(kind="mean_tpot", penalty_weight=64.8)
    assert_worth(solution, 12.0, 43.2, 2 / 3)
    # More requests or longer batches would not be used, so that only the GPU is worth something.
    assert solution.classes[0].marginal_value == pytest.approx(0, abs=1e-2)
    assert solution.gpu_value == pytest.approx(-31.2, rel=1e-3)


@pytest.mark.parametrize(
    ("weight", "revenue", "planned"), [(17.0, 210 / 11, 275 / 259), (18.5, 18.0, 1.0)]
)
def test_a_concave_penalty_on_the_time_per_token_jumps_between_the_ends(
    weight: float, revenue: float, planned: float
) -> None:
    """Solo iterations of 8/7 s, kappa = 7/8: s <= min(x, (3.5 - x/2)/5), largest at x = 7/11. More
    prefill earns less, 18 at X = 1, and shortens the mean, f(X) = (3 X + (1 - X) 32/7)/(4 - X),
    from 275/259 to 1. Between them R is linear and -l convex: the ends are worth the same at
    210/11 - 275 w/259 = 18 - w, w = 17.66."""
    solution = solve(decode_only=8 / 7, kind="mean_tpot", penalty_weight=weight)
    assert_worth(solution, revenue, weight * planned, planned)


def test_nobody_is_served_when_that_is_the_only_way_to_pay_nothing() -> None:
    """The token mean is at least 0.5 s, R at most 24: a weight of 49 leaves 24 - 24.5 < 0."""
    solution = solve(kind="token_tpot", penalty_weight=49.0)
    assert solution.revenue_rate == solution.penalty == 0
    assert solution.promises[0].planned is None
