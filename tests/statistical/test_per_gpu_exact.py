"""The per-GPU cluster against exact chains of one and two GPUs, and clock by clock at any size.

The chains are solved, not simulated, by another hand from THEORY alone. The planted faults are
tampered rules: rates 3 % off, a mode switch that leaves the speed as it was, a decode slot too
many beside the prefill.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from per_gpu_clusters import Case, bundled, case, instance_of
from statistical.checks import POWER, Check, clock_check, mean_check, report

from gnr.instance import Instance
from gnr.validation.chain import Flow, Row
from gnr.validation.per_gpu.layout import row_of_gpu
from oracles import one_gpu_oracle as oracle

LANES, WARMUP = 64, 500.0
SECONDS = {1: 12_000.0, 2: 50_000.0}
"""Window by the number of classes."""
FAULTY_SECONDS = 6000.0
BIAS, RARE_BIAS = 0.03, 0.10
"""Bias that is found in flows, and in the rarer events of waiting."""

ONE_CLASS = {
    "overloaded, B = 4": instance_of([3000], [200], [1.0], [0.1], slots=4),
    "light, B = 2": instance_of([3000], [200], [0.4], [0.1], slots=2),
}
TWO_CLASSES = {
    "unequal rates, B = 3": instance_of([300, 3000], [1000, 400], [0.05, 0.3], [0.1, 0.1], slots=3),
    "unequal patience, B = 4": instance_of(
        [300, 3000], [1000, 400], [0.1, 0.1], [0.1, 0.3], slots=4
    ),
}
PAIRS = {
    "overloaded, B = 3": instance_of([3000], [200], [1.0], [0.1], slots=3),
    "light, B = 3": instance_of([3000], [200], [0.4], [0.1], slots=3),
    "B = 2": instance_of([3000], [200], [0.4], [0.1], slots=2),
}
"""Every plan of these has one mixed GPU of two."""

EXACT = {
    **{("price-index-in-place", 1, name): each for name, each in ONE_CLASS.items()},
    **{("fcfs-immediate", 1, name): each for name, each in ONE_CLASS.items()},
    **{("price-index-in-place", 1, name): each for name, each in TWO_CLASSES.items()},
    **{("gate-and-route", 2, name): each for name, each in PAIRS.items()},
}


def restated(instance: Instance) -> oracle.Instance:
    """Return the instance in the oracle's words."""
    each = instance.classes
    return oracle.Instance(
        P=tuple(one.prompt_tokens for one in each),
        D=tuple(one.output_tokens for one in each),
        lam=tuple(one.arrival_rate for one in each),
        theta=tuple(one.patience_rate for one in each),
        B=instance.gpu.batch_slots,
    )


@cache
def exact(policy: str, gpus: int, name: str) -> oracle.Result:
    """Return the stationary averages of the exact chain."""
    restatement = restated(EXACT[policy, gpus, name])
    if policy == "gate-and-route":
        return oracle.gate_and_route(restatement, gpus)
    ranks = [one.rank for one in planned(policy, gpus, name).plan.classes]
    known = sorted((rank, i) for i, rank in enumerate(ranks) if rank is not None)
    return oracle.one_gpu(restatement, ranking=[i for _, i in known])


@cache
def planned(policy: str, gpus: int, name: str) -> Case:
    """Return the cluster under test."""
    return case(EXACT[policy, gpus, name], policy, gpus)


def exact_checks(
    policy: str, gpus: int, name: str, rules: Mapping[str, Any], seconds: float
) -> list[Check]:
    """Simulate under changed rules and check every average against the exact chain."""
    cluster, known = planned(policy, gpus, name), exact(policy, gpus, name)
    records = cluster.with_rules(**rules).window(LANES, WARMUP, seconds, seed=3)
    found = cluster.measured(records)
    expected = {
        "prefill": known.x,
        "mixed_decode": known.y_m,
        "solo_decode": known.y_s,
        "prefill_queue": known.q_p,
        "decode_queue": known.q_d,
        "throughput": known.throughput,
    }
    samples = {field: getattr(found, field) for field in expected}
    samples["left"] = found.abandoned_prefill + found.abandoned_decode
    expected["left"] = known.abandoned
    checks = [
        mean_check(f"{field} of {i}", values[i], float(expected[field][i]))
        for field, values in samples.items()
        for i in range(len(known.x))
        if np.ptp(values[i]) > 0 or expected[field][i] > 0
    ]
    revenue = bundled(cluster.rates, found.throughput)
    return [*checks, mean_check("revenue", revenue, known.revenue)]


@pytest.mark.parametrize(("policy", "gpus", "name"), EXACT)
def test_averages_are_those_of_the_exact_chain(
    policy: str, gpus: int, name: str, tell: Callable[[str], None]
) -> None:
    """Every occupancy, flow and the revenue of one GPU, and of two under gate-and-route."""
    assert planned(policy, gpus, name).plan.mixed_gpus == 1
    seconds = SECONDS[len(EXACT[policy, gpus, name].classes)]
    checks = exact_checks(policy, gpus, name, {}, seconds)
    rows = [(check, "3 %", BIAS * check.expected) for check in checks]
    tell(report(f"exact, {policy}, n = {gpus}, {name}", rows))
    assert not [check for check in checks if check.alarmed]
    throughput = [check for check in checks if check.name.startswith(("throughput", "revenue"))]
    for check in throughput:
        assert check.power(BIAS * check.expected) >= POWER, check.name


def faults(cluster: Case) -> dict[str, dict[str, Any]]:
    """Return tampered rules by what is wrong with them."""
    rules = cluster.rules
    solo, mixed = rules.speeds
    slots = rules.slots + 1
    finish, holders = row_of_gpu(len(rules.patience), slots)
    return {
        "prefill 3 % slow": {"prefill_time": (1 + BIAS) * rules.prefill_time},
        "solo decode 3 % fast": {"speeds": np.array([(1 + BIAS) * solo, mixed])},
        "mixed decode 3 % fast": {"speeds": np.array([solo, (1 + BIAS) * mixed])},
        "patience 10 % short": {"patience": (1 + RARE_BIAS) * rules.patience},
        "speeds as before a mode switch": {"speeds": np.array([solo, solo])},
        "B decodes beside a prefill": {
            "slots": slots,
            "finish": finish,
            "holders": holders,
            "decode_slots": np.minimum(rules.decode_slots + 1, slots),
        },
    }


SEEN_BY_CHAINS = (
    "solo decode 3 % fast",
    "speeds as before a mode switch",
    "B decodes beside a prefill",
)
CHAINS = (
    ("price-index-in-place", 1, "overloaded, B = 4"),
    ("gate-and-route", 2, "overloaded, B = 3"),
)


@pytest.mark.parametrize("fault", SEEN_BY_CHAINS)
@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: chain[0])
def test_a_planted_fault_is_found_by_the_exact_chain(
    chain: tuple[str, int, str], fault: str, tell: Callable[[str], None]
) -> None:
    checks = exact_checks(*chain, faults(planned(*chain))[fault], FAULTY_SECONDS)
    shift = max(
        checks, key=lambda check: abs(check.estimate - check.expected) / check.standard_error
    )
    effect = shift.estimate - shift.expected
    tell(report(f"{fault}, {chain[0]}", [(shift, "it", effect)]))
    assert shift.alarmed
    assert shift.power(shift.estimate - shift.expected) >= POWER


# --- every clock, any size, no equilibrium needed ------------------------------------------------

BRISK = instance_of([300, 1000], [60, 30], [3.5, 3.5], [0.5, 0.5], slots=8)
"""Short decodes and an overload: every clock rings often, those of the two queues too."""
CLOCK_GPUS, CLOCK_LANES, CLOCK_SECONDS = 10, 64, 600.0
CLOCKED = ("gate-and-route", "price-index-fill")


def clock_checks(policy: str, fault: str = "none") -> list[Check]:
    """Check the clocks of a cluster with exponential lengths against the rates of the instance.

    A decode takes its tokens at two speeds in turn; an exponential number of tokens makes the
    completions in each mode ring at that mode's rate, whatever happened before.
    """
    cluster = case(BRISK, policy, CLOCK_GPUS)
    rules = {} if fault == "none" else faults(cluster)[fault]
    seen = cluster.with_rules(**rules).window(CLOCK_LANES, 0.0, CLOCK_SECONDS, planned=True)
    chain = cluster.chain
    clocks = [
        (f"{row.name.lower()} of {name}", seen.count[i, row + 1], seen.integral[i, row], rate)
        for row in Row
        for i, name in enumerate(chain.names)
        for rate in [float(chain.leaving[i, row])]
    ]
    clocks += [
        (f"arrivals of {name}", seen.count[i, Flow.ARRIVALS], seen.clock, float(chain.arrival[i]))
        for i, name in enumerate(chain.names)
    ]
    return [clock_check(*clock) for clock in clocks if clock[2].any()]


def bias(check: Check) -> float:
    """Return the bias that a clock must notice: abandonment is rarer than service."""
    return RARE_BIAS if "queue" in check.name else BIAS


@pytest.mark.parametrize("policy", CLOCKED)
def test_clocks_ring_at_their_rates(policy: str, tell: Callable[[str], None]) -> None:
    """Completions in each mode, prefills, arrivals and both ways of leaving."""
    checks = clock_checks(policy)
    rows = [(check, f"{bias(check):.0%}", bias(check) * check.expected) for check in checks]
    tell(report(f"per-GPU clocks, {policy}", rows))
    assert not [check for check in checks if check.alarmed]
    for check in checks:
        assert check.power(bias(check) * check.expected) >= POWER, check.name


@pytest.mark.parametrize(
    ("fault", "rings"),
    {
        "prefill 3 % slow": "prefill of",
        "solo decode 3 % fast": "solo_decode of",
        "mixed decode 3 % fast": "mixed_decode of",
        "speeds as before a mode switch": "mixed_decode of",
    }.items(),
)
def test_a_planted_fault_is_found_by_its_own_clock(fault: str, rings: str) -> None:
    """And by no other: the clock names the fault."""
    alarmed = [check.name for check in clock_checks("gate-and-route", fault) if check.alarmed]
    assert len(alarmed) == len(BRISK.classes)
    assert all(name.startswith(rings) for name in alarmed)


def test_a_patience_ten_percent_short_is_found() -> None:
    alarmed = {c.name for c in clock_checks("gate-and-route", "patience 10 % short") if c.alarmed}
    assert alarmed
    assert all(name.split()[0] in ("prefill_queue", "decode_queue") for name in alarmed)
