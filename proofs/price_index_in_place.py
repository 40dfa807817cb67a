r"""THEORY 12: what price-index in place loses (Algorithm 9), and that the loss does not vanish."""

from fractions import Fraction
from typing import Any

import sympy as sp

from gnr import rates as formulas
from gnr.proofs.base_trajectory import platform
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted, undecided
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import BATCH, STATE, general_class
from gnr.proofs.kit.totals import Total
from gnr.proofs.one_gpu_chain import exceeds, product_form, relative_values, saturated
from gnr.proofs.price_index_account import (
    BETA,
    DELTA,
    NEEDS,
    account,
    knapsack_prices_link_the_pools,
)

CASES = ((3000, 200, 4), (2560, 150, 5))
"""Prompt and output tokens, arrivals per GPU: one-class instances of THEORY 12."""

DYNKIN = "Dynkin's formula: long-run gain is at most g if no decision gains more against values"


def in_place_loses_the_holes(reserved: int = 1, pools_are_linked: bool = True) -> Finding:
    """Strike the terms of (D11) that vanish under Algorithm 9; what is left is beta-hat s."""
    x, y_m, y_s = Total(STATE.prefill), Total(STATE.mixed_decode), Total(STATE.solo_decode)
    holes = (BATCH - reserved) * x - y_m
    left = (BETA * ((BATCH - 1) * x - y_m) + DELTA * (BATCH * (1 - x) - y_s)).subs(
        {y_s: BATCH * (1 - x)}
    )
    return all_of(
        account(pools_are_linked),
        knapsack_prices_link_the_pools(),
        equal(left, BETA * holes, "α̂ = 0, full solo GPUs, no queue of a class with φ̂ > 0"),
    )


def base_platform(prompt: int, output: int, arrivals: Fraction) -> formulas.Rates:
    """Return one class on the base platform, theta = 1/10, in fractions."""
    return platform([prompt], [output], [arrivals])


def knapsack(rates: formulas.Rates) -> tuple[Fraction, Fraction]:
    """Return R* and beta-hat of one class by (D4), whose decode row or upper bound binds."""
    capacity = rates.speed_ratio * rates.batch_slots
    weight = rates.decode_work[0] + capacity - (rates.batch_slots - 1)
    profit = rates.reward[0] * rates.prefill[0]
    most = min(Fraction(1), rates.full_prefill[0])
    if capacity <= weight * most:
        return profit * capacity / weight, profit / weight
    return profit * most, Fraction(0)


def one_class_in_place(slots_counted: int = 0) -> Finding:
    """Solve the chain of one GPU exactly; put its revenue beside R* - beta-hat s."""
    parts = [_balance_of_the_chain()]
    for prompt, output, arrivals in CASES:
        rates = base_platform(prompt, output, Fraction(arrivals))
        optimum, beta = knapsack(rates)
        idle = product_form(
            rates.decode_work[0], rates.speed_ratio, int(rates.batch_slots) + slots_counted
        )
        earned = rates.reward[0] * saturated(rates).prefill_rate
        share = 1 - earned / optimum
        text = f"P = {prompt}, D = {output}, λ = {arrivals}: loss {_shown(share)} of R*"
        if optimum - earned == beta * idle:
            parts.append(proved(f"{text} = β̂ s / R*, s = {_shown(idle)}"))
        else:
            parts.append(refuted(f"{text}, but β̂ s / R* = {_shown(beta * idle / optimum)}"))
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


def bounded_by_the_chain(
    prompt: int, output: int, arrivals: Fraction, discount: Fraction = Fraction(1)
) -> Finding:
    """Bound every controller that decodes in place by the chain, through its relative values.

    Long-run requests finished are at most prefills finished, on each GPU of any cluster.
    """
    rates = base_platform(prompt, output, arrivals)
    gain = discount * saturated(rates).prefill_rate
    better = exceeds(rates, gain, relative_values(rates))
    case = f"P = {prompt}, D = {output}: no GPU can finish more than {_shown(gain)} requests/s"
    if better is not None:
        return refuted(f"{case} is false with {better}")
    return proved(f"{case}, whatever it starts and when, if decodes stay where they began")


def in_place_is_optimal(arrivals: Fraction = Fraction(CASES[0][2])) -> Finding:
    """Compare R* with what a GPU that decodes in place can earn at most."""
    prompt, output, _ = CASES[0]
    rates = base_platform(prompt, output, arrivals)
    bound = bounded_by_the_chain(prompt, output, arrivals)
    optimum, _ = knapsack(rates)
    most = rates.reward[0] * saturated(rates).prefill_rate
    if most >= optimum:
        return undecided(f"λ = {arrivals}: in place could earn {_shown(most)} of {_shown(optimum)}")
    told = refuted(
        f"P = {prompt}, D = {output}, λ = {arrivals}, θ = 1/10, base platform: at most "
        f"{_shown(most)} of R* = {_shown(optimum)}, a loss of {_shown(1 - most / optimum)} "
        "at every n"
    )
    return told if bound.verdict == "proved" else undecided("a premise fails", *bound.evidence)


def light_load_loss(arrivals: Fraction = Fraction(23, 10)) -> Finding:
    """Find a load that the program serves in full and no GPU that decodes in place can."""
    rates = base_platform(3000, 200, arrivals)
    optimum, _ = knapsack(rates)
    served = saturated(rates).prefill_rate
    full = rates.reward[0] * rates.arrival_rate[0]
    if optimum < full or served >= rates.arrival_rate[0]:
        return refuted(f"λ = {arrivals}: served {_shown(served)}, R* {_shown(optimum)}")
    return all_of(
        bounded_by_the_chain(3000, 200, arrivals),
        proved(
            f"P = 3000, D = 200, λ = {arrivals}: the program serves everybody, in place "
            f"{_shown(served)} requests/s at most: a loss of "
            f"{_shown(1 - served / rates.arrival_rate[0])} or more"
        ),
    )


def in_place_limit() -> Finding:
    """Say what separates the exact chain from the limit of clusters."""
    return undecided(
        "shown: no cluster earns more than the chain of one class (PI-IP/bound)",
        "one class that always waits: the GPUs are independent copies of the chain",
        "missing: that the queue of a finite cluster is never empty but for a vanishing time, and "
        "for several classes, where the class that a GPU starts depends on the common queues, "
        "that GPUs become independent as n grows",
    )


def _shown(value: Fraction) -> str:
    """Return a fraction with its decimal value."""
    return f"{value} ({float(value):.9g})"


SOURCE = "THEORY 12, Algorithm 9"

CLAIMS = (
    Claim(
        id="PI-IP/identity",
        statement="Where the slots are saturated by one marginal class and Σx* < 1, price-index "
        "in place loses exactly the price of its idle mixed slots.",
        latex=r"R^\star-R=\hat\beta\,s,\qquad s=(B-1)X-y_m",
        source=f"{SOURCE}, (D11)",
        assumptions=(*NEEDS, sp.Eq(DELTA, sp.Symbol("kappa") * BETA)),
        cites=("complementary slackness: which terms of (D11) vanish, by the policy's rules",),
        check=in_place_loses_the_holes,
        mutants=(
            Mutant("mixed GPUs have B decode slots", lambda: in_place_loses_the_holes(reserved=0)),
            Mutant(
                "the pools' prices are not linked",
                lambda: in_place_loses_the_holes(pools_are_linked=False),
            ),
            Mutant(
                "solo slots priced as mixed ones",
                lambda: knapsack_prices_link_the_pools(sp.Integer(1)),
            ),
        ),
    ),
    Claim(
        id="PI-IP/one-class",
        statement="For one class that always waits, s is an Erlang-like sum, and the chain of one "
        "GPU earns R* less β̂ s to the last digit.",
        latex=r"s=\frac{\sum_{k<B}(B-1-k)r^k/k!}{\sum_{k<B}r^k/k!+r^B/(\kappa\,B!)},"
        r"\quad r=C\phi,\qquad 1-\frac{R}{R^\star}=\frac{s}{\kappa B}",
        source=SOURCE,
        assumptions=NEEDS,
        check=one_class_in_place,
        mutants=(
            Mutant("a slot too few in the sum", lambda: one_class_in_place(slots_counted=-1)),
        ),
    ),
    Claim(
        id="PI-IP/bound",
        statement="No policy that lets a decode stay where its prefill ran earns more than the "
        "chain of one GPU, on clusters of any size: the instances of THEORY 12 with one class.",
        latex=r"\mu_p(1+h_{k+1}-h_k)+k\mu_m(h_{k-1}-h_k)\le g,\qquad k\mu_s(h_{k-1}-h_k)\le g",
        source=SOURCE,
        cites=(DYNKIN,),
        check=lambda: all_of(*(bounded_by_the_chain(p, d, Fraction(a)) for p, d, a in CASES)),
        mutants=(
            Mutant(
                "nor more than 999/1000 of it",
                lambda: bounded_by_the_chain(3000, 200, Fraction(4), Fraction(999, 1000)),
            ),
        ),
    ),
    Claim(
        id="PI-IP/light-load",
        statement="A load that the program serves in full can be above what any policy that "
        "decodes in place can serve.",
        latex=r"\lambda\,\frac{C\phi+\kappa B-(B-1)}{\mu_p}\le\kappa B\quad\text{yet}\quad"
        r"\mu_pX<\lambda",
        source=SOURCE,
        cites=(DYNKIN,),
        check=light_load_loss,
        mutants=(Mutant("any load will do", lambda: light_load_loss(Fraction(2))),),
    ),
    Claim(
        id="PI-IP/optimal",
        statement="Price-index in place is asymptotically optimal.",
        latex=r"R^n\to R^\star",
        source=SOURCE,
        cites=(DYNKIN,),
        check=in_place_is_optimal,
        mutants=(Mutant("at λ = 5 at least", lambda: in_place_is_optimal(Fraction(5))),),
    ),
    Claim(
        id="PI-IP/limit",
        statement="The revenue of clusters of n GPUs tends to that of the one-GPU chain.",
        latex=r"R^n\to R^\star-\hat\beta s",
        source=SOURCE,
        assumptions=NEEDS,
        check=in_place_limit,
        mutants=(Mutant("it tends to R*", in_place_is_optimal),),
    ),
)
