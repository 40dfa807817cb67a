r"""The balances in counts (eqs. P15-P19), read off the edges of the network.

Every edge counts its moves; what a station holds is what it held at 0, plus all moves in, minus
all moves out. Divided by n these are the fluid balances (P24)-(P28).
"""

from dataclasses import replace
from typing import Any

import sympy as sp

from gnr.network import TRANSIENT, Station
from gnr.proofs.kit.symbols import STATE, Model, State


def moves(process: str, time: str) -> sp.Symbol:
    """Return how often the process of an edge has counted by some time, for class i."""
    return sp.Symbol(f"{process}({time})_i", nonnegative=True)


def held_at_start(station: Station) -> sp.Symbol:
    """Return what a station holds at time 0, for class i."""
    return sp.Symbol(f"{STATE.at(station).name[:-2]}(0)_i", nonnegative=True)


def counts(model: Model, time: str) -> State:
    """Return what every transient station holds at some time, in moves along the edges."""
    held: dict[Station, Any] = {station: held_at_start(station) for station in TRANSIENT}
    for origin, target, process in model.network.edges(keys=True):
        for node, sign in ((origin, -1), (target, 1)):
            if node[1] in held:
                held[node[1]] += sign * moves(process, time)
    return State(**{station.value: amount for station, amount in held.items()})


def without(model: Model, process: str) -> Model:
    """Return the model with the edge of one process missing, for mutants."""
    network = model.network.copy()
    network.remove_edges_from([edge for edge in network.edges(keys=True) if edge[2] == process])
    return replace(model, network=network)
