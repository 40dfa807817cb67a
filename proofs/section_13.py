r"""Ledger 8.7, T13: the split of the decode buffer in Algorithm 7 (THEORY 5, U8-U10)."""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.drift import CONTROLS, drift
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.pools import (
    MIXED,
    PLAN,
    SOLO,
    Pool,
    PoolFlows,
    class_weight,
    planned_prefill,
    pool_flows,
    solo_share,
)
from gnr.proofs.kit.symbols import STATE, general_class
from gnr.proofs.kit.totals import Total

BOTH = (MIXED, SOLO)


def share_needs_only_the_solo_pool(lost: Any = PLAN.decode_buffer) -> Finding:
    """Sum the drifts of the decode stations to the balance; put its x into (U8).

    `lost` is the buffer whose abandonments (U8) takes off the prefill flow.
    """
    model = general_class()
    rates = model.rates
    stated = (
        rates.solo_decode
        * PLAN.solo_decode
        / (rates.prefill * PLAN.prefill - rates.patience_rate * lost)
    )
    printed = printed_share()
    return all_of(
        equal(solo_share(model), printed, "(U7) from the network: the solo part of completions"),
        equal(
            printed,
            stated.subs(planned_prefill(model)),
            "(U7) is (U8) where the decode balance holds",
        ),
    )


def printed_share() -> Any:
    """Return the chance of the solo pool as (U7) is printed, by the rates."""
    rates = general_class().rates
    mixed, solo = rates.mixed_decode * PLAN.mixed_decode, rates.solo_decode * PLAN.solo_decode
    return solo / (mixed + solo)


def planned_pool(pool: Pool, buffer_share: Any = None) -> PoolFlows:
    """Return the flows of a pool at the plan, its share by (U7) and its buffer by (U9)."""
    model = general_class()
    share = pool.share.subs(SOLO.share, solo_share(model))
    waiting = share if buffer_share is None else buffer_share
    planned = replace(pool, share=share, buffer=waiting * PLAN.decode_buffer)
    return pool_flows(model, PLAN, planned)


def each_pool_is_in_balance(buffer_share: Any = None) -> Finding:
    """Send (U7) and (U9) through the split network: inflow, losses, completions cancel."""
    rates, x = general_class().rates, planned_prefill(general_class())
    printed = printed_share()
    parts = []
    for pool, share, rate in (
        (MIXED, 1 - printed, rates.mixed_decode),
        (SOLO, printed, rates.solo_decode),
    ):
        flows = planned_pool(pool, buffer_share)
        inflow, done = share * rates.prefill * PLAN.prefill, rate * PLAN.at(pool.station)
        parts += [
            equal(flows.inflow, inflow, f"{pool.station}: inflow of the plan"),
            equal(flows.completed, done, f"{pool.station}: completions of the plan"),
            equal(
                (inflow - done).subs(x),
                flows.lost,
                f"{pool.station}: planned inflow − completions = theta_i times its buffer",
            ),
        ]
    return all_of(*parts)


def weights_are_shares_of_completions(exponent: int = 1) -> Finding:
    """Sum the weights over any number of classes, and give them their total back.

    `exponent` is the power of the decode rate in the numerator.
    """
    model = general_class()
    parts = []
    for pool in BOTH:
        completed = pool_flows(model, PLAN, pool).completed
        rate = completed / PLAN.at(pool.station)
        weight = class_weight(model, pool) * rate ** (exponent - 1)
        parts += [
            equal(Total(weight), 1, f"{pool.station}: the weights sum to 1"),
            equal(
                weight * Total(completed),
                completed,
                f"{pool.station}: the weights split the completions of the plan",
            ),
        ]
    return all_of(*parts)


def pool_buffers_make_up_the_buffer(mixed_share: sp.Expr = MIXED.share) -> Finding:
    """Add up the flows of both pool buffers: the drift of the one buffer of the model."""
    model = general_class()
    mixed, solo = (
        pool_flows(model, STATE, pool) for pool in (replace(MIXED, share=mixed_share), SOLO)
    )
    whole = replace(STATE, decode_buffer=MIXED.buffer + SOLO.buffer)
    patience = model.rates.patience_rate
    return all_of(
        equal(
            mixed.buffer_drift + solo.buffer_drift,
            drift(model, whole).decode_buffer,
            "q_d,m + q_d,s moves as q_d",
        ),
        equal(mixed.admitted, CONTROLS["U_dm"], "u_d,m takes from q_d,m"),
        equal(solo.admitted, CONTROLS["U_ds"], "u_d,s takes from q_d,s"),
        equal(mixed.lost, patience * MIXED.buffer, "b_d,m loses theta_i q_d,m"),
        equal(solo.lost, patience * SOLO.buffer, "b_d,s loses theta_i q_d,s"),
    )


CLAIMS = (
    Claim(
        id="T13-a",
        statement="The chance of the solo pool follows from its own target and the prefill flow.",
        latex=r"p_{s,i}=\frac{\mu_{s,i}y^\star_{s,i}}{\mu_{p,i}x_i^\star-\theta_iq^\star_{d,i}}",
        source="THEORY 8.7, eqs. U7, U8",
        check=share_needs_only_the_solo_pool,
        mutants=(
            Mutant("no abandonment", lambda: share_needs_only_the_solo_pool(lost=sp.Integer(0))),
            Mutant(
                "losses of the prefill queue",
                lambda: share_needs_only_the_solo_pool(lost=PLAN.prefill_queue),
            ),
        ),
    ),
    Claim(
        id="T13-b",
        statement="With the buffer split as the prefills are, each pool is in balance.",
        latex=(
            r"p_{s,i}\mu_{p,i}x_i^\star-\mu_{s,i}y^\star_{s,i}=\theta_iq^\star_{d,s,i},\quad "
            r"(1-p_{s,i})\mu_{p,i}x_i^\star-\mu_{m,i}y^\star_{m,i}=\theta_iq^\star_{d,m,i}"
        ),
        source="THEORY 8.7, eqs. U8, U9",
        check=each_pool_is_in_balance,
        mutants=(
            Mutant(
                "buffer halved whatever the share",
                lambda: each_pool_is_in_balance(buffer_share=sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="T13-c",
        statement="The weights of a pool sum to one and split its planned completions.",
        latex=(
            r"\sum_i\varpi_{\bullet,i}=1,\quad "
            r"\varpi_{\bullet,i}\sum_j\mu_{\bullet,j}y^\star_{\bullet,j}"
            r"=\mu_{\bullet,i}y^\star_{\bullet,i}"
        ),
        source="THEORY 8.7, eq. U10",
        assumptions=(
            sp.Gt(Total(PLAN.mixed_decode), 0, evaluate=False),
            sp.Gt(Total(PLAN.solo_decode), 0, evaluate=False),
        ),
        check=weights_are_shares_of_completions,
        mutants=(
            Mutant(
                "occupancies in place of completions",
                lambda: weights_are_shares_of_completions(exponent=0),
            ),
        ),
    ),
    Claim(
        id="T13-d",
        statement="The two pool buffers together obey the equation of the decode buffer.",
        latex=r"\dot b_{d,\bullet,i}=\theta_iq_{d,\bullet,i},\quad q_{d,i}=q_{d,m,i}+q_{d,s,i}",
        source="THEORY 8.7, eqs. P26, P30",
        check=pool_buffers_make_up_the_buffer,
        mutants=(
            Mutant(
                "every prefill sent to the mixed pool",
                lambda: pool_buffers_make_up_the_buffer(mixed_share=sp.Integer(1)),
            ),
        ),
    ),
)
