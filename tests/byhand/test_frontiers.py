"""Frontiers of the two-class instance, worked out on paper in fractions.

With q_d = 0 (D4) says: maximise sum w_i mu_i x_i under sum (C phi_i + kappa B - (B-1)) x_i <= kappa
B, X = x_0 + x_1 <= 1, x_i <= u_i = lambda_i / mu_i. Per unit of X class 0 earns more, per unit of
the decode row class 1 does.

mean_tpot is a cap on X, X <= B (eta - s)/(t (B-1) - B s + eta) with t = tau, s = 1/gamma (D7).
Class 0 comes first, up to X = u_0; then class 1 fills up until the decode row is full; from there
on X grows only by exchange, the weight of class 0 for that of class 1, until x_1 = u_1. So the best
revenue is 0 at eta = s, and its breakpoints are the images of these three X. A promise is worth
dV/dX dX/deta, with dX/deta = t B (B-1)/(t (B-1) - B s + eta)^2 (1 - s/t).

prefill_fairness is a cap on x_1 - x_0 if class 1 has more. At 0, x_0 = x_1 = u_0: revenue
w_0 lambda_0 + w_1 mu_1 u_0. From there x_1 alone grows, and earns w_1 mu_1 per unit, until the
decode row is full; then x_0 falls by the weight of class 1 for that of class 0.
"""

from fractions import Fraction
from typing import Any

import gnr

B, C = 16, 256
TAU = Fraction("0.0174") + C * Fraction("6.2e-5")
SOLO = Fraction("0.022002200220022")
KAPPA = TAU / SOLO
PROMPT, OUTPUT = (300, 3000), (1000, 400)
MU = [Fraction(C) / (p * TAU) for p in PROMPT]
REWARD = [Fraction(p, 10) + Fraction(2 * d, 10) for p, d in zip(PROMPT, OUTPUT, strict=True)]
FULL = [Fraction(1, 2) / mu for mu in MU]
EARNS = [w * mu for w, mu in zip(REWARD, MU, strict=True)]
WEIGHT = [Fraction(C * d, p) + KAPPA * B - (B - 1) for p, d in zip(PROMPT, OUTPUT, strict=True)]
ROOM = KAPPA * B


def trace(kind: str, **changes: Any) -> Any:
    return gnr.frontier(gnr.load("two-class"), kind, **changes)


def mean_tpot(used: Fraction) -> Fraction:
    """Return the promise that caps X at `used` (D7, solved for eta)."""
    return (TAU * (B - 1) * used + SOLO * B * (1 - used)) / (B - used)


def test_mean_tpot_has_three_pieces() -> None:
    first = FULL[0]
    second_1 = (ROOM - WEIGHT[0] * FULL[0]) / WEIGHT[1]
    third_0 = (ROOM - WEIGHT[1] * FULL[1]) / WEIGHT[0]
    points = {
        SOLO: Fraction(0),
        mean_tpot(first): EARNS[0] * FULL[0],
        mean_tpot(FULL[0] + second_1): EARNS[0] * FULL[0] + EARNS[1] * second_1,
        mean_tpot(third_0 + FULL[1]): EARNS[0] * third_0 + EARNS[1] * FULL[1],
    }
    found = trace("mean_tpot")
    assert [each.exact for each in found.breakpoints] == [str(bound) for bound in points]
    assert [each.revenue_rate for each in found.breakpoints] == [float(v) for v in points.values()]
    assert found.tightest.exact == str(SOLO), "it starts at 1/gamma"
    assert found.beyond_tightest_revenue_rate is None, "0.022 s itself cannot be kept"
    assert found.loosest.revenue_rate == found.best_revenue_rate
    per_used = (
        EARNS[0],
        EARNS[1],
        (EARNS[1] * WEIGHT[0] - EARNS[0] * WEIGHT[1]) / (WEIGHT[0] - WEIGHT[1]),
    )
    for piece, earns in zip(found.pieces, per_used, strict=True):
        low = Fraction(piece.exact["from"])
        below = TAU * (B - 1) - B * SOLO + low
        slope = earns * B * (B - 1) * (TAU - SOLO) / below**2
        assert piece.slope_from == float(slope)
        assert piece.shape == "curved"


def test_prefill_fairness_has_two_straight_pieces() -> None:
    even = EARNS[0] * FULL[0] + EARNS[1] * FULL[0]
    second_1 = (ROOM - WEIGHT[0] * FULL[0]) / WEIGHT[1]
    third_0 = (ROOM - WEIGHT[1] * FULL[1]) / WEIGHT[0]
    points = {
        Fraction(0): even,
        second_1 - FULL[0]: EARNS[0] * FULL[0] + EARNS[1] * second_1,
        FULL[1] - third_0: EARNS[0] * third_0 + EARNS[1] * FULL[1],
    }
    found = trace("prefill_fairness")
    assert [each.exact for each in found.breakpoints] == [str(bound) for bound in points]
    assert [each.revenue_rate for each in found.breakpoints] == [float(v) for v in points.values()]
    exchange = (EARNS[1] * WEIGHT[0] - EARNS[0] * WEIGHT[1]) / (WEIGHT[0] + WEIGHT[1])
    assert [each.slope_from for each in found.pieces] == [float(EARNS[1]), float(exchange)]
    assert {each.shape for each in found.pieces} == {"straight"}


def test_token_tpot_starts_where_somebody_is_served() -> None:
    """At 1/gamma nobody may decode mixed: y_s <= B (1 - X), so the decode row has the weights
    C phi_i + kappa B. Tighter promises are kept by serving nobody."""
    weight = [each + B - 1 for each in WEIGHT]
    shared = (ROOM - weight[1] * FULL[1]) / weight[0]
    found = trace("token_tpot")
    assert found.tightest.exact == str(SOLO)
    assert found.tightest.revenue_rate == float(EARNS[0] * shared + EARNS[1] * FULL[1])
    assert found.beyond_tightest_revenue_rate == 0
    (piece,) = found.pieces
    assert 0 < piece.slope_from < piece.slope_to, "the last cut of the mean costs least"


def test_a_frontier_between_given_bounds() -> None:
    found = trace("mean_tpot", low=0.0, high=1.0)
    assert found.breakpoints[0].exact == str(SOLO)
    assert found.pieces[-1].shape == "flat"
    assert found.pieces[-1].high == 1.0
    inside = trace("mean_tpot", low=0.023, high=0.0235)
    (piece,) = inside.pieces
    assert (piece.low, piece.high) == (0.023, 0.0235)
    assert inside.breakpoints[0].resolved_left is None
    assert inside.verified
