r"""The drift of the stochastic model, derived from the edges of the network.

A transition with intensity :math:`r` per request at its origin moves
:math:`r\cdot`\ (occupancy of the origin) requests per second and GPU; a control or a mode switch
moves what the policy decides, a symbol of its own.
"""

from typing import Any

import sympy as sp

from gnr.network import TRANSIENT, Kind, Station
from gnr.proofs.kit.symbols import Model, State

CONTROLS = {
    name: sp.Symbol(f"{letter}_i", real=True)
    for name, letter in {
        "U_p": "du_p", "U_dm": "du_dm", "U_ds": "du_ds", "M_sm": "dm_sm", "M_ms": "dm_ms",
    }.items()
}  # fmt: skip
"""Rates at which class i is admitted, routed, switched: the processes without a clock."""


def flow(model: Model, edge: tuple[Any, Any, str], state: State) -> Any:
    """Return the requests of class i that take an edge, per second and GPU."""
    origin = edge[0][1]
    transition = model.network.edges[edge]["transition"]
    if transition.kind is not Kind.PRIMITIVE:
        return CONTROLS[transition.process]
    held = 1 if origin is Station.ARRIVALS else state.at(origin)
    return transition.rate * held


def drift(model: Model, state: State) -> State:
    """Return the net inflow of every transient station, requests/s per GPU.

    This is the generator of the chain applied to the counts, divided by n (eqs. P15-P19).
    """
    net: dict[Station, Any] = dict.fromkeys(TRANSIENT, sp.Integer(0))
    for edge in model.network.edges(keys=True):
        moved = flow(model, edge, state)
        for node, sign in ((edge[0], -1), (edge[1], 1)):
            if node[1] in net:
                net[node[1]] += sign * moved
    return State(**{station.value: amount for station, amount in net.items()})


def revenue_rate(model: Model, state: State, scheme: str) -> Any:
    """Return what class i earns, money/s per GPU (eqs. P38, P39); `scheme` names the reward."""
    total = sp.Integer(0)
    for edge in model.network.edges(keys=True):
        transition = model.network.edges[edge]["transition"]
        total += {
            "bundled": transition.bundled_reward,
            "separate": transition.separate_reward,
        }[scheme] * flow(model, edge, state)
    return total
