r"""An exact plan and start at which a class is served though its queue is empty (THEORY 8.7).

Two classes, both decode capacities binding, every :math:`q^\star_{d,i}>0`. With prompts free of
charge and :math:`\kappa=(B-1)/B` each way of filling both pools is optimal, so this is an optimum
of (P40). The trajectory is that of the mixed pool while prefill stays at its target.
"""

from dataclasses import dataclass
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Finding, all_of
from gnr.proofs.kit.drift import drift, revenue_rate
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.linear_paths import linear_path
from gnr.proofs.kit.numbers import Numbers, in_columns
from gnr.proofs.kit.pools import MIXED, PLAN, SOLO, class_weight, pool_flows, solo_share
from gnr.proofs.kit.symbols import (
    BATCH,
    CHUNK,
    MIXED_TIME,
    OUTPUT_PRICE,
    PROMPT_PRICE,
    SOLO_TIME,
    State,
    general_class,
)
from gnr.proofs.kit.totals import Total

DATA = in_columns(
    shared={
        BATCH: 3,
        CHUNK: 84,
        MIXED_TIME: sp.Rational(1, 10),
        SOLO_TIME: sp.Rational(3, 20),
        PROMPT_PRICE: 0,
        OUTPUT_PRICE: 1,
    },
    columns={
        sp.Symbol("P_i", positive=True): (100, 100),
        sp.Symbol("D_i", positive=True): (10, 1),
        sp.Symbol("lambda_i", positive=True): (sp.Rational(21, 10), sp.Rational(23, 10)),
        sp.Symbol("theta_i", positive=True): (1, 1),
        PLAN.prefill_queue: (sp.Rational(1, 10), sp.Rational(1, 10)),
        PLAN.prefill: (sp.Rational(5, 21), sp.Rational(11, 42)),
        PLAN.decode_buffer: (sp.Rational(1, 5), sp.Rational(1, 5)),
        PLAN.mixed_decode: (sp.Rational(9, 10), sp.Rational(1, 10)),
        PLAN.solo_decode: (sp.Rational(27, 20), sp.Rational(3, 20)),
    },
)
START_OCCUPANCY = (sp.Integer(0), sp.Integer(1))
START_QUEUE = (sp.Integer(0), sp.Integer(5))


@dataclass(frozen=True)
class MixedPool:
    """The mixed pool of the plan in exact numbers, by class.

    Attributes
    ----------
    inflow
        alpha_m,i, requests/s per GPU.
    speed
        mu_m,i.
    patience
        theta_i.
    weight
        Weight of the class in the pool.
    slots
        Decode slots of the pool, per GPU.
    """

    inflow: tuple[Any, ...]
    speed: tuple[Any, ...]
    patience: tuple[Any, ...]
    weight: tuple[Any, ...]
    slots: Any

    def served(self, occupancy: tuple[Any, ...]) -> Any:
        """Return the completions of all classes: what the pool admits while jobs wait."""
        return sum(rate * held for rate, held in zip(self.speed, occupancy, strict=True))


def mixed_pool() -> MixedPool:
    """Return the pool, computed from the network and the definitions (U7), (U10)."""
    model = general_class()
    flows = pool_flows(model, PLAN, MIXED)
    return MixedPool(
        inflow=DATA.of_each(flows.inflow.subs(SOLO.share, solo_share(model))),
        speed=DATA.of_each(flows.completed / PLAN.mixed_decode),
        patience=DATA.of_each(flows.lost / MIXED.buffer),
        weight=DATA.of_each(class_weight(model, MIXED)),
        slots=DATA.of((BATCH - 1) * Total(PLAN.prefill)),
    )


def rooms(state: State) -> tuple[Any, Any]:
    """Return the free mixed and solo decode slots per GPU (eqs. P34, P35)."""
    mixed = (BATCH - 1) * Total(state.prefill) - Total(state.mixed_decode)
    return mixed, BATCH * (1 - Total(state.prefill)) - Total(state.solo_decode)


def plan_is_optimal(data: Numbers = DATA) -> Finding:
    r"""Put a plan into balances and capacities, and bound the revenue of every other point.

    Prompts are free and :math:`\kappa=(B-1)/B`.
    """
    model = general_class()
    net = drift(model, PLAN)
    prefill = sp.expand(net.prefill_queue + net.prefill)
    decode = sp.expand(net.decode_buffer + net.mixed_decode + net.solo_decode)
    balances = [value for each in (prefill, decode) for value in data.of_each(each)]
    mixed, solo = rooms(PLAN)
    speeds = MIXED_TIME / SOLO_TIME - (BATCH - 1) / BATCH
    plain = {PROMPT_PRICE: 0, MIXED_TIME: SOLO_TIME * (BATCH - 1) / BATCH}
    earned = Total(revenue_rate(model, PLAN, "bundled")).subs(plain)
    return all_of(
        *(equal(value, 0, "the plan is in balance") for value in balances),
        equal(data.of(PROMPT_PRICE), 0, "prompts are free"),
        equal(data.of(speeds), 0, "kappa = (B-1)/B"),
        equal(data.of(mixed), 0, "mixed slots are full"),
        equal(data.of(solo), 0, "solo slots are full"),
        nonnegative(
            (BATCH - 1) * OUTPUT_PRICE / MIXED_TIME.subs(plain) - earned,
            [
                product(OUTPUT_PRICE / MIXED_TIME.subs(plain), mixed),
                product(OUTPUT_PRICE / SOLO_TIME, solo),
            ],
            given=(mixed, solo, BATCH - 1, 1 / (BATCH - 1), OUTPUT_PRICE / MIXED_TIME.subs(plain)),
            says="no point with those capacities earns more than one that fills both",
        ),
    )


@dataclass(frozen=True)
class Phase:
    """The trajectory from the start as long as class 2 waits and class 1 would be overpaid.

    Attributes
    ----------
    occupancy, admitted, queue
        y_m,i, derivative of u_d,m,i, and q_d,m,i, expressions in `TIME`, by class.
    """

    occupancy: tuple[Any, Any]
    admitted: tuple[Any, Any]
    queue: tuple[Any, Any]


def first_phase(pool: MixedPool) -> Phase:
    """Solve the pool equations with the queue of class 1 at rest at 0 and all slots full."""
    first = linear_path(pool.inflow[0], pool.speed[0], START_OCCUPANCY[0])
    occupancy = (first, pool.slots - first)
    admitted = (pool.inflow[0], sp.expand(pool.served(occupancy) - pool.inflow[0]))
    second = linear_path(pool.inflow[1] - admitted[1], pool.patience[1], START_QUEUE[1])
    return Phase(occupancy, admitted, (sp.Integer(0), second))
