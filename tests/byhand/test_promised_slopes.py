"""Right and left slopes at kinks of the value in a promise, worked out on paper.

One class, tau = 1 s, kappa = 2, B = 2: mu_p = 1, mu_m = 1/2, mu_s = 1, w = 27, and more arrivals
than can be served. Decodes are at most x = y_m/2 + y_s with y_m <= x and y_s <= 2(1 - x), so the
best plan has y_m = x = 4/5, y_s = 2/5 and earns 27 * 4/5.
"""

from typing import Any

import pytest

from gnr.models.steady_state import solve
from gnr.reading import build
from gnr.result import Solution

ONE_CLASS: dict[str, Any] = {
    "schema_version": 1,
    "name": "paper",
    "title": "tau = 1 s, kappa = 2; mu_p = 1, mu_m = 1/2, mu_s = 1, w = 27",
    "source": "tests",
    "gpu": {
        "batch_slots": 2,
        "chunk_tokens": 100,
        "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": 0.5},
    },
    "prices": {"scheme": "bundled", "prompt_token": 0.25, "output_token": 1.0},
    "classes": [
        {
            "name": "a",
            "prompt_tokens": 100,
            "output_tokens": 2,
            "arrival_rate": 3.0,
            "patience_rate": 0.5,
        }
    ],
}


def solved(**promise: Any) -> Solution:
    return solve(build(ONE_CLASS | {"slis": [promise]}, "paper"))


def ranges(solution: Solution, *names: str) -> list[Any]:
    assert solution.unique is not None
    return [solution.unique.ranges.marginals.get(name) for name in names]


def test_a_cap_where_it_only_just_does_not_bind() -> None:
    """y_m <= eta < 4/5 leaves x = eta/2 + 2(1 - x), so x = (2 + eta/2)/3 and 27/6 is the slope.

    Beyond 4/5 nothing is gained. So one may pay for the mixed decodes on their own row, 27/5 there
    and nothing here, or on that of the promise, 9/2, and in all proportions.
    """
    solution = solved(kind="disaggregation", at_most=0.8)
    assert solution.unique is not None
    assert solution.unique.marginals is False
    promise, mixed = ranges(solution, "disaggregation", "mixed_decode_capacity")
    assert promise == pytest.approx((0, 4.5))
    assert mixed == pytest.approx((0, 5.4))


def test_the_most_that_can_be_promised() -> None:
    """No throughput above 4/5 can be kept: no slope there. Below, the promise costs nothing."""
    solution = solved(kind="throughput", at_least=0.8)
    assert ranges(solution, "throughput") == [(None, 0)]


def test_the_time_per_token_of_solo_gpus() -> None:
    """At eta = 1/2 all decode solo: x = 2(1 - x) = 2/3. Below nobody can, and the value drops.

    Above, y_m (1 - eta) <= y_s (2 eta - 1) lets in y_m = 4 * 2/3 per unit of eta, and each adds 1/6
    to x: the slope is 27 * 8/3/6 = 12.
    """
    solution = solved(kind="token_tpot", at_most=0.5)
    assert solution.revenue_rate == pytest.approx(18)
    (promise,) = ranges(solution, "token_tpot")
    assert promise == (pytest.approx(12), None)


def test_a_price_that_is_the_same_on_both_sides() -> None:
    """P47 is eta X <= 2 eta - 1: X = 2/5 at eta = 5/8, where dX/d(eta) = 64/25 and w = 27."""
    solution = solved(kind="mean_tpot", at_most=0.625)
    assert solution.unique is not None
    assert solution.unique.marginals is True
    assert solution.unique.mixed_decode is False
    assert solution.promises[0].price == pytest.approx(27 * 64 / 25)


def test_a_promise_that_only_an_empty_plan_keeps_has_no_price() -> None:
    """No token comes faster than in 1/2 s: nobody is decoded, at 0.4 s and near it alike."""
    solution = solved(kind="token_tpot", at_most=0.4)
    assert (solution.revenue_rate, ranges(solution, "token_tpot")) == (0, [None])


def test_a_kink_where_raising_earns_more_than_lowering_costs() -> None:
    """A request needs r = D + 3P/100 of 4 mixed slots (one for each in prefill, two for a solo).

    (r, w) is (43, 87), (23, 45), (45, 89) for a, b, c. With a share eta of a, and else b or else c,
    4 (45 + 42 eta)/(23 + 20 eta) and 4 (89 - 2 eta)/(45 - 2 eta) are earned: 8 both at eta = 1/2,
    with slopes 8/33 and 2/11. Above 1/2 it is b, below it is c, so the right slope is the larger.
    """
    lengths = {"a": (200, 37), "b": (100, 20), "c": (200, 39)}
    (like,) = ONE_CLASS["classes"]
    classes = [
        like | {"name": name, "prompt_tokens": prompt, "output_tokens": output}
        for name, (prompt, output) in lengths.items()
    ]
    share = {"kind": "proportional_share", "class": "a", "at_most": 0.5}
    solution = solve(build(ONE_CLASS | {"classes": classes, "slis": [share]}, "paper"))
    assert solution.revenue_rate == pytest.approx(8)
    assert solution.unique is not None
    assert solution.unique.prefill is False
    assert ranges(solution, "proportional_share:a") == [pytest.approx((8 / 33, 2 / 11))]


def test_penalties_leave_it_open() -> None:
    solution = solved(kind="mean_tpot", penalty_weight=1.0)
    assert solution.unique is not None
    assert solution.unique.prefill is solution.unique.marginals is None
