r"""THEORY 12: the exact account of lost revenue (D11) for policies without a decode buffer.

Both price-index policies rest on it. The multipliers are those with
:math:`\hat\delta=\kappa\hat\beta`, which the knapsack (D4) provides.
"""

import sympy as sp

from gnr.proofs.kit.claim import Finding, all_of
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.symbols import BATCH, STATE, general_class
from gnr.proofs.kit.totals import Total

ALPHA, BETA, DELTA = sp.symbols("alphahat betahat deltahat", nonnegative=True)
PHI, ETA = sp.symbols("phihat_i etahat_i", nonnegative=True)
NEEDS = (sp.Ge(sp.Symbol("kappa"), (BATCH - 1) / BATCH),)
"""The hypothesis under which (P40) is the knapsack (D4)."""


def account(pools_are_linked: bool = True) -> Finding:
    """Show (D11) for every point with q_d = 0, and that kappa links the reduced costs."""
    model = general_class()
    rates, q, x = model.rates, STATE.prefill_queue, STATE.prefill
    y_m, y_s = STATE.mixed_decode, STATE.solo_decode
    sigma_m = BETA + (ETA - rates.reward) * rates.mixed_decode
    sigma_s = DELTA + (ETA - rates.reward) * rates.solo_decode
    sigma_x = ALPHA - (BATCH - 1) * BETA + BATCH * DELTA + (PHI - ETA) * rates.prefill
    decoded = rates.mixed_decode * y_m + rates.solo_decode * y_s
    balances = {rates.arrival_rate: rates.prefill * x + rates.patience_rate * q}
    emptied = {x: decoded / rates.prefill}
    optimum = ALPHA + BATCH * DELTA + Total(rates.arrival_rate * PHI)
    earned = Total(revenue_rate(model, STATE, "bundled"))
    prefilling = Total(x)
    lost = (
        ALPHA * (1 - prefilling)
        + BETA * ((BATCH - 1) * prefilling - Total(y_m))
        + DELTA * (BATCH * (1 - prefilling) - Total(y_s))
        + Total(rates.patience_rate * PHI * q)
        + Total(sigma_x * x + sigma_m * y_m + sigma_s * y_s)
    )
    linked = {DELTA: rates.speed_ratio * BETA} if pools_are_linked else {}
    return all_of(
        equal(
            (optimum - earned).subs(balances).subs(emptied),
            lost.subs(emptied),
            "R* - R is the sum of (D11) for every point with q_d = 0",
        ),
        equal(
            sigma_s.subs(linked),
            (rates.speed_ratio * sigma_m).subs(linked),
            "δ̂ = κ β̂: a class that the plan decodes anywhere has no reduced cost in either pool",
        ),
    )


def knapsack_prices_link_the_pools(solo_price: sp.Expr | None = None) -> Finding:
    r"""Turn multipliers of the knapsack (D4) into ones of (D3) with delta = kappa beta.

    The decode row's multiplier is beta, that of the prefill row alpha, those of the bounds
    :math:`\mu_{p,i}\phi_i`; :math:`\eta_i=(w_i-\beta/\mu_{m,i})^+`, either case.
    """
    rates = general_class().rates
    kappa = rates.speed_ratio
    solo = kappa if solo_price is None else solo_price
    cost = kappa * BATCH - (BATCH - 1)
    row = ALPHA + BETA * (rates.decode_work + cost) + (PHI - rates.reward) * rates.prefill
    paid = rates.reward - BETA / rates.mixed_decode
    parts = [
        equal(
            ALPHA + BETA * kappa * BATCH + Total(rates.arrival_rate * PHI),
            ALPHA + BATCH * (solo * BETA) + Total(rates.arrival_rate * PHI),
            "both duals have the same value",
        )
    ]
    for eta, rest, terms in (
        (paid, row, [product(row)]),
        (
            sp.Integer(0),
            ALPHA + BETA * cost + PHI * rates.prefill,
            [product(ALPHA), product(BETA, cost), product(PHI, rates.prefill)],
        ),
    ):
        third = ALPHA - (BATCH - 1) * BETA + BATCH * solo * BETA + (PHI - eta) * rates.prefill
        parts += [
            equal(third, rest, "the prefill row of (D3) in terms of the knapsack's"),
            nonnegative(rest, terms, [row, cost], "it is nonnegative"),
        ]
    unpaid = -paid
    mixed = BETA - rates.reward * rates.mixed_decode
    return all_of(
        *parts,
        equal(BETA + (paid - rates.reward) * rates.mixed_decode, 0, "η > 0: mixed row tight"),
        equal(solo * BETA + (paid - rates.reward) * rates.solo_decode, 0, "and the solo row"),
        nonnegative(
            mixed, [product(unpaid, rates.mixed_decode)], [unpaid], "η = 0: the mixed row holds"
        ),
        nonnegative(
            solo * BETA - rates.reward * rates.solo_decode,
            [product(unpaid, rates.solo_decode)],
            [unpaid],
            "and the solo row",
        ),
    )
