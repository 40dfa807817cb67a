"""Policies, chains, lanes and engines of the pooled simulator."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from pooled_chains import DIGEST, chain_of, compiled, planned

import gnr
from gnr.errors import InputError
from gnr.network import Kind, Station, Transition
from gnr.rates import rates_of
from gnr.validation import kernels
from gnr.validation.chain import Row, compile_chain
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.engines import find_engine
from gnr.validation.lanes import Lanes, check_alike, empty_cluster, fluid_point, lane_seeds, settled
from gnr.validation.measures import conservation_error
from gnr.validation.policies import POOLED, find_policy
from gnr.validation.policies.gates import occupancy_gate


def test_chain_reads_every_rate_from_the_networks_edges() -> None:
    instance = gnr.load("two-class")
    rates = rates_of(instance)
    chain = chain_of("two-class", "gate-and-route", 500)
    assert chain.arrival == pytest.approx([250.0, 250.0])
    columns = [
        rates.patience_rate, rates.prefill, rates.patience_rate, rates.mixed_decode,
        rates.solo_decode, rates.patience_rate,
    ]  # fmt: skip
    assert np.array_equal(chain.leaving, np.stack(columns, axis=1))
    slots = (chain.prefill_slots, chain.mixed_decode_slots, chain.solo_decode_slots)
    assert slots == (107, 107 * 15, 393 * 16)


def test_a_network_with_another_clock_is_refused() -> None:
    """A chain that silently left out a transition would be another model."""
    network = gnr.build_network(rates_of(gnr.load("two-class")), ["a", "b"])
    plan = planned("two-class", "gate-and-route").plan(20)
    network.add_edge(
        (0, Station.PREFILL),
        (0, Station.LEFT),
        key="B_x",
        transition=Transition("B_x", Kind.PRIMITIVE, "-", 0.1),
    )
    with pytest.raises(ValueError, match="no clock B_x"):
        compile_chain(network, plan, POOLED["gate-and-route"])


def test_a_network_that_lacks_a_clock_is_refused() -> None:
    network = gnr.build_network(rates_of(gnr.load("two-class")), ["a", "b"])
    network = nx.MultiDiGraph(network)
    network.remove_edge((1, Station.PREFILL), (1, Station.DECODE_BUFFER), key="S_p")
    plan = planned("two-class", "gate-and-route").plan(20)
    with pytest.raises(ValueError, match="lacks the clocks S_p"):
        compile_chain(network, plan, POOLED["gate-and-route"])


@pytest.mark.parametrize(
    ("policy", "plan_of"),
    [
        ("gate-and-route", "prioritize-and-route"),
        ("prioritize-and-route", "gate-and-route"),
        ("fcfs-route", "prioritize-and-route"),
    ],
)
def test_a_policy_refuses_the_plan_of_another_program(policy: str, plan_of: str) -> None:
    plan = planned("two-class", plan_of).plan(20)
    with pytest.raises(InputError, match="follows a plan of the"):
        POOLED[policy].check(plan)


def test_sli_aware_refuses_a_plan_that_queues_before_decode() -> None:
    plan = gnr.solve(gnr.load("two-class-separate")).plan(20)
    with pytest.raises(InputError, match="empty decode buffer"):
        POOLED["sli-aware"].check(plan)
    POOLED["sli-aware-general"].check(plan)


def test_unknown_policy_and_engine_name_what_there_is() -> None:
    with pytest.raises(InputError, match="gate-and-route, prioritize-and-route"):
        find_policy("best")
    with pytest.raises(InputError, match="compiled, numpy, cupy"):
        find_engine("fastest")


def test_an_engine_that_is_not_there_is_an_error_and_not_replaced() -> None:
    pytest.importorskip("numpy")
    try:
        import cupy

        cupy.zeros(1)
    except Exception:
        with pytest.raises(InputError, match="cupy is not available here"):
            find_engine("cupy")
    else:
        assert find_engine("cupy") is not None


def test_gate_forgets_digits_that_only_the_solver_sees() -> None:
    """Two equal classes tie although the solver's targets differ in the last digit (eq. U5)."""
    plan = planned("two-class", "gate-and-route").plan(20)
    first = plan.classes[0]
    second = first.model_copy(update={"gate_target": first.gate_target * (1 + 1e-15)})
    gate = occupancy_gate(plan.model_copy(update={"classes": (first, second)}))
    assert gate.slope[0] == gate.slope[1]


def test_a_class_that_the_plan_shuts_out_is_never_admitted() -> None:
    """10.1(b), and it is not admitted by the start either."""
    chain = chain_of("two-class", "gate-and-route", 20)
    assert chain.gate is not None
    offset = np.array([np.inf, 0.0])
    chain = replace(chain, gate=replace(chain.gate, slope=np.array([0.0, 1.0]), offset=offset))
    start = np.repeat(settled(chain, np.array([[50.0, 0, 0, 0, 0, 0]] * 2))[..., None], 8, -1)
    assert start[0, Row.PREFILL].sum() == 0
    assert start[1, Row.PREFILL, 0] == chain.prefill_slots
    run = CompiledEngine([chain] * 8, start, lane_seeds(DIGEST, 20, 1, 8))
    run.advance(np.full(8, 50.0))
    assert run.snapshot().integral[0, Row.PREFILL].sum() == 0


@pytest.mark.parametrize("policy", POOLED)
def test_start_and_run_keep_slots_and_never_idle_beside_a_waiting_request(policy: str) -> None:
    """Capacity and work conservation, for every policy, at several sizes (P12-P14)."""
    for gpus in (5, 50):
        chain = chain_of("two-class", policy, gpus)
        run = compiled(chain, 16)
        for until in (0.0, 1.0, 5.0, 40.0):
            run.advance(np.full(16, until))
            state = run.snapshot().state
            assert state.min() >= 0
            prefill, queue = state[:, Row.PREFILL].sum(0), state[:, Row.PREFILL_QUEUE].sum(0)
            assert np.all((prefill == chain.prefill_slots) | ((queue == 0) & (prefill < 999)))
            mixed, solo = state[:, Row.MIXED_DECODE].sum(0), state[:, Row.SOLO_DECODE].sum(0)
            assert np.all(prefill <= chain.prefill_slots)
            assert np.all(mixed <= chain.mixed_decode_slots)
            assert np.all(solo <= chain.solo_decode_slots)
            for_solo = state[:, Row.SOLO_QUEUE if chain.split_buffers else Row.DECODE_QUEUE].sum(0)
            assert np.all(
                (state[:, Row.DECODE_QUEUE].sum(0) == 0) | (mixed == chain.mixed_decode_slots)
            )
            assert np.all((for_solo == 0) | (solo == chain.solo_decode_slots))


@pytest.mark.parametrize("policy", POOLED)
def test_requests_are_conserved_to_the_last_one(policy: str) -> None:
    chain = chain_of("dolly-eight-class", policy, 300)
    run = compiled(chain, 8)
    before = run.snapshot().state
    run.advance(np.full(8, 20.0))
    after = run.snapshot()
    assert after.count.sum() > 1e5
    assert np.all(conservation_error(before, after) == 0)
    faulty = replace(after, state=after.state - (np.arange(6) == Row.MIXED_DECODE)[None, :, None])
    assert np.any(conservation_error(before, faulty) != 0), "a lost request must show"


def test_seeds_differ_by_lane_size_seed_and_instance_and_continue() -> None:
    """Common random numbers are keyed by instance, size and replication; never by policy."""
    base = lane_seeds(DIGEST, 20, 1, 6)
    assert len({tuple(column) for column in base.T}) == 6
    for other in (
        lane_seeds("6" * 64, 20, 1, 6),
        lane_seeds(DIGEST[:-1] + "4", 20, 1, 6),
        lane_seeds(DIGEST, 21, 1, 6),
        lane_seeds(DIGEST, 20, 2, 6),
    ):
        assert not np.any(np.all(base == other, axis=0))
    assert np.array_equal(lane_seeds(DIGEST, 20, 1, 2, first=4), base[:, 4:])


def test_lanes_of_different_policies_cannot_share_a_batch() -> None:
    chains = [chain_of("two-class", policy, 5) for policy in ("gate-and-route", "sli-aware")]
    with pytest.raises(ValueError, match="one policy kind"):
        check_alike(chains)


def test_records_since_a_snapshot_are_differences() -> None:
    run = compiled(chain_of("two-class", "gate-and-route", 5), 4)
    run.advance(np.full(4, 10.0))
    first = run.snapshot()
    run.advance(np.full(4, 30.0))
    later: Lanes = run.snapshot()
    window = later.since(first)
    assert np.all(window.clock == 20.0)
    assert np.array_equal(window.count + first.count, later.count)
    assert np.array_equal(window.state, later.state)


def test_starts() -> None:
    chain = chain_of("two-class", "gate-and-route", 500)
    assert not empty_cluster(chain).any()
    assert np.all(np.abs(fluid_point(chain) - chain.planned) <= 6)


def test_the_kernels_logarithm_is_exact_to_the_last_digits() -> None:
    """It replaces the C library's; the ends of [0, 1) and halves are where such code goes wrong."""
    width = 8
    draws = np.random.default_rng(3).random((40, 3, width))
    draws[0, 0] = [0.0, 2.0**-53, 0.5, 0.25, 0.75, 1 - 2.0**-53, 1e-10, 1 - 1e-10]
    expected = -np.log1p(-draws[:, 0])
    flat = draws.reshape(-1)
    kernels.make_exponential(flat, flat.view(np.int64), np.empty(width), width)
    found = draws[:, 0]
    assert found[0, 0] == 0.0
    assert np.abs(found - expected).max() <= 4e-16 * 40
    assert np.abs(found / np.where(expected > 0, expected, 1) - 1)[1:].max() < 1e-14
