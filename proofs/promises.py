r"""Ledger 8.6, promises: time per output token and fairness in the programs (THEORY 6)."""

from typing import Any

import sympy as sp

from gnr.proofs.balances import capacities
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.drift import flow
from gnr.proofs.kit.exact import Term, equal, equivalent, nonnegative, product
from gnr.proofs.kit.numbers import base_instance
from gnr.proofs.kit.symbols import (
    BATCH,
    MIXED_TIME,
    SOLO_TIME,
    STATE,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total

SHARE = sp.Symbol("X", nonnegative=True)
"""Fraction of mixed GPUs, the sum of all x_i."""
LIMIT = sp.Symbol("eta", positive=True)
SPARE = sp.Symbol("b", integer=True, nonnegative=True)
SOLO_SHARE = sp.Symbol("s", nonnegative=True)
SIGNS = {BATCH: 2 + SPARE, SHARE: 1 - SOLO_SHARE}
"""B ≥ 2 and X ≤ 1 in a form that shows the signs of what is made of them."""
FASTER_SOLO = MIXED_TIME - SOLO_TIME
"""What kappa ≥ 1 makes nonnegative."""


def slots(share: Any = SHARE) -> tuple[Any, Any]:
    """Return the decode slots on mixed and on solo GPUs, per GPU: capacity without decodes."""
    nobody = State(*[sp.Integer(0)] * 5)
    empty = State(**{**vars(nobody), "prefill": STATE.prefill})
    _, mixed, solo = (each.subs(Total(STATE.prefill), share) for each in capacities(empty))
    return mixed, solo


def token_times() -> tuple[Any, Any]:
    """Return the seconds per output token of a mixed and of a solo decode, from their rates."""
    rates = general_class().rates
    mixed, solo = (
        sp.cancel(1 / (rates.output_tokens * each))
        for each in (rates.mixed_decode, rates.solo_decode)
    )
    return mixed, solo


def mean_over_slots(mixed: Any, solo: Any) -> Any:
    """Return the time per output token averaged over so many mixed and solo slots."""
    mixed_time, solo_time = token_times()
    return (mixed_time * mixed + solo_time * solo) / (mixed + solo)


def slot_mean() -> Any:
    """Return that average over all decode slots at share X, the left side of (P47)."""
    return mean_over_slots(*slots())


def token_mean(mixed: Any, solo: Any) -> Any:
    """Return the same averaged over the tokens that leave along the edges of the network."""
    model = general_class()
    lengths = model.rates.output_tokens
    tokens = dict.fromkeys(("S_dm", "S_ds"), sp.Integer(0))
    for edge in model.network.edges(keys=True):
        if edge[2] in tokens:
            tokens[edge[2]] = Total(lengths * flow(model, edge, STATE))
    mixed_time, solo_time = token_times()
    spent = tokens["S_dm"] * mixed_time + tokens["S_ds"] * solo_time
    occupied = {Total(STATE.mixed_decode): mixed, Total(STATE.solo_decode): solo}
    return (spent / (tokens["S_dm"] + tokens["S_ds"])).subs(occupied)


def denominator_is_positive(least_batch: int = 2, expected: Any = BATCH - SHARE) -> Finding:
    """Add the slots of both pools; for B ≥ 2 at least one is left at any X ≤ 1."""
    mixed, solo = slots()
    shown = {BATCH: least_batch + SPARE, SHARE: 1 - SOLO_SHARE}
    return all_of(
        equal(mixed + solo, expected, "(B-1) X + B (1-X) = B - X"),
        nonnegative(
            (mixed + solo - 1).subs(shown),
            [product(SPARE), product(SOLO_SHARE)],
            says="B - X ≥ 1 for B = 2 + b, X = 1 - s",
            witness={SPARE: 0, SOLO_SHARE: 0},
        ),
    )


def cap_is_one_linear_row(of_limit: Any = LIMIT) -> Finding:
    """Multiply the cap by its positive denominator; what remains is affine in X."""
    solo_slots = MIXED_TIME * (BATCH - 1) - BATCH * SOLO_TIME + of_limit
    row = BATCH * (LIMIT - SOLO_TIME) - solo_slots * SHARE
    return all_of(
        equivalent(
            (LIMIT - slot_mean()).subs(SIGNS),
            row.subs(SIGNS),
            1 / sp.expand((BATCH - SHARE).subs(SIGNS)),
            given=[1 - SOLO_SHARE],
            says="eta ≥ (P47) iff the row of (D7) has room",
        ),
        nonnegative(
            solo_slots.subs(SIGNS),
            [product(1 + SPARE, FASTER_SOLO), product(LIMIT - SOLO_TIME)],
            given=[FASTER_SOLO, LIMIT - SOLO_TIME],
            says="its coefficient is (B-1)(tau - 1/gamma) + (eta - 1/gamma), so it bounds X",
        ),
        equal(row.diff(LIMIT), BATCH - SHARE, "its room grows by B - X per unit of eta"),
    )


def shape_of_the_slot_mean(mixed_slots: Any = BATCH - 1) -> Finding:
    """Differentiate (P47) twice, and read the sign of the slope off its factors."""
    mean = slot_mean()
    ratio = general_class().rates.speed_ratio
    bend = BATCH * mixed_slots * (MIXED_TIME - SOLO_TIME)
    positive = BATCH * (BATCH - 1) * SOLO_TIME / (BATCH - SHARE) ** 2
    return all_of(
        equal(mean.subs(SHARE, 0), SOLO_TIME, "f(0) = 1/gamma"),
        equal(mean.subs(SHARE, 1), MIXED_TIME, "f(1) = tau"),
        equal(mean.diff(SHARE), bend / (BATCH - SHARE) ** 2, "f' as in (D8)"),
        equal(mean.diff(SHARE, 2), 2 * bend / (BATCH - SHARE) ** 3, "f'' as in (D8)"),
        equivalent(
            mean.diff(SHARE).subs(SIGNS),
            ratio - 1,
            sp.factor(positive.subs(SIGNS)),
            given=[1 - SOLO_SHARE],
            says="f rises with the prefill load exactly if kappa > 1",
        ),
    )


def slope_is_nonnegative_for_any_speed() -> Finding:
    """Ask for a rising f without kappa ≥ 1."""
    slope = slot_mean().diff(SHARE)
    return nonnegative(slope, [product(slope)], given=[1 - SHARE, BATCH - 2], says="f'")


def penalty_is_linear() -> Finding:
    """Take the second difference of (P47) over X = 0, 1/2, 1 on the base instance."""
    mean = slot_mean().subs(base_instance().shared)
    bend = mean.subs(SHARE, 0) - 2 * mean.subs(SHARE, sp.Rational(1, 2)) + mean.subs(SHARE, 1)
    return equal(bend, 0, "f(0) - 2 f(1/2) + f(1), in s, is 0 for a linear f")


def penalty_is_concave_for_any_speed() -> Finding:
    """Ask for a concave -f without kappa ≥ 1."""
    bend = slot_mean().diff(SHARE, 2)
    return nonnegative(bend, [product(bend)], given=[1 - SHARE, BATCH - 2], says="f''")


def penalty_bends_with_the_speed_ratio(pivot: Any = 1) -> Finding:
    """Factor the second derivative of (P47): a positive factor times kappa - 1."""
    positive = 2 * BATCH * (BATCH - 1) * SOLO_TIME / (BATCH - SHARE) ** 3
    return equivalent(
        slot_mean().diff(SHARE, 2).subs(SIGNS),
        (general_class().rates.speed_ratio - pivot).subs(SIGNS),
        sp.factor(positive.subs(SIGNS)),
        given=[1 - SOLO_SHARE],
        says="for B ≥ 2 and all X ≤ 1: -f is concave iff kappa ≥ 1, linear iff kappa = 1, else "
        "strictly convex",
    )


def spread_is_linear(lower_bound: bool = True, all_pairs: bool = True) -> Finding:
    """Bound every pair by the two auxiliaries, then choose them at the extreme classes.

    The symbols stand for any two classes and for one of least and one of greatest value, so
    the number of classes does not matter.
    """
    low, high, one, other = sp.symbols("v_low v_high v_one v_other", real=True)
    least, middle, most, limit = sp.symbols("v_least v_middle v_most eta_k", real=True)
    bounds = [high - one, other - low] if lower_bound else [high - one]
    extremes = [most - one, other - least]
    chosen = (high - low).subs({high: most, low: least})
    kept = equal(
        chosen,
        (one - other).subs({one: most, other: least}),
        "so if every ordered pair keeps to eta_k, then so does high - low for some low and high",
    )
    if not all_pairs:
        rows = [limit - (most - middle), limit - (middle - least)]
        kept = nonnegative(
            limit - chosen,
            [product(each) for each in rows],
            given=rows,
            witness={most: 2, middle: 1, least: 0, limit: 1},
            says="neighbours keep to eta_k",
        )
    return all_of(
        nonnegative(
            (high - low) - (one - other),
            [product(high - one), product(other - low)],
            given=bounds,
            says="low ≤ v_i ≤ high for all i: high - low is at least every difference",
        ),
        nonnegative(
            (most - least) - (one - other),
            [product(most - one), product(other - least)],
            given=extremes,
            says="low = least, high = most is allowed and is itself a difference, the greatest",
        ),
        nonnegative(
            limit - (one - other),
            [product(limit - (high - low)), *map(product, bounds)],
            given=[limit - (high - low), *bounds],
            says="if high - low ≤ eta_k, every ordered pair keeps to eta_k",
        ),
        kept,
    )


def gap(mixed: Any, solo: Any, served: Any) -> tuple[Any, Term]:
    """Return the mean over slots less that over tokens, and what it is if all slots serve."""
    difference = mean_over_slots(mixed, solo) - token_mean(mixed, served)
    tokens = mixed / MIXED_TIME + solo / SOLO_TIME
    scale = (mixed + solo) * MIXED_TIME * SOLO_TIME * tokens
    return difference, product(mixed, solo, FASTER_SOLO**2, 1 / scale)


def tokens_see_less_than_slots(sign: int = 1, solo_full: bool = True) -> Finding:
    """Subtract the harmonic from the arithmetic mean of the two iteration times.

    With m mixed and r solo slots the difference is
    m r (tau - 1/gamma)^2 gamma / (tau (m + r) (m/tau + gamma r)).
    """
    findings = []
    for kept in ("m", "r"):
        mixed, solo = (amount(name, positive=name == kept) for name in ("m", "r"))
        difference, certificate = gap(mixed, solo, solo if solo_full else sp.Integer(0))
        says = f"slot mean ≥ token mean with m mixed and r solo slots, all busy, {kept} > 0"
        findings.append(nonnegative(sign * difference, [certificate], says=says))
    return all_of(*findings)


def amount(name: str, positive: bool) -> sp.Symbol:
    """Return a symbol that is positive, or only nonnegative."""
    return sp.Symbol(name, positive=True) if positive else sp.Symbol(name, nonnegative=True)


def solo_speed_is_the_limit(slower_solo: bool = False) -> Finding:
    """Subtract 1/gamma from (P47)."""
    excess = (slot_mean() - SOLO_TIME).subs(SIGNS)
    denominator = sp.expand((BATCH - SHARE).subs(SIGNS))
    return nonnegative(
        excess,
        [product(1 + SPARE, 1 - SOLO_SHARE, FASTER_SOLO, 1 / denominator)],
        given=[1 - SOLO_SHARE, -FASTER_SOLO if slower_solo else FASTER_SOLO],
        says="f(X) - 1/gamma = (B-1) X (tau - 1/gamma)/(B - X)",
    )


def printed_limit_is_out_of_reach(promised: str = "0.022") -> Finding:
    """Compare the measured 1/gamma with the promise, exactly; f is never below 1/gamma."""
    faster = FASTER_SOLO.subs(base_instance().shared)
    short = base_instance().shared[SOLO_TIME] - sp.Rational(promised)
    if short <= 0:
        return refuted(f"X = 0 keeps it: f(0) - {promised} = {short} s")
    return all_of(
        solo_speed_is_the_limit(),
        nonnegative(faster, [product(faster)], says=f"measured: tau - 1/gamma = {faster} s ≥ 0"),
        proved(f"1/45.45 - {promised} = {short} s > 0: no plan keeps {promised} s"),
    )


CLAIMS = (
    Claim(
        id="S-a",
        statement="The denominator of the average time per output token counts at least one slot.",
        latex=r"(B-1)X+B(1-X)=B-X>0",
        source="THEORY 8.6, eq. P47",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=denominator_is_positive,
        mutants=(
            Mutant("a batch of one", lambda: denominator_is_positive(least_batch=1)),
            Mutant("prefill slots decode", lambda: denominator_is_positive(expected=BATCH)),
        ),
    ),
    Claim(
        id="S-b",
        statement="A cap on the average time per output token is one linear row.",
        latex=r"\Big[\tau(B-1)-\frac B\gamma+\eta\Big]X\le B\Big(\eta-\frac1\gamma\Big)",
        source="THEORY 8.6, eqs. P47, D7",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=cap_is_one_linear_row,
        mutants=(Mutant("denominator forgotten", lambda: cap_is_one_linear_row(of_limit=0)),),
    ),
    Claim(
        id="S-c",
        statement="The average runs from the solo to the mixed iteration time and bends one way; "
        "it rises with the prefill load exactly if kappa > 1.",
        latex=r"f(0)=\frac1\gamma,\ f(1)=\tau,\ f'=\frac{B(B-1)(\tau-1/\gamma)}{(B-X)^2},\ "
        r"f''=\frac{2B(B-1)(\tau-1/\gamma)}{(B-X)^3}",
        source="THEORY 8.6, eq. D8",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=shape_of_the_slot_mean,
        mutants=(
            Mutant("mixed GPUs decode on all slots", lambda: shape_of_the_slot_mean(BATCH)),
            Mutant("rising whatever kappa is", slope_is_nonnegative_for_any_speed),
        ),
    ),
    Claim(
        id="S-d/printed",
        statement="With a penalty on the time per output token the program is still linear.",
        latex=r"f(0)-2f(\tfrac12)+f(1)=0",
        source="THEORY 8.6, eqs. P48, P49",
        check=penalty_is_linear,
        mutants=(Mutant("at least concave", penalty_is_concave_for_any_speed),),
    ),
    Claim(
        id="S-d/corrected",
        statement="Revenue less the penalty is concave in the share X of mixed GPUs for kappa ≥ 1 "
        "and not concave for kappa < 1.",
        latex=r"\operatorname{sign}f''(X)=\operatorname{sign}(\kappa-1)",
        source="THEORY 8.6, eqs. P48, P49, D8",
        assumptions=(sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=penalty_bends_with_the_speed_ratio,
        mutants=(
            Mutant(
                "from the hypothesis of Proposition 3.2",
                lambda: penalty_bends_with_the_speed_ratio(pivot=(BATCH - 1) / BATCH),
            ),
        ),
    ),
    Claim(
        id="S-e",
        statement="For any number of classes a fairness promise or penalty is linear: two bounds "
        "low ≤ v_i ≤ high, whose least distance is the greatest difference.",
        latex=r"\max_{i,j}(v_i-v_j)=\min\{\overline v-\underline v:"
        r"\ \underline v\le v_i\le\overline v\ \forall i\}",
        source="THEORY 8.6, eqs. P43-P46",
        check=spread_is_linear,
        mutants=(
            Mutant("no lower bound", lambda: spread_is_linear(lower_bound=False)),
            Mutant("neighbours only", lambda: spread_is_linear(all_pairs=False)),
        ),
    ),
    Claim(
        id="S-f",
        statement="With all slots busy the mean over tokens is at most the mean over slots.",
        latex=r"\frac{(B-1)X+B(1-X)}{(B-1)X/\tau+\gamma B(1-X)}\le f(X)",
        source="THEORY 8.6, eq. D9",
        check=tokens_see_less_than_slots,
        mutants=(
            Mutant("the other way round", lambda: tokens_see_less_than_slots(sign=-1)),
            Mutant("solo slots idle", lambda: tokens_see_less_than_slots(solo_full=False)),
        ),
    ),
    Claim(
        id="S-g",
        statement="If solo decodes are no slower, no plan has an average below 1/gamma; with the "
        "measured 45.45 tokens/s the printed limit of 0.022 s is infeasible.",
        latex=r"f(X)\ge\frac1\gamma,\qquad 0.022<\frac1{45.45}",
        source="THEORY 8.6, eq. P47",
        assumptions=(sp.Ge(MIXED_TIME, SOLO_TIME), sp.Ge(BATCH, 2), sp.Le(SHARE, 1)),
        check=printed_limit_is_out_of_reach,
        mutants=(
            Mutant("kappa ≤ 1", lambda: solo_speed_is_the_limit(slower_solo=True)),
            Mutant("a limit of 0.0221 s", lambda: printed_limit_is_out_of_reach("0.0221")),
        ),
    ),
)
