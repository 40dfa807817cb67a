r"""Ledger 8.3, multipliers: the Lagrangian of (P52), its dual, and where revenue is lost (D11)."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.duality import (
    ALPHA,
    BETA,
    DELTA,
    ETA,
    PHI,
    SIGNS,
    VARIABLES,
    dual_rows,
    dual_value,
    revenue,
    rows,
    stationarity,
    valued,
)
from gnr.proofs.kit.exact import Term, equal, nonnegative, over_classes, product
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    STATE,
    Model,
    general_class,
)
from gnr.proofs.kit.totals import Total

ARRIVALS, PATIENCE, PROMPT, OUTPUT = sp.symbols("lambda_i theta_i P_i D_i", positive=True)
KAPPA = MIXED_TIME / SOLO_TIME


def lagrangian_is_stationary_where_printed(mixed_slots: Any = BATCH - 1) -> Finding:
    """Differentiate the Lagrangian of the program in every variable of class i."""
    model = general_class()
    found, rates = stationarity(model), model.rates
    printed = {
        "mixed_decode": (rates.reward - ETA) * rates.mixed_decode - BETA + SIGNS.mixed_decode,
        "solo_decode": (rates.reward - ETA) * rates.solo_decode - DELTA + SIGNS.solo_decode,
        "prefill": -ALPHA
        + mixed_slots * BETA
        - BATCH * DELTA
        + (ETA - PHI) * rates.prefill
        + SIGNS.prefill,
        "prefill_queue": -PHI * rates.patience_rate + SIGNS.prefill_queue,
    }
    equations = {"mixed_decode": 53, "solo_decode": 54, "prefill": 55, "prefill_queue": 56}
    return all_of(
        *(
            equal(found[name], printed[name], f"derivative of L in {name}_i: (P{equation})")
            for name, equation in equations.items()
        )
    )


def value_of_a_request_is_not_negative(sign: int = 1) -> Finding:
    """Solve the stationarity in the prefill queue for the multiplier of the balance."""
    (value,) = sp.solve(stationarity(general_class())["prefill_queue"], PHI)
    return nonnegative(
        sign * value,
        [product(SIGNS.prefill_queue, 1 / PATIENCE)],
        says="phi_i = sigma_p,i / theta_i",
    )


def slack_row_has_no_price(strictly: bool = True) -> Finding:
    """Let prefill exceed what is decoded by s_i > 0: slackness then leaves a price of 0."""
    model = general_class()
    prefilled = sp.Symbol("s_i", positive=True) if strictly else sp.Integer(0)
    row, rate = rows(model)[ETA], model.rates.prefill
    exceeding = STATE.prefill - row / rate + prefilled / rate
    slackness = sp.expand(ETA * row.subs(STATE.prefill, exceeding))
    (price,) = sp.solve(slackness, ETA) or (ETA,)
    return all_of(
        equal(row.subs(STATE.prefill, exceeding), prefilled, "the row has slack s_i > 0"),
        equal(price, 0, "eta_i times the row = 0 then has the one solution eta_i = 0"),
    )


def multipliers_value_the_optimum(speed: Any = KAPPA) -> Finding:
    """Write dual less primal value with the slackness terms only, and solve for delta."""
    model = general_class()
    stationary = stationarity(model)
    signs = {name: sp.solve(stationary[name], getattr(SIGNS, name))[0] for name in VARIABLES}
    slackness = valued(rows(model)) + Total(
        sp.Add(*(sign * getattr(STATE, name) for name, sign in signs.items()))
    )
    both = {SIGNS.mixed_decode: 0, SIGNS.solo_decode: 0}
    solo = sp.solve(
        [stationary[name].subs(both) for name in ("mixed_decode", "solo_decode")], [DELTA, ETA]
    )
    printed = ALPHA + BATCH * DELTA + Total(ARRIVALS * PHI)
    return all_of(
        equal(
            printed - revenue(model),
            slackness,
            "alpha + B delta + sum of lambda_i phi_i - revenue = the terms of (PC1)-(PC5)",
        ),
        equal(solo[DELTA], speed * BETA, "delta = kappa beta if a class decodes in both pools"),
    )


def printed_dual_is_the_transpose(mixed_slots: Any = BATCH - 1) -> Finding:
    """Transpose the rows of (P52), under both schemes, and certify weak duality."""
    model = general_class()
    rates = model.rates
    bundled = (rates.reward * rates.mixed_decode, rates.reward * rates.solo_decode, 0)
    separate = (
        OUTPUT_PRICE / MIXED_TIME,
        OUTPUT_PRICE / SOLO_TIME,
        PROMPT_PRICE * CHUNK / MIXED_TIME,
    )
    findings = [
        equal(
            dual_value(model),
            ALPHA + BATCH * DELTA + Total(ARRIVALS * PHI),
            "objective: alpha + B delta + sum of lambda_i phi_i",
        )
    ]
    for scheme, (mixed, solo, prefill) in (("bundled", bundled), ("separate", separate)):
        printed = {
            "mixed_decode": BETA + ETA * rates.mixed_decode - mixed,
            "solo_decode": DELTA + ETA * rates.solo_decode - solo,
            "prefill": ALPHA
            - mixed_slots * BETA
            + BATCH * DELTA
            + (PHI - ETA) * rates.prefill
            - prefill,
            "prefill_queue": PATIENCE * PHI,
        }
        columns = dual_rows(model, scheme)
        findings += [
            equal(columns[name], printed[name], f"{scheme}: column of {name}_i")
            for name in VARIABLES
        ]
        findings.append(_weak_duality(model, scheme))
    return all_of(*findings)


def _weak_duality(model: Model, scheme: str) -> Finding:
    """Certify dual ≥ primal value: rows times multipliers, variables times dual rows."""
    primal, columns = dict(rows(model)), dual_rows(model, scheme)
    balance = primal.pop(PHI)
    terms = [
        over_classes(multiplier, row) if multiplier == ETA else product(multiplier, row)
        for multiplier, row in primal.items()
    ]
    terms += [over_classes(getattr(STATE, name), columns[name]) for name in VARIABLES]
    return nonnegative(
        dual_value(model) - revenue(model, scheme) - Total(PHI * balance),
        terms,
        [*primal.values(), *columns.values()],
        f"{scheme}: dual - primal value = sum of row times multiplier, prefill balance being 0",
    )


def lost_revenue(waiting: Any = 1) -> Any:
    """Return the right side of (D11) as stated."""
    mixed, solo = Total(STATE.mixed_decode), Total(STATE.solo_decode)
    used = Total(STATE.prefill)
    shunned = (
        SIGNS.prefill * STATE.prefill
        + SIGNS.mixed_decode * STATE.mixed_decode
        + SIGNS.solo_decode * STATE.solo_decode
    )
    return (
        ALPHA * (1 - used)
        + BETA * ((BATCH - 1) * used - mixed)
        + DELTA * (BATCH * (1 - used) - solo)
        + Total(PATIENCE * (PHI * STATE.prefill_queue + waiting * ETA * STATE.decode_buffer))
        + Total(shunned)
    )


def revenue_is_lost_where_stated(waiting: Any = 1) -> Finding:
    """Eliminate the multipliers of the signs by stationarity, under both schemes.

    What remains of optimum less revenue and the stated terms are the balances of (P40) at their
    multipliers: 0 at a feasible point, the flow errors of a finite run.
    """
    model = general_class()
    full = program(model)
    errors = Total(PHI * full.prefill_balance + ETA * full.decode_balance)
    findings = []
    for scheme in ("bundled", "separate"):
        stationary = stationarity(model, scheme)
        signs = {
            getattr(SIGNS, name): sp.solve(stationary[name], getattr(SIGNS, name))[0]
            for name in VARIABLES
        }
        stated = _eliminated(lost_revenue(waiting), signs)
        earned = getattr(full, scheme)
        findings.append(
            equal(
                ALPHA + BATCH * DELTA + Total(ARRIVALS * PHI) - earned,
                stated + errors,
                f"{scheme}: optimum - revenue = the terms of (D11) + balances at phi_i, eta_i",
            )
        )
    return all_of(*findings, _every_term_is_a_loss(model))


def _eliminated(expression: Any, signs: dict[Any, Any]) -> Any:
    """Return an expression with the multipliers of the signs replaced, in totals, too."""
    return sp.expand(expression).xreplace(signs)


def _every_term_is_a_loss(model: Model) -> Finding:
    """Certify (D11) ≥ 0 at a feasible point, phi_i being sigma_p,i / theta_i."""
    full = program(model)
    (value,) = sp.solve(stationarity(model)["prefill_queue"], PHI)
    terms: list[Term] = [
        product(ALPHA, full.prefill_room),
        product(BETA, full.mixed_room),
        product(DELTA, full.solo_room),
        over_classes(SIGNS.prefill_queue, STATE.prefill_queue),
        over_classes(PATIENCE, ETA, STATE.decode_buffer),
        over_classes(SIGNS.prefill, STATE.prefill),
        over_classes(SIGNS.mixed_decode, STATE.mixed_decode),
        over_classes(SIGNS.solo_decode, STATE.solo_decode),
    ]
    return nonnegative(
        _eliminated(lost_revenue(), {PHI: value}),
        terms,
        list(full.rooms),
        "every term is a product of nonnegative factors",
    )


IMPATIENT = sp.Gt(sp.Symbol("theta_i", real=True), 0)

CLAIMS = (
    Claim(
        id="P3.2-d",
        statement="The stationarity conditions are the derivatives of the Lagrangian.",
        latex=r"\nabla_{y_{m,i},y_{s,i},x_i,q_{p,i}}L=0\iff\text{(P53)-(P56)}",
        source="THEORY 4.4 and 8.3, eqs. U2, P53-P56",
        check=lagrangian_is_stationary_where_printed,
        mutants=(Mutant("B mixed slots", lambda: lagrangian_is_stationary_where_printed(BATCH)),),
    ),
    Claim(
        id="P3.2-e",
        statement="One more request per second of an impatient class is never worth less than 0.",
        latex=r"\hat\phi_i=\hat\sigma_{p,i}/\theta_i\ge0",
        source="THEORY 8.3, eq. P56",
        assumptions=(IMPATIENT,),
        check=value_of_a_request_is_not_negative,
        mutants=(
            Mutant(
                "multiplier of the opposite sign", lambda: value_of_a_request_is_not_negative(-1)
            ),
        ),
    ),
    Claim(
        id="P3.2-f",
        statement="A class that prefills more than it decodes has a decode multiplier of 0.",
        latex=r"\mu_{m,i_0}y_{m,i_0}^\star+\mu_{s,i_0}y_{s,i_0}^\star<\mu_{p,i_0}x_{i_0}^\star"
        r"\implies\hat\eta_{i_0}=0",
        source="THEORY 8.3, eqs. P57, PC4; not needed afterwards",
        check=slack_row_has_no_price,
        mutants=(Mutant("tight row", lambda: slack_row_has_no_price(strictly=False)),),
    ),
    Claim(
        id="P3.2-g",
        statement="Multipliers that are stationary and complementary to a feasible point value "
        "the program at just its revenue; a class that decodes in both pools ties their prices.",
        latex=r"\hat\alpha+B\hat\delta+\sum_i\lambda_i\hat\phi_i=R^\star,\qquad"
        r"\hat\delta=\kappa\hat\beta",
        source="THEORY 4.4 and 8.3",
        check=multipliers_value_the_optimum,
        mutants=(Mutant("beta = kappa delta", lambda: multipliers_value_the_optimum(1 / KAPPA)),),
    ),
    Claim(
        id="D3",
        statement="The dual of (P52) and that of its separate form are as stated; no dual point "
        "is worth less than a feasible point earns, and the optima agree.",
        latex=r"\min\ \hat\alpha+B\hat\delta+\sum_i\lambda_i\hat\phi_i\ \text{s.t.}\ "
        r"\hat\beta+\hat\eta_i\mu_{m,i}\ge w_i\mu_{m,i},\ "
        r"\hat\delta+\hat\eta_i\mu_{s,i}\ge w_i\mu_{s,i},\ "
        r"\hat\alpha-(B-1)\hat\beta+B\hat\delta+(\hat\phi_i-\hat\eta_i)\mu_{p,i}\ge0",
        source="THEORY 4.4, D3; derived",
        assumptions=(IMPATIENT,),
        cites=("Strong duality of linear programs, for the equality of the optima.",),
        check=printed_dual_is_the_transpose,
        mutants=(Mutant("B mixed slots", lambda: printed_dual_is_the_transpose(BATCH)),),
    ),
    Claim(
        id="D11",
        statement="Under both schemes, what a feasible point earns less than the optimum is idle "
        "slots, waiting and work on shunned classes, each at its multiplier and none negative.",
        latex=r"R^\star-R=\hat\alpha(1-X)+\hat\beta[(B-1)X-y_m]+\hat\delta[B(1-X)-y_s]"
        r"+\sum_i\theta_i(\hat\phi_iq_{p,i}+\hat\eta_iq_{d,i})"
        r"+\sum_i(\hat\sigma_{x,i}x_i+\hat\sigma_{m,i}y_{m,i}+\hat\sigma_{s,i}y_{s,i})",
        source="THEORY 4.4, D11; derived",
        cites=(
            "Strong duality of linear programs: at optimal multipliers the optimum is "
            "alpha + B delta + sum of lambda_i phi_i.",
        ),
        check=revenue_is_lost_where_stated,
        mutants=(
            Mutant("waiting for decode counts twice", lambda: revenue_is_lost_where_stated(2)),
            Mutant("waiting for decode is free", lambda: revenue_is_lost_where_stated(0)),
        ),
    ),
)
