"""The stochastic model as data: stations, transitions, intensities, rewards (THEORY 2).

One graph, several readings: simulators compile it, proofs derive the fluid equations from it,
`gnr draw` shows it. Nodes are ``(class index, Station)``; the key of an edge is its process.
Rates may be numbers or SymPy symbols: they are only stored, never evaluated here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import networkx as nx

from gnr.rates import Quantity, Rates


class Station(StrEnum):
    """Where a request can be."""

    ARRIVALS = "arrivals"
    PREFILL_QUEUE = "prefill_queue"
    PREFILL = "prefill"
    DECODE_BUFFER = "decode_buffer"
    MIXED_DECODE = "mixed_decode"
    SOLO_DECODE = "solo_decode"
    DONE = "done"
    LEFT = "left"


TRANSIENT = (
    Station.PREFILL_QUEUE,
    Station.PREFILL,
    Station.DECODE_BUFFER,
    Station.MIXED_DECODE,
    Station.SOLO_DECODE,
)
"""Stations that hold requests: their counts are Q_p, X, Q_d, Y_m and Y_s (section 2.3)."""


class Kind(StrEnum):
    """What drives a transition."""

    PRIMITIVE = "primitive"
    """A Poisson clock (section 2.2)."""
    CONTROL = "control"
    """A decision of the policy (section 2.4)."""
    MODE_SWITCH = "mode_switch"
    """A consequence of a prefill starting or ending on the same GPU (eq. P10)."""


Node: TypeAlias = tuple[int, Station]
Edge: TypeAlias = tuple[Node, Node, str]


@dataclass(frozen=True)
class Transition:
    """One kind of move of a class-i request.

    Attributes
    ----------
    process
        Counting process of the move, in the notation of THEORY: ``A``, ``U_p``, ``S_p``, ...
    kind
        Primitive, control or mode switch.
    rate
        Rate in 1/s per request at the origin, or for arrivals per GPU; None unless primitive.
    bundled_reward, separate_reward
        Money earned by one such move under each scheme (eqs. P22, P23).
    equation
        Where the process is defined.
    """

    process: str
    kind: Kind
    equation: str
    rate: Quantity | None = None
    bundled_reward: Quantity = 0
    separate_reward: Quantity = 0


def build_network(rates: Rates, names: Sequence[str]) -> Any:
    """Return the network as a `networkx.MultiDiGraph`.

    Graph attribute ``classes`` holds the class names; each node has ``station`` and
    ``class_name``, each edge one `Transition` under ``transition``.
    """
    graph = nx.MultiDiGraph(classes=tuple(names))
    for index, name in enumerate(names):
        for station in Station:
            graph.add_node((index, station), station=station, class_name=name)
        for origin, target, transition in _transitions(rates, index):
            graph.add_edge(
                (index, origin), (index, target), key=transition.process, transition=transition
            )
    return graph


def _transitions(rates: Rates, i: int) -> list[tuple[Station, Station, Transition]]:
    """Return the moves of class `i`, eqs. P7-P10 and P15-P19, with rewards P22 and P23."""
    arrival, patience = rates.arrival_rate[i], rates.patience_rate[i]
    prompt_reward = rates.prompt_price * rates.prompt_tokens[i]
    output_reward = rates.output_price * rates.output_tokens[i]
    primitive, control, switch = Kind.PRIMITIVE, Kind.CONTROL, Kind.MODE_SWITCH
    queue, prefill, buffer = Station.PREFILL_QUEUE, Station.PREFILL, Station.DECODE_BUFFER
    mixed, solo, done = Station.MIXED_DECODE, Station.SOLO_DECODE, Station.DONE
    finished = {"bundled_reward": rates.reward[i], "separate_reward": output_reward}
    return [
        (Station.ARRIVALS, queue, Transition("A", primitive, "P7", arrival)),
        (queue, Station.LEFT, Transition("B_p", primitive, "P7", patience)),
        (queue, prefill, Transition("U_p", control, "P15")),
        (
            prefill,
            buffer,
            Transition("S_p", primitive, "P8", rates.prefill[i], separate_reward=prompt_reward),
        ),
        (buffer, Station.LEFT, Transition("B_d", primitive, "P8", patience)),
        (buffer, mixed, Transition("U_dm", control, "P17")),
        (buffer, solo, Transition("U_ds", control, "P17")),
        (mixed, done, Transition("S_dm", primitive, "P9", rates.mixed_decode[i], **finished)),
        (solo, done, Transition("S_ds", primitive, "P9", rates.solo_decode[i], **finished)),
        (solo, mixed, Transition("M_sm", switch, "P10")),
        (mixed, solo, Transition("M_ms", switch, "P10")),
    ]


def steady_flows(graph: Any, occupancy: Mapping[Node, float]) -> dict[Edge, float]:
    """Return the long-run flow on every edge, requests/s per GPU.

    Parameters
    ----------
    graph
        A network with numeric rates.
    occupancy
        Requests per GPU at each transient station; stations left out hold none.

    Notes
    -----
    A primitive flow is rate times occupancy. A control carries what its target completes
    (eqs. P16, P18, P19 at rest), the mode switches being in balance: they show as 0, their
    net flow.
    """
    flows: dict[Edge, float] = {}
    for origin, target, key, transition in graph.edges(keys=True, data="transition"):
        if transition.kind is Kind.PRIMITIVE:
            held = 1.0 if origin[1] is Station.ARRIVALS else occupancy.get(origin, 0.0)
            flows[origin, target, key] = float(transition.rate) * held
    for origin, target, key, transition in graph.edges(keys=True, data="transition"):
        if transition.kind is Kind.CONTROL:
            flows[origin, target, key] = sum(
                flow for (start, _, _), flow in flows.items() if start == target
            )
        elif transition.kind is Kind.MODE_SWITCH:
            flows[origin, target, key] = 0.0
    return flows
