r"""The decode buffer split in two, one for each pool (THEORY 5, Algorithms 6 and 7).

A finished prefill of class i draws its pool: solo with chance :math:`p_{s,i}`. The groups of
GPUs are fixed, so nothing switches mode. Equations come from the edges of the network, the ones
that touch the other pool left out.
"""

from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from gnr.network import Station
from gnr.proofs.kit.drift import drift, flow
from gnr.proofs.kit.symbols import Model, State
from gnr.proofs.kit.totals import Total

SOLO_SHARE = sp.Symbol("p_s_i", nonnegative=True)
"""p_s,i, where its formula does not matter."""

PLAN = State(
    *(sp.Symbol(f"{name}_star_i", nonnegative=True) for name in ("q_p", "x", "q_d", "y_m", "y_s"))
)
"""The optimum that the policy follows, class i."""


@dataclass(frozen=True)
class Pool:
    """One pool of decode slots with the buffer in front of it.

    Attributes
    ----------
    station
        Where its requests decode.
    share
        Chance that a finished prefill of class i is sent here.
    buffer
        Requests of class i that wait for it, per GPU.
    """

    station: Station
    share: Any
    buffer: Any


MIXED = Pool(Station.MIXED_DECODE, 1 - SOLO_SHARE, sp.Symbol("q_dm_i", nonnegative=True))
SOLO = Pool(Station.SOLO_DECODE, SOLO_SHARE, sp.Symbol("q_ds_i", nonnegative=True))


@dataclass(frozen=True)
class PoolFlows:
    """Flows of class i through one pool, requests/s per GPU.

    Attributes
    ----------
    inflow
        Finished prefills sent to the pool, alpha.
    lost
        Requests that give up waiting for it.
    admitted
        Requests that take a slot of it, the derivative of u.
    completed
        Decodes that finish in it.
    """

    inflow: Any = 0
    lost: Any = 0
    admitted: Any = 0
    completed: Any = 0

    @property
    def buffer_drift(self) -> Any:
        """Net inflow of the pool's buffer."""
        return self.inflow - self.lost - self.admitted

    @property
    def decode_drift(self) -> Any:
        """Net inflow of the pool's slots."""
        return self.admitted - self.completed


def pool_flows(model: Model, state: State, pool: Pool) -> PoolFlows:
    """Return the flows of the edges that touch a pool; `state` holds no waiting decodes."""
    held = replace(state, decode_buffer=pool.buffer)
    other = {Station.MIXED_DECODE, Station.SOLO_DECODE} - {pool.station}
    flows = PoolFlows()
    for edge in model.network.edges(keys=True):
        origin, target = edge[0][1], edge[1][1]
        if other & {origin, target}:
            continue
        moved = flow(model, edge, held)
        if target is Station.DECODE_BUFFER:
            flows = replace(flows, inflow=flows.inflow + pool.share * moved)
        elif target is pool.station:
            flows = replace(flows, admitted=flows.admitted + moved)
        elif origin is Station.DECODE_BUFFER:
            flows = replace(flows, lost=flows.lost + moved)
        elif origin is pool.station:
            flows = replace(flows, completed=flows.completed + moved)
    return flows


def solo_share(model: Model, plan: State = PLAN) -> Any:
    """Return the chance of the solo pool by its definition, (U7): its part of completions."""
    solo = pool_flows(model, plan, SOLO).completed
    return solo / (pool_flows(model, plan, MIXED).completed + solo)


def decode_balance(model: Model, plan: State = PLAN) -> Any:
    """Return the net inflow of decoding as a whole, 0 at a point of the programs (P40)."""
    net = drift(model, plan)
    return sp.expand(net.decode_buffer + net.mixed_decode + net.solo_decode)


def planned_prefill(model: Model, plan: State = PLAN) -> dict[Any, Any]:
    """Return the prefill occupancy that a plan must have, from its decode balance."""
    (occupancy,) = sp.solve(decode_balance(model, plan), plan.prefill)
    return {plan.prefill: occupancy}


def class_weight(model: Model, pool: Pool, plan: State = PLAN) -> Any:
    """Return the weight of class i in a pool by its definition, (U10)."""
    completed = pool_flows(model, plan, pool).completed
    return completed / Total(completed)
