r"""Counts of requests, moved along the edges of the network one at a time (THEORY 2.3, 2.6).

A path of the chain is nothing else than how often each edge was taken: every edge counts
upwards from 0, and what a station holds is what it held, plus what came in, less what left
(eqs. P15-P19). Divided by n these are the fluid balances (P24)-(P28).
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import sympy as sp

from gnr.network import TRANSIENT, Kind, Station
from gnr.proofs.kit.drift import CONTROLS
from gnr.proofs.kit.symbols import STATE, Model, State

GPUS = sp.Symbol("n", integer=True, positive=True)
"""Number of GPUs."""

COUNTS = State(
    *(sp.Symbol(f"{name}_i", nonnegative=True) for name in ["Q_p", "X", "Q_d", "Y_m", "Y_s"])
)
"""Requests of class i at each station, in the whole cluster."""

START = State(
    *(
        sp.Symbol(f"{getattr(STATE, e.name).name[:-2]}(0)_i", nonnegative=True)
        for e in fields(State)
    )
)
"""What each station holds of class i at time 0."""

Edge = tuple[Any, Any, str]


def taken(process: str, by: str | None = None) -> sp.Symbol:
    """Return how often class i has taken the edge of a process, such as ``U_p``, by some time."""
    when = "" if by is None else f"({by})"
    return sp.Symbol(f"{process}{when}_i", nonnegative=True)


def edges(model: Model) -> dict[str, Edge]:
    """Return the edges of class i by their process."""
    return {edge[2]: edge for edge in model.network.edges(keys=True)}


def without(model: Model, process: str) -> Model:
    """Return the model with the edge of one process missing, for mutants."""
    network = model.network.copy()
    network.remove_edges_from([edges(model)[process]])
    return replace(model, network=network)


def primitives(model: Model) -> tuple[str, ...]:
    """Return the processes that a Poisson clock drives."""
    return tuple(
        process
        for process, edge in edges(model).items()
        if model.network.edges[edge]["transition"].kind is Kind.PRIMITIVE
    )


def after(model: Model, start: State, moves: Callable[[str], Any] | Mapping[str, Any]) -> State:
    """Return what the stations hold once each edge has been taken so many times."""
    count = moves if callable(moves) else lambda process: moves.get(process, 0)
    held: dict[Station, Any] = {station: start.at(station) for station in TRANSIENT}
    for process, (origin, target, _) in edges(model).items():
        for node, sign in ((origin, -1), (target, 1)):
            if node[1] in held:
                held[node[1]] += sign * count(process)
    return State(**{station.value: amount for station, amount in held.items()})


def held_at(model: Model, time: str) -> State:
    """Return what the stations hold at some time, from what they held at 0."""
    return after(model, START, lambda process: taken(process, time))


def scaled(state: State, factor: Any) -> State:
    """Return every occupancy times a factor."""
    return State(*(factor * getattr(state, each.name) for each in fields(state)))


def intensity(model: Model, process: str, counts: State) -> Any:
    """Return how many requests of class i take an edge per second, in the whole cluster.

    A control or mode switch has no clock; it stands with n times its rate per GPU.
    """
    edge = edges(model)[process]
    transition = model.network.edges[edge]["transition"]
    if transition.kind is not Kind.PRIMITIVE:
        return GPUS * CONTROLS[process]
    origin = edge[0][1]
    return transition.rate * (GPUS if origin is Station.ARRIVALS else counts.at(origin))


def generator(model: Model, function: Callable[[State], Any], counts: State) -> Any:
    """Return the generator applied to a function of the counts, at some counts."""
    return sp.Add(
        *(
            intensity(model, process, counts)
            * (function(after(model, counts, {process: 1})) - function(counts))
            for process in edges(model)
        )
    )


def capacity_gaps(slots: Any, gpus: Any, prefill: Any, mixed: Any, solo: Any) -> tuple[Any, ...]:
    """Return what (P12), (P13) and (P14) leave free, for totals over the classes."""
    return (gpus - prefill, (slots - 1) * prefill - mixed, slots * (gpus - prefill) - solo)
