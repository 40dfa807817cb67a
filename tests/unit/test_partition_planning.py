"""The model of a partition under backpressure: cases that are exact, its bound, and its optimum."""

import numpy as np
import pytest
from scipy import optimize
from small_clusters import ONE, TWO, Classes, small_cluster

import gnr
from gnr.instance import Instance
from gnr.plan import Plan, with_mixed_gpus
from gnr.rates import rates_of
from gnr.validation.drawing_rule import drawn_instance
from gnr.validation.partition_model import predict
from gnr.validation.partition_planning import (
    best_limit,
    predicted_plans,
    revenue_bound,
    with_reserve,
)
from oracles.queue_oracle import erlang_a


def planned(instance: Instance, gpus: int, mixed_gpus: int) -> Plan:
    return with_mixed_gpus(gnr.solve(instance).plan(gpus), mixed_gpus, instance.gpu.batch_slots)


def as_fast_beside_a_prefill(classes: Classes) -> Instance:
    """Return the small cluster with kappa = 1: where a request decodes does not matter."""
    instance = small_cluster(classes)
    time = instance.gpu.iteration_time.model_copy(update={"decode_only": 1.0})
    return instance.model_copy(
        update={"gpu": instance.gpu.model_copy(update={"iteration_time": time})}
    )


def saturated(prefill: float, decode: float, patience: float, servers: int, slots: int) -> float:
    """Return the prefills per second of an endless line under backpressure, from all its states.

    State (m, f): m requests past prefill, f prefills in progress; all `servers` are busy as soon
    as nobody waits for a slot.
    """
    states = [(m, servers) for m in range(slots + 1)]
    states += [(slots + b, f) for f in range(servers) for b in range(1, servers - f + 1)]
    number = {state: k for k, state in enumerate(states)}
    rate = np.zeros((len(states), len(states)))
    for (m, f), k in number.items():
        after = (m + 1, servers if m + 1 <= slots else f - 1)
        rate[k, number.get(after, k)] += f * prefill
        freeing = decode * min(m, slots) + patience * max(m - slots, 0)
        before = (m - 1, servers if m - 1 <= slots else f)
        rate[k, number.get(before, k)] += freeing
    flow = rate - np.diag(rate.sum(axis=1))
    system = np.vstack([flow.T, np.ones(len(states))])
    law = np.linalg.lstsq(system, np.append(np.zeros(len(states)), 1.0), rcond=None)[0]
    return float(law @ [f * prefill for _, f in states])


@pytest.mark.parametrize(("gpus", "mixed_gpus"), [(2, 1), (4, 2), (6, 5)])
def test_an_endless_line_of_one_class_is_predicted_exactly(gpus: int, mixed_gpus: int) -> None:
    """Then the decode stage is all there is, and its chain has no approximation at kappa = 1."""
    instance = as_fast_beside_a_prefill({"only": (200.0, 5.0, 5000.0)})
    rates = rates_of(instance)
    slots = 3 * mixed_gpus + 4 * (gpus - mixed_gpus)
    expected = saturated(
        float(rates.prefill[0]), float(rates.solo_decode[0]), 0.5, mixed_gpus, slots
    )
    found = predict(rates, planned(instance, gpus, mixed_gpus))
    assert float(found.prefills.sum()) == pytest.approx(expected, rel=1e-3)
    assert 0 < found.closed < 1


@pytest.mark.parametrize("mixed_gpus", [1, 2, 4])
def test_without_decode_load_the_prefill_stage_is_erlang_a(mixed_gpus: int) -> None:
    """Prompts of 2 s, outputs of one token: slots are never full, the gate never closes."""
    instance = small_cluster({"only": (200.0, 1.0, 0.3)})
    found = predict(rates_of(instance), planned(instance, 8, mixed_gpus))
    queue = erlang_a(8 * 0.3, 0.5, 0.5, mixed_gpus)
    assert found.closed == pytest.approx(0, abs=1e-6)
    assert float(found.prefills.sum()) == pytest.approx(0.5 * queue["busy"], rel=1e-4)


def linear_program(instance: Instance, mixed_share: float) -> float:
    """Return the best revenue on a partition from occupancies, restated for `linprog`."""
    rates = rates_of(instance)
    count, slots = rates.classes, float(rates.batch_slots)
    zero, one = np.zeros(count), np.ones(count)
    capacity = [
        (np.concatenate([one, zero, zero]), mixed_share),
        (np.concatenate([-(slots - 1) * one, one, zero]), 0.0),
        (
            np.concatenate([(slots - 1) * one, zero, one]),
            slots * (1 - mixed_share) + (slots - 1) * mixed_share,
        ),
    ]
    for i in range(count):
        unit = np.eye(count)[i]
        row = [-rates.prefill[i] * unit, rates.mixed_decode[i] * unit, rates.solo_decode[i] * unit]
        capacity.append((np.concatenate(row), 0.0))
    worth = [zero, rates.reward * rates.mixed_decode, rates.reward * rates.solo_decode]
    found = optimize.linprog(
        -np.concatenate(worth),
        A_ub=[row for row, _ in capacity],
        b_ub=[room for _, room in capacity],
        bounds=[(0, most) for most in rates.full_prefill] + [(0, None)] * (2 * count),
    )
    return -float(found.fun)


@pytest.mark.parametrize("number", range(6))
def test_the_bound_of_a_group_size_is_the_linear_program_of_the_partition(number: int) -> None:
    instance = drawn_instance(5, number)
    for share in (0.05, 0.3, 0.6, 1.0):
        bound = revenue_bound(rates_of(instance), share)
        assert bound == pytest.approx(linear_program(instance, share), rel=1e-6)


def test_at_the_planned_share_the_bound_is_the_optimum_and_it_is_concave() -> None:
    solution = gnr.solve(gnr.load("two-class"))
    rates, share = rates_of(solution.instance), sum(each.prefill for each in solution.classes)
    assert revenue_bound(rates, share) == pytest.approx(solution.revenue_rate, rel=1e-9)
    values = np.array([revenue_bound(rates, m) for m in np.linspace(0, 1, 41)])
    assert np.all(np.diff(values, 2) <= 1e-6 * values.max())


@pytest.mark.parametrize(("number", "gpus"), [(0, 3), (1, 7), (2, 12)])
def test_no_group_size_is_predicted_to_earn_more_than_the_one_found(number: int, gpus: int) -> None:
    """Branch and bound against every size."""
    solution = gnr.solve(drawn_instance(5, number))
    rates, plan = rates_of(solution.instance), solution.plan(gpus)
    found = predicted_plans(rates, plan)
    every = [best_limit(rates, plan, size).revenue_rate for size in range(1, gpus + 1)]
    assert found[0].revenue_rate == max(every)
    assert found[0].plan.mixed_gpus == 1 + int(np.argmax(every))
    assert all(each.revenue_rate <= each.bound for each in found)


def test_a_large_cluster_comes_to_the_optimum() -> None:
    """At 2000 GPUs the group is the planned share and a little, the loss below 0.1 %."""
    solution = gnr.solve(gnr.load("two-class"))
    share = sum(each.prefill for each in solution.classes)
    best = predicted_plans(rates_of(solution.instance), solution.plan(2000))[0]
    assert 0 < best.plan.mixed_gpus - 2000 * share < 5 * np.sqrt(2000 * share)
    assert 0 < 1 - best.revenue_rate / solution.revenue_rate < 1e-3


def test_a_reserve_limits_the_last_rank_alone() -> None:
    plan = gnr.solve(small_cluster(TWO)).plan(4)
    ranks = [each.rank for each in plan.classes]
    reserved = with_reserve(plan, 3, 1, 4)
    last = max(rank for rank in ranks if rank is not None)
    assert [each.prefill_limit for each in reserved.classes] == [
        2 if rank == last else None for rank in ranks
    ]
    assert [each.prefill_limit for each in with_reserve(reserved, 2, 0, 4).classes] == [None, None]


def test_a_group_of_nobody_earns_nothing() -> None:
    instance = small_cluster(ONE)
    assert predict(rates_of(instance), planned(instance, 3, 0)).revenue_rate == 0
    assert revenue_bound(rates_of(instance), 0.0) == pytest.approx(0, abs=1e-9)
