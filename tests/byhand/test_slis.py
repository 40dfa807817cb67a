"""Every promise on clusters small enough for paper: the best revenue it leaves, and its price.

All GPUs have B = 4 slots, chunks of C = 100 tokens, mixed iterations of 1 s and solo ones of 0.5 s,
so that kappa = 2: y_m <= 3 X, y_s <= 4 (1 - X). Prices are 0.25 per prompt token and 1 per output
token, patience 1/theta = 2 s. With an empty decode buffer (D4) says: sum (C phi_i + 5) x_i <= 8.

ONE has one class, P = 100, D = 5, lambda = 1: mu_p = 1, mu_m = 1/5, mu_s = 2/5, w = 30. It finishes
s <= min(x, 3x/5 + 8(1 - x)/5) = min(x, 1.6 - x), so that x = s = 0.8 and the revenue is 24; the
slots are full, y_m = 2.4, y_s = 0.8, and q_p = (1 - 0.8)/0.5 = 0.4, q_d = 0.

TWO has the classes short, P = 100, D = 15, lambda = 1/2, w = 40, and long, P = 400, D = 20,
lambda = 1/8, w = 120: it earns 40 x_S + 30 x_L with 20 x_S + 10 x_L <= 8, both x at most 1/2. Long
comes first: x_L = 0.5, x_S = 0.15, revenue 21. Long requests finish at x_L / 4, short ones at x_S.
"""

import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest
from small_clusters import FEW_AND_MANY, ONE, TWO, Classes, small_cluster

import gnr
from gnr.slis import INDICATORS


def solve(classes: Classes, scheme: str = "bundled", **sli: Any) -> Any:
    """Return the optimum under one promise."""
    return gnr.solve(small_cluster(classes, scheme, **sli))


def assert_kept(solution: Any, revenue: float, price: float) -> None:
    """Hold the optimum against paper; the promise binds."""
    (promise,) = solution.promises
    assert solution.status == "optimal"
    assert solution.revenue_rate == pytest.approx(revenue, rel=1e-7)
    assert promise.price == pytest.approx(price, rel=1e-7)
    assert promise.planned == pytest.approx(promise.bound, rel=1e-7)


def test_without_promises() -> None:
    assert solve(ONE).revenue_rate == pytest.approx(24)
    assert solve(TWO).revenue_rate == pytest.approx(21)


def test_prefill_fairness() -> None:
    """x_L - x_S <= e instead of 0.35: 20 x_S + 10 (x_S + e) = 8, so x_S = (8 - 10 e)/30 and the
    revenue is 70 x_S + 30 e, with slope 30 - 70/3 = 20/3. At e = 0.2, x = (0.2, 0.4): 20."""
    assert_kept(solve(TWO, kind="prefill_fairness", at_most=0.2), 20, 20 / 3)


def test_decode_fairness() -> None:
    """The few, x_F = 0.1, have decode work 0.5 = y_m + 2 y_s, so y_s,F <= 1/4; the many then have
    y_s,M <= 1/4 + e, solo slots stay idle, and with all mixed ones
    5 x_M = 3 (x_M + 0.1) + 2 (1/4 + e): x_M = 0.4 + e. At e = 0.1 the revenue is 30 * 0.6."""
    assert_kept(solve(FEW_AND_MANY, kind="decode_fairness", at_most=0.1), 18, 30)


def test_mean_tpot() -> None:
    """(D7) with tau = 1: (3 - 2 + e) X <= 4 (e - 1/2), so X = 1/4 at e = 0.6, and the slope is
    30 * 4 * 1.5/(1 + e)^2 = 180/2.56."""
    assert_kept(solve(ONE, kind="mean_tpot", at_most=0.6), 7.5, 180 / 2.56)


def test_token_tpot() -> None:
    """(D13): y_m <= r y_s with r = (2e - 1)/(1 - e) = 1/2 at e = 0.6. With solo slots full,
    x = y_m/5 + 2 y_s/5 = (0.8 r + 1.6)(1 - x) = 2 (1 - x): x = 2/3, revenue 20. The slope is
    30 * 0.8/(1 + 2)^2 * dr/de, dr/de = 1/(1 - e)^2 = 6.25."""
    assert_kept(solve(ONE, kind="token_tpot", at_most=0.6), 20, 50 / 3)


def test_mean_wait() -> None:
    """q_p/x = 2 (1 - x)/x <= e asks for more prefill than decode can follow: x = 1/(1 + e/2). At
    e = 1/4, x = 8/9 and s = 1.6 - x = 32/45; the slope is 30 * 0.5/(1 + e/2)^2 = 15 * 64/81."""
    assert_kept(solve(ONE, kind="mean_wait", at_most=0.25), 64 / 3, 320 / 27)


def test_mean_ttft() -> None:
    """(q_p + x)/x is the wait and a prefill of 1 s: as `test_mean_wait`, 1 s later."""
    assert_kept(solve(ONE, kind="mean_ttft", at_most=1.25), 64 / 3, 320 / 27)


def test_mean_end_to_end() -> None:
    """q_p + q_d = 2 (1 - s). Short stays use solo slots first, 5 s of work less 2 * 4 (1 - s) done
    there: y_m = 13 s - 8, and x + y_m + y_s = 10 s - 4. So 8 s - 2 = e s: s = 2/(8 - e), slope
    30 * 2/(8 - e)^2. At e = 5, s = 2/3; without the promise it is 5.5 s."""
    assert_kept(solve(ONE, kind="mean_end_to_end", at_most=5.0), 20, 20 / 3)


def test_abandonment_fraction() -> None:
    """Of 0.625 requests/s, 0.625 (1 - e) are served: 0.3 at e = 0.52, see `test_throughput`; the
    slope is 40 * 0.625."""
    assert_kept(solve(TWO, kind="abandonment_fraction", at_most=0.52), 20, 25)


def test_abandonment_fraction_of_a_class() -> None:
    """The short have x_S = (1 - e)/2 = 0.2 at e = 0.6, and x_L = 0.8 - 2 x_S; the revenue
    24 - 20 x_S has slope 10."""
    sli = {"kind": "abandonment_fraction", "class": "short", "at_most": 0.6}
    assert_kept(solve(TWO, **sli), 20, 10)


def test_throughput() -> None:
    """x_S + x_L/4 = e on 20 x_S + 10 x_L = 8: x_L = 4 (0.4 - e), x_S = 2 e - 0.4. Revenue
    40 x_S + 30 x_L = 32 - 40 e, 20 at e = 0.3."""
    assert_kept(solve(TWO, kind="throughput", at_least=0.3), 20, -40)


def test_throughput_as_a_cap() -> None:
    """The long at x_L/4 <= e = 0.1 leave the slots to the short, x_S = 0.4 - 2 e = 0.2. Revenue
    40 (0.4 - 2 e) + 120 e has slope 40."""
    sli = {"kind": "throughput", "class": "long", "at_most": 0.1}
    assert_kept(solve(TWO, **sli), 20, 40)


def test_proportional_share() -> None:
    """x_S = k x_L with k = 0.25 e/(1 - e) = 1/2 at e = 2/3: x_L = 8/(20 k + 10) = 0.4. Revenue
    (40 k + 30) x_L has slope -4 in k, and dk/de = 0.25/(1 - e)^2 = 2.25."""
    sli = {"kind": "proportional_share", "class": "short", "at_least": 2 / 3}
    assert_kept(solve(TWO, **sli), 20, -9)


def test_max_min_fairness() -> None:
    """Both can have x_S = x_L = 8/30, which is 8/15 of their arrivals, and then neither more. With
    e of that, x_S = 4 e/15 = 0.2 at e = 3/4; the revenue 24 - 20 x_S has slope -16/3."""
    assert_kept(solve(TWO, kind="max_min_fairness", at_least=0.75), 20, -16 / 3)


def test_decode_backlog() -> None:
    """Sold separately, x pays 25 at once and the full slots 3 x + 8 (1 - x): 20 x + 8, best at
    x = 1 with q_d = 2 (x - (1.6 - x)). P q_d = 100 (4 x - 3.2) <= e tokens: x = 0.8 + e/400."""
    assert_kept(solve(ONE, "separate", kind="decode_backlog", at_most=40.0), 26, 0.05)


def test_empty_decode_buffer() -> None:
    """As `test_decode_backlog` with 4 x <= 3.2. One waiting request more is x = 1/4 more, worth 5;
    fewer than none cannot be, so that any price from 5 on is one."""
    solution = solve(ONE, "separate", kind="empty_decode_buffer", at_most=0.0)
    assert solution.revenue_rate == pytest.approx(24)
    assert solution.promises[0].planned == pytest.approx(0, abs=1e-9)
    assert solution.promises[0].price >= 5 - 1e-9


def test_disaggregation() -> None:
    """y_m = e: x = e/5 + 8 (1 - x)/5, so x = (1.6 + e/5)/2.6 with slope 1/13. At e = 1, 9/13."""
    assert_kept(solve(ONE, kind="disaggregation", at_most=1.0), 270 / 13, 30 / 13)


@pytest.mark.parametrize(
    ("kind", "weight", "revenue", "penalty"),
    [
        ("throughput", 20.0, 21, 7),
        ("throughput", 50.0, 16, 11.25),
        ("max_min_fairness", 4.0, 21, 1.75),
        ("max_min_fairness", 8.0, 56 / 3, 0),
    ],
)
def test_penalties_where_more_is_better_count_what_is_missing(
    kind: str, weight: float, revenue: float, penalty: float
) -> None:
    """A weight changes nothing below the price of the promise, 40 and 16/3. Throughput of 0.275 is
    0.35 short of 0.625; at 50, a slot of decode work pays 90/20 for the short and 42.5/10 for the
    long: x_S = 0.4, 0.225 short. The fair part is 0.15 of 4/15, then x = 4/15 for both."""
    solution = solve(TWO, kind=kind, penalty_weight=weight)
    assert solution.revenue_rate == pytest.approx(revenue)
    assert solution.penalty == pytest.approx(penalty, abs=1e-7)


def test_every_kind_is_worked_out_by_hand() -> None:
    here: dict[str, Callable[..., None]] = dict(
        inspect.getmembers(sys.modules[__name__], inspect.isfunction)
    )
    assert {f"test_{kind}" for kind in INDICATORS} <= set(here)
    assert all(here[f"test_{kind}"].__doc__ for kind in INDICATORS)
