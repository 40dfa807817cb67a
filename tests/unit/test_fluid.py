"""Fluid trajectories: exact solutions, the table of THEORY 11.4, invariants, planted faults."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import gnr
from gnr.network import build_network
from gnr.rates import Rates, rates_of
from gnr.validation.chain import Chain, Row, compile_chain
from gnr.validation.fluid import (
    default_step,
    fill_by_weight,
    fill_in_order,
    fluid_fixed_point,
    raise_lowest,
    slowest_time_constant,
    trajectory,
    with_arrivals,
)
from gnr.validation.policies import POOLED
from gnr.validation.policies.gates import GateIndex

HUGE = 10**9
"""GPUs at which the rounding of M no longer shows."""

CASES = [
    ("two-class", "gate-and-route"),
    ("two-class", "fcfs-route"),
    ("two-class", "sli-aware"),
    ("two-class-separate", "prioritize-and-route"),
    ("two-class-separate", "sli-aware-general"),
    ("dolly-eight-class", "gate-and-route"),
    ("dolly-eight-class", "sli-aware"),
]


@cache
def solved(name, changes):
    instance = gnr.load(name, changes)
    return instance, gnr.solve(instance)


def chain_of(name, gpus, policy="gate-and-route", *changes) -> Chain:
    instance, solution = solved(name, changes)
    network = build_network(rates_of(instance), [each.name for each in instance.classes])
    return compile_chain(network, solution.plan(gpus), POOLED[policy])


def rates(name) -> Rates:
    return rates_of(solved(name, ())[0])


def empty(chain):
    return np.zeros_like(chain.planned)


def surge_and_drain(chain, step, count=400):
    """Return the chains and states, step by step, of a fill, a surge and a drain from empty."""
    state, phases = empty(chain), []
    for factor in (1.0, 6.0, 0.0):
        phase = with_arrivals(chain, factor)
        states = trajectory(phase, state, step * np.arange(count + 1), step)
        phases.append((phase, states))
        state = states[-1]
    return phases


def imbalance(chain, states, step) -> float:
    """Return the largest mass per class that a step creates or loses, relative."""
    ways_out = chain.leaving.copy()
    ways_out[:, Row.PREFILL] = 0
    expected = step * (chain.arrival - (ways_out * states[:-1]).sum(axis=2))
    found = np.diff(states.sum(axis=2), axis=0)
    return float(np.abs(found - expected).max() / states.sum(axis=2).max())


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_no_request_is_made_or_lost(name, policy) -> None:
    """Protects the bookkeeping of every move. Planted: a thousandth of the arrivals missing."""
    chain = chain_of(name, 100, policy)
    step = 4 * default_step(chain)
    for phase, states in surge_and_drain(chain, step):
        assert imbalance(phase, states, step) < 1e-14
    phase, states = surge_and_drain(chain, step)[1]
    assert imbalance(with_arrivals(phase, 0.999), states, step) > 1e-10


def idle_beside_waiting(chain, states) -> float:
    """Return the largest min(free slots, requests that could take them), relative to the slots."""
    allowed = np.isfinite(chain.gate.offset) if chain.gate else np.ones(len(chain.names), bool)
    solo_queue = Row.SOLO_QUEUE if chain.split_buffers else Row.DECODE_QUEUE
    worst = 0.0
    for queue, service, slots, who in (
        (Row.PREFILL_QUEUE, Row.PREFILL, chain.prefill_slots, allowed),
        (Row.DECODE_QUEUE, Row.MIXED_DECODE, chain.mixed_decode_slots, slice(None)),
        (solo_queue, Row.SOLO_DECODE, chain.solo_decode_slots, slice(None)),
    ):
        free = slots - states[:, :, service].sum(axis=1)
        waiting = states[:, who, queue].sum(axis=1)
        worst = max(worst, float(np.minimum(free, waiting).max() / slots))
    return worst


def overfull(chain, states) -> float:
    """Return by how much a capacity (P33-P35) or a sign is violated at worst, relative."""
    busy = states.sum(axis=1)
    return max(
        float(-states.min()),
        float((busy[:, Row.PREFILL] / chain.prefill_slots).max()) - 1,
        float((busy[:, Row.MIXED_DECODE] / chain.mixed_decode_slots).max()) - 1,
        float((busy[:, Row.SOLO_DECODE] / chain.solo_decode_slots).max()) - 1,
    )


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_slots_are_filled_and_never_overfilled(name, policy) -> None:
    """Protects (P33)-(P37) and the complementarity. Planted: another number of slots."""
    chain = chain_of(name, 100, policy)
    step = 10 * default_step(chain)
    phases = [(phase, states[1:]) for phase, states in surge_and_drain(chain, step, count=20_000)]
    for phase, states in phases:
        assert overfull(phase, states) < 1e-13
        assert idle_beside_waiting(phase, states) < 1e-13
    phase, states = phases[1]
    assert overfull(replace(phase, solo_decode_slots=chain.solo_decode_slots - 1), states) > 1e-4
    more = replace(phase, prefill_slots=chain.prefill_slots + 1)
    assert idle_beside_waiting(more, states) > 1e-3
    assert phases[2][1][-1].sum() < states[-1].sum()


def test_an_overfull_group_takes_nothing_until_it_has_room() -> None:
    chain = chain_of("two-class", 100)
    start = empty(chain)
    start[:, Row.SOLO_DECODE] = chain.solo_decode_slots
    start[0, Row.PREFILL_QUEUE] = 1000
    states = trajectory(chain, start, np.arange(0.0, 60.0))
    total = states[:, :, Row.SOLO_DECODE].sum(axis=1)
    decay = np.exp(-np.outer(np.arange(0.0, 60.0), chain.leaving[:, Row.SOLO_DECODE]))
    free = (decay * chain.solo_decode_slots).sum(axis=1)
    above = free > chain.solo_decode_slots
    assert 5 < above.sum() < 50
    np.testing.assert_allclose(total[above], free[above], rtol=1e-3)
    np.testing.assert_allclose(total[~above], chain.solo_decode_slots, rtol=1e-3)


def light_load_error(step_factor, rate_error=0.0) -> float:
    """Return the error on the exact fill of an empty cluster in which nobody ever waits.

    x_i = (lambda/mu_p)(1 - e^(-mu_p t)); y_s' = mu_p x - mu_s y_s, all decodes on solo GPUs.
    """
    chain = with_arrivals(chain_of("two-class", 100), 0.5)
    times = np.linspace(0.0, 100.0, 1001)
    states = trajectory(chain, empty(chain), times, step_factor * default_step(chain))
    p = chain.leaving[:, Row.PREFILL] * (1 + rate_error)
    s, t = chain.leaving[:, Row.SOLO_DECODE], times[:, None]
    x = chain.arrival / p * (1 - np.exp(-p * t))
    y = chain.arrival * ((1 - np.exp(-s * t)) / s - (np.exp(-s * t) - np.exp(-p * t)) / (p - s))
    return max(
        float(np.abs(states[:, :, Row.PREFILL] - x).max() / x.max()),
        float(np.abs(states[:, :, Row.SOLO_DECODE] - y).max() / y.max()),
    )


def test_light_load_follows_the_exact_solution() -> None:
    """Protects clocks and router against the linear equations; the error halves with the step.

    Planted: prefill rates 1 % off, found once the step is small.
    """
    errors = [light_load_error(factor) for factor in (1, 1 / 2, 1 / 4, 1 / 8)]
    assert errors[0] < 0.003
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, atol=0.1)
    assert light_load_error(1 / 8, rate_error=0.01) > 2 * errors[3]


def halving_ratios(chain, start, times) -> list[float]:
    """Return the ratios of successive differences as the step is halved thrice."""
    step = default_step(chain)
    runs = [trajectory(chain, start, times, step / 2**k) for k in range(4)]
    gaps = [float(np.abs(a - b).max()) for a, b in pairwise(runs)]
    return [a / b for a, b in pairwise(gaps)]


@pytest.mark.parametrize(("name", "policy"), CASES[:5])
def test_error_halves_with_the_step_through_saturation(name, policy) -> None:
    """Protects the order of the scheme where gate and router switch: a fill, and a surge of 3."""
    chain = with_arrivals(chain_of(name, 500, policy), 3.0)
    for ratio in halving_ratios(chain, empty(chain), np.linspace(0.0, 60.0, 25)):
        assert 1.8 < ratio < 2.2


def test_phases_chain_and_the_fixed_point_stays() -> None:
    """Protects restarts: two phases are one run, and what is at rest does not move."""
    chain = chain_of("two-class", 500)
    whole = trajectory(chain, empty(chain), np.array([0.0, 7.0, 21.0]))
    again = trajectory(chain, whole[1], np.array([14.0]))
    np.testing.assert_array_equal(again[0], whole[2])
    np.testing.assert_array_equal(whole[0], 0)
    rest = fluid_fixed_point(chain).state
    np.testing.assert_allclose(trajectory(chain, rest, np.array([100.0]))[0], rest, rtol=1e-8)


TABLE = {
    5: (0.019495, 0.194953, 0.88093, 268.68, 288.33, 0, 1.191),
    20: (0.019495, 0.194953, 0.94015, 286.75, 296.62, 0, 0.598),
    50: (0.019495, 0.194953, 0.95200, 290.36, 298.28, 0, 0.480),
    200: (0.019495, 0.194953, 0.95397, 290.96, 298.56, 0, 0.460),
    500: (0.019047, 0.194953, 0.97031, 293.38, 298.27, 0.115, 0.293),
    2000: (0.018547, 0.194953, 0.98893, 296.09, 297.91, 0.243, 0.108),
    20000: (0.018297, 0.194953, 0.99851, 297.49, 297.73, 0.307, 0.014),
}
"""(D10): x_0, x_1, served fraction, bundled and separate revenue, q_p0, q_d, POOLED."""
LAST_DIGIT = np.array([1e-6, 1e-6, 1e-5, 1e-2, 1e-2, 1e-3, 1e-3])


def figures(chain, name="two-class"):
    """Return the columns of (D10) at the fixed point."""
    found = fluid_fixed_point(chain)
    assert found.reached
    state, r = found.state / chain.gpus, rates(name)
    prefilled = chain.leaving[:, Row.PREFILL] * state[:, Row.PREFILL]
    served = (chain.leaving * state)[:, [Row.MIXED_DECODE, Row.SOLO_DECODE]].sum(axis=1)
    separate = prefilled @ (0.1 * r.prompt_tokens) + served @ (0.2 * r.output_tokens)
    x, q_d = state[:, Row.PREFILL], state[:, [Row.DECODE_QUEUE, Row.SOLO_QUEUE]].sum()
    fraction = served.sum() / prefilled.sum()
    return np.array([*x, fraction, served @ r.reward, separate, state[0, 0], q_d])


def off_the_table(chain) -> float:
    """Return the largest difference from (D10), in units of the last digit printed."""
    return float((np.abs(figures(chain) - TABLE[chain.gpus]) / LAST_DIGIT).max())


@pytest.mark.parametrize("gpus", TABLE)
def test_gate_and_route_rests_at_the_table_of_11_4(gpus) -> None:
    """Protects gate, router and rounding of M, to the digits printed."""
    assert off_the_table(chain_of("two-class", gpus)) < 0.51


def floored(chain) -> Chain:
    """Return the base instance's chain with one mixed GPU fewer."""
    return replace(
        chain,
        prefill_slots=chain.prefill_slots - 1,
        mixed_decode_slots=chain.mixed_decode_slots - 15,
        solo_decode_slots=chain.solo_decode_slots + 16,
    )


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda chain: replace(chain, gate=None), id="first come"),
        pytest.param(lambda chain: with_arrivals(chain, 1.001), id="arrivals"),
        pytest.param(floored, id="floor"),
        pytest.param(lambda chain: replace(chain, leaving=chain.leaving * 1.001), id="rates"),
    ],
)
def test_planted_faults_leave_the_table(fault) -> None:
    assert off_the_table(fault(chain_of("two-class", 500))) > 5


@pytest.mark.parametrize(
    ("gpus", "bundled"), [(5, 279.26), (20, 279.26), (50, 279.26), (200, 293.22), (500, 296.01)]
)
def test_the_floor_in_place_of_the_ceiling(gpus, bundled) -> None:
    """11.4, below the table: bundled revenue with M = floor(n x), no decode buffer."""
    found = figures(floored(chain_of("two-class", gpus)))
    assert found[3] == pytest.approx(bundled, abs=0.0051)
    assert found[6] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("gpus", "separate"), [(5, 288.33), (20, 296.62), (50, 298.28), (200, 298.56), (500, 298.50)]
)
def test_prioritize_and_route_earns_what_11_4_says(gpus, separate) -> None:
    chain = chain_of("two-class-separate", gpus, "prioritize-and-route")
    assert figures(chain, "two-class-separate")[4] == pytest.approx(separate, abs=0.0051)


def test_class_blind_decoding_splits_the_backlog_of_11_3() -> None:
    """Protects the shared buffer's draw by counts: served fraction C*/A, q_d,0 = q_d,1."""
    chain = chain_of("two-class-separate", HUGE, "prioritize-and-route")
    state = fluid_fixed_point(chain).state / HUGE
    assert state[:, Row.DECODE_QUEUE] == pytest.approx([0.22905154] * 2, abs=5e-8)
    assert figures(chain, "two-class-separate")[2] == pytest.approx(0.95418969, abs=1e-8)
    assert figures(chain, "two-class-separate")[4] == pytest.approx(298.58655675, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("two-class", "sli-aware"),
        ("two-class-separate", "sli-aware-general"),
        ("dolly-eight-class", "sli-aware"),
        ("azure-2023-conversation", "sli-aware"),
    ],
)
def test_split_buffers_rest_at_the_plan_class_by_class(name, policy) -> None:
    """Protects (U7)-(U11). Planted: a fair coin in place of p_s."""
    chain = chain_of(name, HUGE, policy)
    assert fluid_fixed_point(chain).state / HUGE == pytest.approx(chain.planned / HUGE, abs=1e-5)
    coin = replace(chain, solo_probability=np.full(len(chain.names), 0.5))
    assert fluid_fixed_point(coin).state / HUGE != pytest.approx(chain.planned / HUGE, abs=0.1)


def test_fixed_point_does_not_depend_on_the_step() -> None:
    for policy in ("gate-and-route", "sli-aware", "fcfs-route"):
        chain = chain_of("two-class", 500, policy)
        coarse = fluid_fixed_point(chain, step=10 * default_step(chain)).state
        np.testing.assert_allclose(coarse, fluid_fixed_point(chain).state, rtol=1e-7, atol=1e-7)


def test_a_queue_that_grows_for_ever_is_told() -> None:
    """Three times the load and a class that never leaves: the search gives up and says so."""
    chain = with_arrivals(chain_of("two-class", 50), 3.0)
    leaving = chain.leaving.copy()
    leaving[1, [Row.PREFILL_QUEUE, Row.DECODE_QUEUE, Row.SOLO_QUEUE]] = 0
    found = fluid_fixed_point(replace(chain, leaving=leaving), longest=50)
    assert not found.reached
    assert found.elapsed == pytest.approx(50 * 33.272)
    assert slowest_time_constant(chain) == pytest.approx(33.272)


def sliding(gate_of=lambda chain: chain.gate):
    """Return x_i / x_i* and q_p,i of a surge of 3 on a full cluster, and the chain."""
    chain = chain_of("two-class", 500)
    chain = with_arrivals(replace(chain, gate=gate_of(chain)), 3.0)
    start = chain.planned.copy()
    start[:, Row.PREFILL_QUEUE] = 5.0
    states = trajectory(chain, start, default_step(chain) * np.arange(5001))
    return states[:, :, Row.PREFILL] / chain.planned[:, Row.PREFILL], states[:, :, 0], chain


def unevenness(ratios) -> tuple[float, float]:
    """Return how far the ratios of the classes part, and how much they move, after one second."""
    settled = ratios[256:]
    return float(np.abs(settled[:, 0] - settled[:, 1]).max()), float(np.ptp(settled, axis=0).max())


def test_classes_that_queue_slide_level_and_do_not_chatter() -> None:
    """Protects the catching-up: with both classes waiting X_i / x_i is one constant, M / n x.

    Then q_i' = lambda_i - mu_i x_i - theta q_i exactly. Planted: two other gates.
    """
    ratios, queues, chain = sliding()
    assert max(unevenness(ratios)) < 1e-12
    level = 107 / (500 * 0.21321144633690)
    assert ratios[256:] == pytest.approx(level, rel=1e-12)
    x = level * chain.planned[:, Row.PREFILL]
    theta = chain.leaving[:, Row.PREFILL_QUEUE]
    rest = (chain.arrival - chain.leaving[:, Row.PREFILL] * x) / theta
    since = default_step(chain) * np.arange(len(queues) - 256)[:, None]
    exact = rest + (queues[256] - rest) * np.exp(-theta * since)
    np.testing.assert_allclose(queues[256:], exact, rtol=1e-3)
    flat = np.zeros(2)
    for gate in (None, GateIndex(flat, np.array([0.0, 1.0]), flat)):
        assert unevenness(sliding(lambda _, gate=gate: gate)[0])[0] > 0.05


def test_a_class_that_is_shut_out_is_never_admitted() -> None:
    """10.1(b). Planted: gates with no such class."""
    chain = chain_of("dolly-eight-class", 100)
    out = ~np.isfinite(chain.gate.offset)
    assert out.sum() == 1
    step = 10 * default_step(chain)
    for _, states in surge_and_drain(chain, step, count=2000):
        assert not states[:, out][:, :, 1:].any()
    flat = np.zeros(8)
    for gate in (None, GateIndex(flat, flat, flat)):
        assert surge_and_drain(replace(chain, gate=gate), step)[0][1][:, out, 1].any()
    nobody = GateIndex(flat, np.full(8, np.inf), flat)
    states = trajectory(replace(chain, gate=nobody), empty(chain), np.array([50.0]))
    assert not states[:, :, 1:].any()


def column(values):
    """Return `values` as a column of a state: no second compilation for another layout."""
    return np.column_stack([values, values])[:, 0]


def test_raise_lowest_meets_its_optimality_conditions() -> None:
    """Slots are used up, and no class that got something stands above one that could get more."""
    rng = np.random.default_rng(5)
    for _ in range(300):
        count = rng.integers(1, 9)
        index, pace = rng.integers(0, 4, (2, count)) / 2
        waiting = column(rng.integers(0, 3, count) * rng.random(count))
        free, taken = rng.choice([0.0, -1.0, 5 * rng.random()]), np.full(count, np.nan)
        total = raise_lowest(index, pace, waiting, free, taken)
        allowed = waiting[pace > 0].sum()
        assert total == pytest.approx(taken.sum(), abs=1e-15)
        assert total == pytest.approx(min(max(free, 0.0), allowed), abs=1e-14)
        assert np.all((taken >= 0) & (taken <= waiting * (pace > 0)))
        reached = index + np.divide(taken, pace, out=np.zeros(count), where=pace > 0)
        more = (pace > 0) & (taken < waiting - 1e-12)
        if (taken > 1e-12).any() and more.any():
            assert reached[taken > 1e-12].max() <= reached[more].min() + 1e-9


def test_strict_priority_and_its_ties() -> None:
    """6 slots: place 0 gets its 2; the tie at place 1 keeps the queues level: 5 - 3.5 = 2 - 0.5."""
    waiting, taken = column([5.0, 9.0, 2.0, 2.0]), np.empty(4)
    place = np.array([1, -1, 1, 0])
    fill_in_order(place, np.zeros(4), waiting, 6.0, taken)
    assert taken == pytest.approx([3.5, 0, 0.5, 2])
    fill_in_order(place, np.zeros(4), waiting, 60.0, taken)
    assert taken == pytest.approx([5, 0, 2, 2])
    fill_in_order(place, np.array([3.0, 0, 0, 0]), waiting, 3.0, taken)
    assert taken == pytest.approx([0.5, 0, 0.5, 2])


@pytest.mark.parametrize(
    ("weight", "free", "expected"),
    [
        ([0.75, 0.25, 0.0, 0.0], 2.0, [1.5, 0.5, 0, 0]),
        ([0.75, 0.25, 0.0, 0.0], 6.0, [3, 3, 0, 0]),
        ([0.75, 0.25, 0.0, 0.0], 10.0, [3, 4, 1, 2]),
        ([0.75, 0.25, 0.0, 0.0], 99.0, [3, 4, 2, 4]),
        ([0.0, 0.0, 0.0, 0.0], 6.5, [1.5, 2, 1, 2]),
        ([0.0, 0.0, 0.0, 0.0], -1.0, [0, 0, 0, 0]),
    ],
)
def test_weights_then_counts(weight, free, expected) -> None:
    """3, 4, 2, 4 wait: by weight up to what waits, the rest to zero weights by counts."""
    taken = np.empty(4)
    fill_by_weight(np.array(weight), column([3.0, 4.0, 2.0, 4.0]), free, taken)
    assert taken == pytest.approx(expected)


def test_bad_arguments_are_refused() -> None:
    chain, times = chain_of("two-class", 100), np.array([1.0])
    lost = empty(chain)
    lost[0, Row.SOLO_QUEUE] = 1
    mixed = GateIndex(np.array([1.0, 0.0]), np.zeros(2), np.zeros(2))
    for call in (
        lambda: trajectory(chain, empty(chain), times, step=1.0),
        lambda: trajectory(chain, empty(chain), times, step=0.0),
        lambda: trajectory(chain, empty(chain) - 1, times),
        lambda: trajectory(chain, np.zeros((2, 5)), times),
        lambda: trajectory(chain, lost, times),
        lambda: trajectory(chain, empty(chain), np.array([2.0, 1.0])),
        lambda: trajectory(chain, empty(chain), np.array([np.inf])),
        lambda: trajectory(replace(chain, gate=mixed), empty(chain), times),
    ):
        with pytest.raises(ValueError, match=r"must|has no requests"):
            call()
