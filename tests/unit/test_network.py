"""The network: its stations and transitions, and the flows of a solution on it."""

from collections import Counter

import pytest

from gnr.drawing import occupancy_of
from gnr.models.steady_state import solve
from gnr.network import TRANSIENT, Kind, Station, build_network, steady_flows
from gnr.rates import rates_of
from gnr.reading import load, shipped_instances


def test_each_class_has_the_transitions_of_section_2() -> None:
    graph = build_network(rates_of(load("two-class")), ["a", "b"])
    kinds = Counter(data["transition"].kind for *_, data in graph.edges(data=True))
    assert kinds == {Kind.PRIMITIVE: 12, Kind.CONTROL: 6, Kind.MODE_SWITCH: 4}
    assert len(graph) == 2 * len(Station)
    assert {start[0] == end[0] for start, end in graph.edges()} == {True}


def test_intensities_and_rewards_of_the_base_instance() -> None:
    graph = build_network(rates_of(load("two-class")), ["a", "b"])
    done = graph.edges[(1, Station.SOLO_DECODE), (1, Station.DONE), "S_ds"]["transition"]
    assert done.rate == pytest.approx(0.113625)
    assert (done.bundled_reward, done.separate_reward) == pytest.approx((380, 80))
    prefilled = graph.edges[(1, Station.PREFILL), (1, Station.DECODE_BUFFER), "S_p"]["transition"]
    assert (prefilled.bundled_reward, prefilled.separate_reward) == pytest.approx((0, 300))


@pytest.mark.parametrize("name", shipped_instances())
def test_optimum_is_stationary_on_the_network_and_earns_its_revenue(name: str) -> None:
    instance = load(name)
    solution = solve(instance)
    graph = build_network(rates_of(instance), [each.name for each in instance.classes])
    flows = steady_flows(graph, occupancy_of(solution))
    for i, each in enumerate(instance.classes):
        for station in TRANSIENT:
            node = (i, station)
            inflow = sum(flow for edge, flow in flows.items() if edge[1] == node)
            outflow = sum(flow for edge, flow in flows.items() if edge[0] == node)
            assert inflow == pytest.approx(outflow, abs=1e-12 * each.arrival_rate)
    reward = f"{instance.prices.scheme}_reward"
    earned = sum(getattr(graph.edges[edge]["transition"], reward) * f for edge, f in flows.items())
    assert earned == pytest.approx(solution.revenue_rate, rel=1e-12)
