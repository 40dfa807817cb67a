"""`gnr draw`: the network of an instance as pictures and as a graph file."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
from pydantic import BaseModel, ConfigDict

from gnr.atomic import complete_file
from gnr.errors import InputError, Problem
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.network import Edge, Node, Station, build_network, steady_flows
from gnr.plots.network_plot import plot_network
from gnr.plots.save import save_figure
from gnr.provenance import Provenance, origin, record
from gnr.rates import rates_of
from gnr.result import Solution

MOST_CLASSES = 40
"""Classes with which a picture is still readable."""


class Drawing(BaseModel):
    """What `gnr draw` did."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    status: str | None
    """Status of the solve whose flows are shown; null if none was asked for."""
    files: tuple[str, ...]
    """Files written."""
    warnings: tuple[str, ...]
    provenance: Provenance
    """Where this result comes from."""


def draw_network(
    instance: Instance, folder: Path, formats: Sequence[str], *, flows: bool
) -> Drawing:
    """Write the network of `instance` into `folder` in the formats given.

    Parameters
    ----------
    instance
        What to draw.
    folder
        An existing folder; files are called ``<name>.network.<format>``.
    formats
        Any of ``svg``, ``png``, ``graphml``.
    flows
        Solve the instance and show its optimal flows.

    Raises
    ------
    InputError
        If a picture is asked for and there are more than 40 classes.
    """
    _refuse_crowd(instance, formats)
    started = time.perf_counter()
    graph = build_network(rates_of(instance), [each.name for each in instance.classes])
    solution, found, held = None, None, None
    if flows:
        from gnr.models.steady_state import solve

        solution = solve(instance)
        if solution.status == "optimal":
            held = occupancy_of(solution)
            found = steady_flows(graph, held)
    stem = f"{instance.name}.network"
    pictures = [each for each in formats if each != "graphml"]
    files = []
    if pictures:
        figure = plot_network(graph, instance.title, found, held)
        files.extend(save_figure(figure, folder, stem, origin(instance.sha256()), pictures))
    if "graphml" in formats:
        path = folder / f"{stem}.graphml"
        with complete_file(path) as temporary:
            plain = to_plain_graph(graph, found, held)
            plain.graph["origin"] = origin(instance.sha256())
            nx.write_graphml(plain, temporary)
        files.append(path)
    warnings = list(solution.warnings) if solution is not None else []
    if solution is not None and found is None:
        warnings.append(f"no flows are shown: the instance is {solution.status}")
    return Drawing(
        instance=instance.name,
        status=None if solution is None else solution.status,
        files=tuple(str(path) for path in files),
        warnings=tuple(warnings),
        provenance=record(instance.sha256(), started, {"flows": flows}),
    )


def _refuse_crowd(instance: Instance, formats: Sequence[str]) -> None:
    if len(instance.classes) > MOST_CLASSES and set(formats) - {"graphml"}:
        raise InputError(
            [
                Problem(
                    "too-many-classes",
                    instance.name,
                    "classes",
                    f"a picture is readable up to {MOST_CLASSES} classes, got "
                    f"{len(instance.classes)}",
                    "use --format graphml",
                )
            ]
        )


def occupancy_of(solution: Solution) -> dict[Node, float]:
    """Return the requests per GPU at each station that holds some."""
    fields = {
        Station.PREFILL_QUEUE: "prefill_queue",
        Station.PREFILL: "prefill",
        Station.DECODE_BUFFER: "decode_queue",
        Station.MIXED_DECODE: "mixed_decode",
        Station.SOLO_DECODE: "solo_decode",
    }
    return {
        (i, station): float(getattr(each, field))
        for i, each in enumerate(solution.classes)
        for station, field in fields.items()
    }


def to_plain_graph(
    graph: Any, flows: dict[Edge, float] | None, occupancy: dict[Node, float] | None
) -> Any:
    """Return the network with text and number attributes only, as graph files hold them.

    Flows are in requests/s per GPU, rates in 1/s, occupancies in requests per GPU.
    """
    names = graph.graph["classes"]
    plain = nx.MultiDiGraph()

    def label(node: Node) -> str:
        return f"{names[node[0]]}/{node[1].value}"

    for node in graph:
        data = {"class": names[node[0]], "station": node[1].value}
        if occupancy is not None and node in occupancy:
            data["occupancy"] = occupancy[node]
        plain.add_node(label(node), **data)
    for start, end, key, transition in graph.edges(keys=True, data="transition"):
        data = {
            "process": transition.process,
            "kind": transition.kind.value,
            "equation": transition.equation,
            "bundled_reward": float(transition.bundled_reward),
            "separate_reward": float(transition.separate_reward),
        }
        if transition.rate is not None:
            data["rate"] = float(transition.rate)
        if flows is not None:
            data["flow"] = flows[start, end, key]
        plain.add_edge(label(start), label(end), key=key, **data)
    return plain
