r"""Ledger 8.1, flows: what follows from the edges of the network (THEORY 2.6, 3, 4.1 and 4.2)."""

from typing import Any

import sympy as sp

from gnr.network import Station
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, undecided
from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.numbers import base_instance
from gnr.proofs.kit.paths import START, held_at, taken, without
from gnr.proofs.kit.symbols import (
    BATCH,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    STATE,
    Model,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total, numbered, written_out


def switches_cancel(model: Model | None = None, switched: Any = 0) -> Finding:
    """Read both decode stations off the edges and add them; a switch leaves one for the other."""
    held = held_at(model or general_class(), "t")
    mixed, solo = (
        START.at(station) + taken(f"U_{kind}", "t") - taken(f"S_{kind}", "t")
        for station, kind in ((Station.MIXED_DECODE, "dm"), (Station.SOLO_DECODE, "ds"))
    )
    to_mixed = taken("M_sm", "t") - taken("M_ms", "t")
    return all_of(
        equal(held.mixed_decode, mixed + to_mixed, "(P18) from the edges at mixed decode"),
        equal(held.solo_decode, solo - to_mixed, "(P19) from the edges at solo decode"),
        equal(
            held.mixed_decode + held.solo_decode,
            mixed + solo + switched,
            "their sum: the four switch terms cancel",
        ),
    )


def admissions_keep_queues_nonnegative(
    model: Model | None = None, count_those_who_left: bool = True
) -> Finding:
    """Follow both queues from s to t along the edges; what (P36), (P37) leave over is in them."""
    model = model or general_class()
    before, after = held_at(model, "s"), held_at(model, "t")

    def between(process: str) -> Any:
        return taken(process, "t") - taken(process, "s")

    left = sp.Integer(1 if count_those_who_left else 0)
    routed = between("U_dm") + between("U_ds")
    to_decode = before.decode_buffer + between("S_p") - left * between("B_d")
    to_prefill = before.prefill_queue + between("A") - left * between("B_p")
    return all_of(
        equal(to_decode - routed, after.decode_buffer, "right minus left of (P36) is q_d,i(t)"),
        equal(
            to_prefill - between("U_p"),
            after.prefill_queue,
            "right minus left of (P37) is q_p,i(t)",
        ),
    )


def prefill_balance(model: Model, state: State) -> Any:
    """Return the net inflow of waiting and running prefills, which is 0 at rest."""
    net = drift(model, state)
    return net.prefill_queue + net.prefill


def decode_balance(model: Model, state: State) -> Any:
    """Return the net inflow of waiting and running decodes, which is 0 at rest."""
    net = drift(model, state)
    return net.decode_buffer + net.mixed_decode + net.solo_decode


def capacities(state: State) -> tuple[Any, Any, Any]:
    """Return what the three capacity rows of (P40) leave free, per GPU."""
    mixed = Total(state.prefill)
    return (
        1 - mixed,
        (BATCH - 1) * mixed - Total(state.mixed_decode),
        BATCH * (1 - mixed) - Total(state.solo_decode),
    )


def revenue_by_flows(model: Model | None = None, patience: Any = 1) -> Finding:
    """Trade completions for prefills less abandonments by w_i times the decode balance."""
    model = model or general_class()
    rates = model.rates
    earned = Total(revenue_rate(model, STATE, "bundled"))
    left = patience * rates.patience_rate * STATE.decode_buffer
    by_flows = Total(rates.reward * (rates.prefill * STATE.prefill - left))
    at_rest = Total(rates.reward * decode_balance(model, STATE))
    return equal(
        by_flows - earned,
        at_rest,
        "sum w_i (mu_p x_i - theta q_d,i) - revenue = sum w_i (decode balance of class i)",
    )


def separate_minus_bundled(model: Model | None = None, price: Any = PROMPT_PRICE) -> Finding:
    """Subtract the two revenues of the network; the decode balance leaves unfinished prompts."""
    model = model or general_class()
    rates = model.rates
    separate, bundled = (
        Total(revenue_rate(model, STATE, scheme)) for scheme in ("separate", "bundled")
    )
    paid = price * rates.prompt_tokens
    unfinished = paid * rates.patience_rate * STATE.decode_buffer
    return all_of(
        equal(
            separate - bundled,
            Total(unfinished + paid * decode_balance(model, STATE)),
            "separate - bundled = sum c_p P_i theta_i q_d,i + sum c_p P_i (decode balance)",
        ),
        nonnegative(
            Total(unfinished),
            [over_classes(price, rates.prompt_tokens, rates.patience_rate, STATE.decode_buffer)],
            says="no term is negative and all are 0 where q_d = 0, on the same feasible set",
        ),
    )


def waiting_for_ever_is_feasible(model: Model | None = None) -> Finding:
    """Let everyone wait until they leave; all balances and capacities of (P40) must hold."""
    model = model or general_class()
    rates = model.rates
    waiting = State(rates.arrival_rate / rates.patience_rate, *[sp.Integer(0)] * 4)
    return all_of(
        equal(prefill_balance(model, waiting), 0, "q_p,i = lambda_i/theta_i balances prefill"),
        equal(decode_balance(model, waiting), 0, "nobody decodes: the decode balance holds"),
        *(
            nonnegative(free, [product(free)], says=f"a capacity row leaves {free} free")
            for free in capacities(waiting)
        ),
    )


def waiting_is_feasible_but_overload_is_not() -> Finding:
    """Join the two halves: theta > 0 has a point, theta = 0 has loads without one."""
    return all_of(waiting_for_ever_is_feasible(), overload_without_patience_limit())


def overload_without_patience_limit(solo_weight: Any = None) -> Finding:
    """Combine the rows of (P40) with theta = 0 into 0 ≤ a constant that a load makes negative.

    Free capacity with nonnegative weights, less multiples of the balances, is the same constant
    at every point (Farkas); it is evaluated for one class of the base instance.
    """
    model = general_class()
    rates = model.rates
    work, kappa = rates.decode_work, rates.speed_ratio
    weight = kappa if solo_weight is None else solo_weight
    cost = kappa * BATCH - (BATCH - 1) + work
    patient = {rates.patience_rate: 0}
    started = prefill_balance(model, STATE).xreplace(patient) / rates.prefill
    decoded = decode_balance(model, STATE).xreplace(patient) / rates.mixed_decode
    gpus, mixed, solo = capacities(STATE)
    room = {
        26: 1 - Total(rates.arrival_rate / rates.prefill),
        1: kappa * BATCH - Total(cost * rates.arrival_rate / rates.prefill),
    }
    combined = {
        26: gpus - Total(started),
        1: mixed + weight * solo - Total(decoded) - Total(cost * started),
    }
    return all_of(
        equal(combined[26], room[26], "no plan if sum lambda_i/mu_p,i > 1"),
        equal(
            combined[1],
            room[1],
            "nor if sum (C phi_i + kappa B - (B-1)) lambda_i/mu_p,i > kappa B",
        ),
        *(_negative_for_one_class(room[load], load) for load in room),
    )


def _negative_for_one_class(room: Any, load: int) -> Finding:
    """Evaluate what is left of a capacity at theta = 0, P = 300, D = 1000 and some load."""
    rates, base = general_class().rates, base_instance()
    figures = {**base.shared, **base.classes[0]}
    figures |= {rates.arrival_rate: sp.Integer(load), rates.patience_rate: sp.Integer(0)}
    alone = {numbered(symbol, 1): value for symbol, value in figures.items()}
    left = written_out(room, 1).subs(alone)
    told = f"one class with theta = 0, P = 300, D = 1000, lambda = {load}: {left} is left"
    return proved(f"{told}, no plan") if left.is_negative else undecided(told)


CLAIMS = (
    Claim(
        id="M-i",
        statement="Decodes in progress change by routing and completion only.",
        latex=r"Y_m+Y_s=Y_m(0)+Y_s(0)+U_{d,m}+U_{d,s}-S_{d,m}-S_{d,s}",
        source="THEORY 8.1, eqs. P18-P20",
        check=switches_cancel,
        mutants=(
            Mutant("no switch back", lambda: switches_cancel(without(general_class(), "M_ms"))),
            Mutant("one switch stays", lambda: switches_cancel(switched=taken("M_sm", "t"))),
        ),
    ),
    Claim(
        id="M-j",
        statement="The admission limits say no more than that both queues are nonnegative.",
        latex=r"q_{d,i}(s)+s_{p,i}(s,t)-b_{d,i}(s,t)-u_{d,m,i}(s,t)-u_{d,s,i}(s,t)=q_{d,i}(t)",
        source="THEORY 8.1, eqs. P24, P26, P36, P37",
        check=admissions_keep_queues_nonnegative,
        mutants=(
            Mutant(
                "abandonments not subtracted",
                lambda: admissions_keep_queues_nonnegative(count_those_who_left=False),
            ),
            Mutant(
                "nobody leaves the decode buffer",
                lambda: admissions_keep_queues_nonnegative(without(general_class(), "B_d")),
            ),
        ),
    ),
    Claim(
        id="M-l",
        statement="At rest the bundled revenue counts prefills that will not be abandoned.",
        latex=r"\sum_iw_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})"
        r"=\sum_iw_i(\mu_{p,i}x_i-\theta_iq_{d,i})",
        source="THEORY 8.1, eqs. P38, P40",
        check=revenue_by_flows,
        mutants=(
            Mutant("abandonment forgotten", lambda: revenue_by_flows(patience=0)),
            Mutant(
                "nobody leaves the decode buffer",
                lambda: revenue_by_flows(without(general_class(), "B_d")),
            ),
        ),
    ),
    Claim(
        id="M-m",
        statement="The program has a point if every class may leave; with a class that never does "
        "it need not.",
        latex=r"x=y=q_d=0,\ q_{p,i}=\lambda_i/\theta_i",
        source="THEORY 8.1, eq. P40",
        check=waiting_is_feasible_but_overload_is_not,
        mutants=(
            Mutant(
                "nobody leaves the prefill queue",
                lambda: waiting_for_ever_is_feasible(without(general_class(), "B_p")),
            ),
            Mutant(
                "solo slots weighted as mixed ones",
                lambda: overload_without_patience_limit(solo_weight=1),
            ),
        ),
    ),
    Claim(
        id="M-n",
        statement="Separate prices earn more than bundled ones by the prompts of requests that "
        "leave the decode buffer.",
        latex=r"\tilde R-R=\sum_ic_pP_i\theta_iq_{d,i}\ge0",
        source="THEORY 8.1, eq. D2",
        check=separate_minus_bundled,
        mutants=(
            Mutant("paid at the output price", lambda: separate_minus_bundled(price=OUTPUT_PRICE)),
            Mutant(
                "nobody leaves the decode buffer",
                lambda: separate_minus_bundled(without(general_class(), "B_d")),
            ),
        ),
    ),
)
