r"""THEORY 12: what the price-index policies earn in the limit (Algorithms 9 and 10).

Both rest on the exact account (D11) of where revenue is lost. Bundled pricing,
:math:`\kappa\ge(B-1)/B`, all :math:`\theta_i>0`; the multipliers are those with
:math:`\hat\delta=\kappa\hat\beta`, which the knapsack (D4) provides.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp

from gnr import rates as formulas
from gnr.proofs.kit.claim import (
    Claim,
    Finding,
    Mutant,
    Verdict,
    all_of,
    proved,
    refuted,
    undecided,
)
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import BATCH, STATE, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.one_gpu_chain import product_form, saturated

ALPHA, BETA, DELTA = sp.symbols("alphahat betahat deltahat", nonnegative=True)
PHI, ETA = sp.symbols("phihat_i etahat_i", nonnegative=True)
PLAN = sp.Symbol("xstar_i", nonnegative=True)
"""x* of the plan."""
SHIFT = sp.Symbol("e_i", nonnegative=True)
"""How far the prefill occupancy of class i is from the plan."""


def _account(kappa_links_the_pools: bool = True) -> Finding:
    """Show (D11) for a policy without decode buffer, and that kappa links the reduced costs."""
    model = general_class()
    rates, q, x = model.rates, STATE.prefill_queue, STATE.prefill
    y_m, y_s = STATE.mixed_decode, STATE.solo_decode
    sigma_m = BETA + (ETA - rates.reward) * rates.mixed_decode
    sigma_s = DELTA + (ETA - rates.reward) * rates.solo_decode
    sigma_x = ALPHA - (BATCH - 1) * BETA + BATCH * DELTA + (PHI - ETA) * rates.prefill
    decoded = rates.mixed_decode * y_m + rates.solo_decode * y_s
    rest = {rates.arrival_rate: rates.prefill * x + rates.patience_rate * q}
    balance = {x: decoded / rates.prefill}
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
    linked = {DELTA: rates.speed_ratio * BETA} if kappa_links_the_pools else {}
    return all_of(
        equal(
            (optimum - earned).subs(rest).subs(balance),
            lost.subs(balance),
            "R* - R is the sum of (D11) for every point with q_d = 0",
        ),
        equal(
            sigma_s.subs(linked),
            (rates.speed_ratio * sigma_m).subs(linked),
            "δ̂ = κ β̂: a class that the plan decodes anywhere has no reduced cost in either pool",
        ),
    )


def in_place_loses_the_holes(reserved: int = 1, kappa_links_the_pools: bool = True) -> Finding:
    """Strike the terms of (D11) that vanish under Algorithm 9; what is left is beta-hat s."""
    x, y_m, y_s = Total(STATE.prefill), Total(STATE.mixed_decode), Total(STATE.solo_decode)
    holes = (BATCH - reserved) * x - y_m
    left = (BETA * ((BATCH - 1) * x - y_m) + DELTA * (BATCH * (1 - x) - y_s)).subs(
        {y_s: BATCH * (1 - x)}
    )
    return all_of(
        _account(kappa_links_the_pools),
        equal(left, BETA * holes, "α̂ = 0, full solo GPUs, no queue of a class with φ̂ > 0"),
    )


def base_platform(
    prompt: int, output: int, arrivals: Fraction, patience: Fraction = Fraction(1, 10)
) -> formulas.Rates:
    """Return one class on the GPU and at the prices of THEORY 9.2, in fractions."""

    def one(value: Any) -> Any:
        return np.array([Fraction(value)], dtype=object)

    return formulas.compute_rates(
        batch_slots=Fraction(16),
        chunk_tokens=Fraction(256),
        base=Fraction("0.0174"),
        per_chunk_token=Fraction("0.000062"),
        decode_only=Fraction(20, 909),
        prompt_price=Fraction(1, 10),
        output_price=Fraction(1, 5),
        prompt_tokens=one(prompt),
        output_tokens=one(output),
        arrival_rate=one(arrivals),
        patience_rate=one(patience),
    )


def _knapsack(rates: formulas.Rates) -> tuple[Fraction, Fraction]:
    """Return R* and beta-hat of one class whose decode row binds (D4)."""
    slots, kappa = rates.batch_slots, rates.speed_ratio
    weight = rates.decode_work[0] + kappa * slots - (slots - 1)
    profit = rates.reward[0] * rates.prefill[0]
    assert kappa * slots / weight <= min(1, rates.full_prefill[0]), "the decode row must bind"
    return profit * kappa * slots / weight, profit / weight


IN_PLACE_CASES = ((3000, 200, 4), (2560, 150, 5))
"""Prompt and output tokens, arrivals per GPU: the one-class instances of THEORY 12."""


def one_class_in_place(slots_counted: int = 0) -> Finding:
    """Solve the chain of one GPU exactly; put its revenue beside R* - beta-hat s."""
    parts = [_balance_of_the_chain()]
    for prompt, output, arrivals in IN_PLACE_CASES:
        rates = base_platform(prompt, output, Fraction(arrivals))
        chain, (optimum, beta) = saturated(rates), _knapsack(rates)
        idle = product_form(
            rates.decode_work[0], rates.speed_ratio, int(rates.batch_slots) + slots_counted
        )
        earned = rates.reward[0] * rates.prefill[0] * chain.prefill
        share = 1 - earned / optimum
        text = f"P = {prompt}, D = {output}, λ = {arrivals}: loss {_short(share)} of R*"
        if optimum - earned == beta * idle:
            parts.append(proved(f"{text} = β̂ s / R*, s = {_short(idle)}"))
        else:
            parts.append(refuted(f"{text}, but β̂ s / R* = {_short(beta * idle / optimum)}"))
    return all_of(*parts)


def _balance_of_the_chain() -> Finding:
    """Show the product form of the chain for every k and B, from the rates of the package."""
    rates = general_class().rates
    k = sp.Symbol("k", integer=True, nonnegative=True)
    work, kappa = rates.prefill / rates.mixed_decode, rates.speed_ratio

    def weight(level: Any) -> Any:
        return work**level / sp.factorial(level)

    last = work**BATCH / (kappa * sp.factorial(BATCH))
    up, down = weight(k) * rates.prefill, weight(k + 1) * (k + 1) * rates.mixed_decode
    to_solo = weight(BATCH - 1) * rates.prefill
    back = last * BATCH * rates.solo_decode
    return all_of(
        equal(sp.gammasimp(sp.powsimp(up / down)), 1, "the cut between k and k+1 is in balance"),
        equal(sp.gammasimp(sp.powsimp(to_solo / back)), 1, "so is the cut at B"),
    )


def in_place_is_optimal() -> Finding:
    """Look for a loss that does not vanish: the chain of one class that always waits."""
    prompt, output, arrivals = IN_PLACE_CASES[0]
    rates = base_platform(prompt, output, Fraction(arrivals))
    optimum, _ = _knapsack(rates)
    earned = rates.reward[0] * rates.prefill[0] * saturated(rates).prefill
    if earned >= optimum:
        return proved("the chain of one GPU earns R*")
    return refuted(
        f"P = {prompt}, D = {output}, λ = {arrivals}, θ = 1/10, base platform: it earns "
        f"{_short(earned)} of R* = {_short(optimum)}, a loss of {_short(1 - earned / optimum)}"
    )


def light_load_loss(arrivals: Fraction = Fraction(23, 10)) -> Finding:
    """Find a load that the program serves in full and the chain of one GPU cannot."""
    rates = base_platform(3000, 200, arrivals)
    weight = rates.decode_work[0] + rates.speed_ratio * 16 - 15
    fits = rates.full_prefill[0] * weight <= rates.speed_ratio * 16
    served = rates.prefill[0] * saturated(rates).prefill
    if not fits or served >= rates.arrival_rate[0]:
        return refuted(f"it serves {_short(served)} of {rates.arrival_rate[0]} requests/s")
    return proved(
        f"P = 3000, D = 200, λ = {arrivals}: the program serves everybody, the chain of one GPU "
        f"{_short(served)} requests/s: a loss of {_short(1 - served / rates.arrival_rate[0])}"
    )


def in_place_limit() -> Finding:
    """Say what separates the exact chain from the limit of clusters."""
    return undecided(
        "one class that always waits: the GPUs are independent copies of the chain",
        "missing: several classes, where the class that a GPU starts depends on the common "
        "queues; that GPUs become independent as n grows is not proved here",
    )


def _work_of_the_plan() -> tuple[Any, Any, Any]:
    """Return decode work C phi_i, the cost of mixing kappa B - (B-1), and room left by the plan."""
    rates = general_class().rates
    work = rates.prefill / rates.mixed_decode
    cost = rates.speed_ratio * BATCH - (BATCH - 1)
    room = rates.speed_ratio * BATCH - Total((work + cost) * PLAN)
    return work, cost, room


def hole_drift(new_prefill_on: str = "same GPU") -> Finding:
    """Count idle mixed slots h = (B-1)X - y_m after each event of Algorithm 10 while h > 0."""
    slots = BATCH - 1
    events = {
        "a prefill ends, its decode fills a hole elsewhere, its GPU starts another": (0, 1, -1),
        "a decode ends on a mixed GPU": (0, -1, 1),
        "a decode ends on a solo GPU, which starts a prefill": (1, slots, 0),
    }
    if new_prefill_on != "same GPU":
        events["a decode ends on a solo GPU, which starts a prefill"] = (0, 0, 0)
    parts = [
        equal(slots * mixed - decodes, change, event)
        for event, (mixed, decodes, change) in events.items()
    ]
    turned = events["a decode ends on a solo GPU, which starts a prefill"][0]
    return all_of(
        *parts,
        equal(turned, 1, "so while h > 0, X grows at the rate of solo completions: at rest X = 1"),
    )


def no_paying_class_waits(cost_is_nonnegative: bool = True) -> Finding:
    """With all slots busy and x ≤ x*, the decode row of the plan forces x = x*."""
    work, cost, room = _work_of_the_plan()
    below = PLAN - SHIFT
    full = Total((work + cost) * below) - general_class().rates.speed_ratio * BATCH
    given = [room, full] + ([cost] if cost_is_nonnegative else [])
    return nonnegative(
        -Total(work * SHIFT),
        [product(room), product(full), product(cost, Total(SHIFT))],
        given,
        "x = x* - e with e ≥ 0 (a paying class waits, or ρ < 1) and full slots: e = 0",
    )


def no_holes_when_all_prefill(cost_is_nonnegative: bool = True, tie_rule: bool = True) -> Finding:
    """With X = 1, x ≥ x* and decode slots that have a price, holes cannot be left."""
    work, cost, _ = _work_of_the_plan()
    kappa_slots = general_class().rates.speed_ratio * BATCH
    shift = SHIFT if tie_rule else sp.Symbol("e_i", real=True)
    spare = 1 - Total(PLAN)
    planned = (BATCH - 1) * (1 - spare) + kappa_slots * spare
    holes = (BATCH - 1) - planned - Total(work * shift)
    given = [spare] + ([cost] if cost_is_nonnegative else [])
    return nonnegative(
        -holes,
        [product(cost, spare), over_classes(work, shift)],
        given,
        "x = x* + e with e ≥ 0 (ρ ≥ 1 by the tie rule) and X = 1: no idle mixed slots",
    )


def filling_is_optimal_at_rest(cost_is_nonnegative: bool = True, tie_rule: bool = True) -> Finding:
    """Put the pieces together: every stationary fluid point of Algorithm 10 earns R*.

    Either no admitted class waits, and all of its arrivals are served. Or some class waits, and
    then no slot outside of mixed GPUs is idle. A class with phi-hat > 0 that waited would keep
    lower ranks out, so x ≤ x*, and full slots give x = x*. Otherwise all of those are served as
    planned, and the marginal classes stand level, x_i = rho x_i*: if there are holes, X = 1 at
    rest, hence rho ≥ 1, and with a price on decode slots the holes vanish; if there are none
    and prefill has a price, X* = 1, and rho < 1 is the case x ≤ x* again. Every term of the
    account (D11) is then zero.
    """
    rates = general_class().rates
    gain = rates.reward * (rates.arrival_rate - rates.prefill * PLAN)
    queue = rates.arrival_rate - rates.prefill * PLAN
    return all_of(
        nonnegative(
            Total(gain),
            [over_classes(rates.reward, queue)],
            [queue],
            "nobody who is admitted waits: all arrivals are served, at least what the plan earns",
        ),
        _account(),
        hole_drift(),
        no_paying_class_waits(cost_is_nonnegative),
        no_holes_when_all_prefill(cost_is_nonnegative, tie_rule),
    )


def filling_is_optimal() -> Finding:
    """Say what is proved of the conjecture and what is not."""
    at_rest = filling_is_optimal_at_rest()
    if at_rest.verdict is not Verdict.PROVED:
        return at_rest
    return undecided(
        "proved: every stationary fluid point earns R* (PI-fill/at-rest)",
        "missing: that clusters follow these fluid equations although holes come and go at once "
        "(an averaging argument), that trajectories come to rest, and that the limits of time "
        "and of n may be exchanged",
    )


def _short(value: Fraction) -> str:
    """Return a fraction, shortened, with its decimal value."""
    text = str(value)
    shown = text if len(text) <= 30 else f"a fraction of {len(str(value.denominator))} digits"
    return f"{float(value):.9g} ({shown})"


SOURCE = "THEORY 12"
NEEDS = (sp.Ge(sp.Symbol("kappa"), (BATCH - 1) / BATCH),)

CLAIMS = (
    Claim(
        id="PI-IP/identity",
        statement="Where the slots are saturated by one marginal class and Σx* < 1, price-index "
        "in place loses exactly the price of its idle mixed slots.",
        latex=r"R^\star-R=\hat\beta\,s,\qquad s=(B-1)X-y_m",
        source=f"{SOURCE}, (D11), Algorithm 9",
        assumptions=(*NEEDS, sp.Eq(DELTA, sp.Symbol("kappa") * BETA)),
        check=in_place_loses_the_holes,
        mutants=(
            Mutant("mixed GPUs have B decode slots", lambda: in_place_loses_the_holes(reserved=0)),
            Mutant(
                "the pools' prices are not linked",
                lambda: in_place_loses_the_holes(kappa_links_the_pools=False),
            ),
        ),
    ),
    Claim(
        id="PI-IP/one-class",
        statement="For one class that always waits, s is an Erlang-like sum, and the chain of one "
        "GPU earns R* less β̂ s to the last digit.",
        latex=r"s=\frac{\sum_{k<B}(B-1-k)r^k/k!}{\sum_{k<B}r^k/k!+r^B/(\kappa\,B!)},"
        r"\quad r=C\phi,\qquad 1-\frac{R}{R^\star}=\frac{s}{\kappa B}",
        source=f"{SOURCE}, Algorithm 9",
        assumptions=NEEDS,
        check=one_class_in_place,
        mutants=(
            Mutant("a slot too few in the sum", lambda: one_class_in_place(slots_counted=-1)),
        ),
    ),
    Claim(
        id="PI-IP/light-load",
        statement="A load that the program serves in full can be above what price-index in place "
        "can serve.",
        latex=r"\lambda\Big(\tfrac{C\phi+\kappa B-(B-1)}{\mu_p}\Big)\le\kappa B"
        r"\quad\text{yet}\quad \mu_pX<\lambda",
        source=f"{SOURCE}, Algorithm 9",
        check=light_load_loss,
        mutants=(Mutant("any load will do", lambda: light_load_loss(Fraction(2))),),
    ),
    Claim(
        id="PI-IP/optimal",
        statement="Price-index in place is asymptotically optimal.",
        latex=r"R^n\to R^\star",
        source=f"{SOURCE}, Algorithm 9",
        check=in_place_is_optimal,
        mutants=(Mutant("and for every load", in_place_is_optimal),),
    ),
    Claim(
        id="PI-IP/limit",
        statement="The revenue of clusters of n GPUs tends to that of the one-GPU chain.",
        latex=r"R^n\to R^\star-\hat\beta s",
        source=f"{SOURCE}, Algorithm 9",
        assumptions=NEEDS,
        check=in_place_limit,
        mutants=(Mutant("it tends to R*", in_place_is_optimal),),
    ),
    Claim(
        id="PI-fill/at-rest",
        statement="Every stationary fluid point of price-index with filling earns the optimum, "
        "for any number of classes and of marginal ones under the tie rule.",
        latex=r"\kappa\ge\tfrac{B-1}B,\ \theta_i>0\ \Longrightarrow\ R=R^\star\text{ at rest}",
        source=f"{SOURCE}, Algorithm 10, (D4), (D11)",
        assumptions=NEEDS,
        check=filling_is_optimal_at_rest,
        mutants=(
            Mutant(
                "without κ ≥ (B-1)/B",
                lambda: filling_is_optimal_at_rest(cost_is_nonnegative=False),
            ),
            Mutant("without the tie rule", lambda: filling_is_optimal_at_rest(tie_rule=False)),
            Mutant("solo GPUs do not refill", lambda: hole_drift(new_prefill_on="another GPU")),
        ),
    ),
    Claim(
        id="PI-fill/conjecture",
        statement="Price-index with filling is asymptotically optimal.",
        latex=r"R^n\to R^\star",
        source=f"{SOURCE}, Algorithm 10",
        assumptions=NEEDS,
        check=filling_is_optimal,
        mutants=(
            Mutant(
                "also below κ = (B-1)/B",
                lambda: filling_is_optimal_at_rest(cost_is_nonnegative=False),
            ),
        ),
    ),
)
