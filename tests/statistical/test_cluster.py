"""The pooled chain as a whole: the blind SimPy oracle, the fluid model, the figures of THEORY."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from pooled_chains import DIGEST, chain_of, compiled, planned, rates_named
from statistical.attainment import DECODE, PREFILL, farthest
from statistical.checks import POWER, Check, difference_check, report
from statistical.test_queues import ARRIVAL, PATIENCE, SERVERS, SERVICE, one_class

import gnr
from gnr.simulation import Simulation
from gnr.validation.chain import Chain, Row
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.fluid import trajectory, with_arrivals
from gnr.validation.lanes import empty_cluster, fluid_point, lane_seeds, settled
from gnr.validation.measures import conservation_error
from gnr.validation.policies import POOLED
from gnr.validation.statistics import correlation, interval
from oracles import simpy_oracle
from oracles.queue_oracle import erlang_a

STATIONS = ("prefill_queue", "prefill", "decode_queue", "mixed_decode", "solo_decode")


# --- the blind oracle ----------------------------------------------------------------------------

ORACLE_WINDOW, ORACLE_WARMUP = 1500.0, 250.0


@cache
def oracle_means(policy: str, gpus: int, runs: int) -> dict[str, np.ndarray]:
    """Return the oracle's means per GPU, by station, shape ``(classes, runs)``."""
    plan, rates = planned("two-class", policy).plan(gpus), rates_named("two-class")
    cluster = simpy_oracle.PooledCluster(
        gpus=gpus,
        mixed_gpus=plan.mixed_gpus,
        batch_slots=int(rates.batch_slots),
        arrival=list(rates.arrival_rate),
        patience=list(rates.patience_rate),
        prefill=list(rates.prefill),
        mixed=list(rates.mixed_decode),
        solo=list(rates.solo_decode),
        prefill_target=[each.gate_target / gpus for each in plan.classes],
        queue_target=[each.queue_target / gpus for each in plan.classes],
        prefill_index=[each.prefill_index for each in plan.classes],
        solo_probability=[each.solo_probability for each in plan.classes],
        solo_weight=[each.solo_weight for each in plan.classes],
        mixed_weight=[each.mixed_weight for each in plan.classes],
    )
    found = [
        simpy_oracle.simulate(cluster, policy, ORACLE_WINDOW, ORACLE_WARMUP, seed)
        for seed in range(runs)
    ]
    return {
        station: np.array([run[station] for run in found]).T
        for station in (*STATIONS, "solo_completions", "mixed_completions")
    }


def chain_means(chain: Chain, lanes: int) -> dict[str, np.ndarray]:
    """Return the means of the engine under test over the same window, from an empty cluster."""
    start = np.repeat(empty_cluster(chain)[..., None], lanes, axis=-1)
    run = CompiledEngine([chain] * lanes, start, lane_seeds(DIGEST, chain.gpus, 9, lanes))
    run.advance(np.full(lanes, ORACLE_WARMUP))
    warm = run.snapshot()
    run.advance(np.full(lanes, ORACLE_WARMUP + ORACLE_WINDOW))
    seen = run.snapshot().since(warm)
    mean = seen.mean_state() / chain.gpus
    both = mean[:, Row.DECODE_QUEUE] + mean[:, Row.SOLO_QUEUE]
    rows = (mean[:, Row.PREFILL_QUEUE], mean[:, Row.PREFILL], both)
    return dict(
        zip(STATIONS, (*rows, mean[:, Row.MIXED_DECODE], mean[:, Row.SOLO_DECODE]), strict=True)
    )


def oracle_checks(policy: str, gpus: int, runs: int, chain: Chain) -> list[Check]:
    theirs, ours = oracle_means(policy, gpus, runs), chain_means(chain, 256)
    return [
        difference_check(f"{station} of {name}", ours[station][i], theirs[station][i])
        for station in STATIONS
        for i, name in enumerate(chain.names)
        if theirs[station][i].std() > 0
    ]


def test_gate_and_route_agrees_with_the_blind_oracle(
    tell: Callable[[str], None],
) -> None:
    """Written by another hand from THEORY alone, with requests in place of counts."""
    chain = chain_of("two-class", "gate-and-route", 5)
    faulty = replace(chain, prefill_slots=chain.prefill_slots + 1)
    checks = oracle_checks("gate-and-route", 5, 12, chain)
    planted = oracle_checks("gate-and-route", 5, 12, faulty)
    rows = [
        (each, "a prefill slot too many", other.estimate - each.estimate)
        for each, other in zip(checks, planted, strict=True)
    ]
    tell(report("SimPy, n = 5", rows))
    assert not [check for check in checks if check.alarmed]
    assert max(check.power(effect) for check, _, effect in rows) >= POWER
    assert any(check.alarmed for check in planted)


SLOTS = {
    "prefill_slots": Row.PREFILL,
    "mixed_decode_slots": Row.MIXED_DECODE,
    "solo_decode_slots": Row.SOLO_DECODE,
}


@pytest.mark.parametrize("field", ["none", *SLOTS])
def test_a_decode_slot_too_many_is_found_by_looking(field: str) -> None:
    """Capacities (P12)-(P14) are exact: one look at a full cluster shows a slot too many."""
    chain = chain_of("two-class", "gate-and-route", 20)
    more = {field: getattr(chain, field) + 1} if field in SLOTS else {}
    run = compiled(replace(chain, **more), 64)
    run.advance(np.full(64, 300.0))
    state = run.snapshot().state
    over = {
        name for name, row in SLOTS.items() if np.any(state[:, row].sum(0) > getattr(chain, name))
    }
    assert over == set(more)


@pytest.mark.long
@pytest.mark.parametrize("policy", [name for name in POOLED if name != "fcfs-route"])
@pytest.mark.parametrize("gpus", [5, 20])
def test_every_policy_agrees_with_the_blind_oracle(policy: str, gpus: int) -> None:
    """All but FG-SP, whose oracle keeps true arrival order before prefill (10.2)."""
    checks = oracle_checks(policy, gpus, 24, chain_of("two-class", policy, gpus))
    assert not [check for check in checks if check.alarmed]


# --- conservation --------------------------------------------------------------------------------


def run_losing(share: float) -> np.ndarray:
    """Return the conservation error of a run that loses a share of the finished prefills."""
    chain, lanes, random = chain_of("two-class", "gate-and-route", 200), 8, np.random.default_rng(1)
    run = compiled(chain, lanes)
    before = run.snapshot().state
    run.advance(np.full(lanes, 30.0))
    seen = run.snapshot()
    lost = random.binomial(seen.count[:, 2].astype(int), share)
    seen.state[:, Row.SOLO_DECODE] -= lost
    return conservation_error(before, seen)


def test_a_request_in_a_thousand_lost_is_found() -> None:
    """Conservation is exact, so a single lost request shows; the power is 1 - exp(-6) per lane."""
    assert not run_losing(0.0).any()
    assert run_losing(0.001).any()


# --- the fluid model -----------------------------------------------------------------------------

FOLLOWS = 0.02
"""Largest distance of chain and fluid at n = 10^4, as a share of the largest entry of the row."""

PHASES = ((30.0, 1.0), (20.0, 2.0), (40.0, 1.0), (40.0, 0.0))
"""Steady, surge, recovery, drain: seconds and factor of the arrivals."""


def distance(chain: Chain, believed: Chain) -> float:
    """Return the distance of the chain's mean course from the fluid's."""
    lanes = 32
    state = np.repeat(settled(chain, np.floor(0.5 * chain.planned))[..., None], lanes, axis=-1)
    fluid, farthest = state[..., 0].astype(float), 0.0
    scale = believed.planned.sum(axis=0).max()
    for phase, (seconds, factor) in enumerate(PHASES):
        times = np.linspace(0, seconds, 11)[1:]
        run = CompiledEngine(
            [with_arrivals(chain, factor)] * lanes, state, lane_seeds(DIGEST, phase, 3, lanes)
        )
        course = trajectory(with_arrivals(believed, factor), fluid, times)
        for at, expected in zip(times, course, strict=True):
            run.advance(np.full(lanes, at))
            mean = run.snapshot().state.mean(axis=-1)
            farthest = max(farthest, float(np.abs(mean - expected).max()) / scale)
        state, fluid = run.snapshot().state, course[-1]
    return farthest


@pytest.mark.parametrize(
    "policy",
    [pytest.param(name, marks=[pytest.mark.long] * (name != "gate-and-route")) for name in POOLED],
)
def test_transient_means_follow_the_fluid_model(policy: str) -> None:
    """At n = 10^4 through a surge and a drain, started at half the plan."""
    chain = chain_of("two-class", policy, 10_000)
    assert distance(chain, chain) < FOLLOWS


def test_following_the_fluid_notices_five_percent_in_a_rate() -> None:
    chain = chain_of("two-class", "gate-and-route", 10_000)
    leaving = chain.leaving.copy()
    leaving[:, Row.SOLO_DECODE] *= 1.05
    assert distance(replace(chain, leaving=leaving), chain) > FOLLOWS


# --- the figures of THEORY -----------------------------------------------------------------------


@cache
def simulated(policy: str, gpus: int, account: str, seed: int = 5) -> Simulation:
    two = gnr.load("two-class")
    return gnr.simulate(
        two, policy=policy, gpus=gpus, account=account, seed=seed, fidelity="pooled"
    )


PRINTED = {5: 0.1125, 20: 0.050, 50: 0.034, 200: 0.026, 500: 0.025}
"""Section 12 and 11.4: pooled gaps of gate-and-route, two digits."""


@pytest.mark.parametrize("gpus", [5, 20, 50])
def test_gap_is_near_the_figures_of_theory(gpus: int) -> None:
    gap = simulated("gate-and-route", gpus, "bundled").gap
    assert abs(gap.mean - PRINTED[gpus]) < 0.0015 + gap.half_width


@pytest.mark.long
@pytest.mark.parametrize("gpus", [200, 500])
def test_gap_is_near_the_figures_of_theory_at_larger_sizes(gpus: int) -> None:
    gap = simulated("gate-and-route", gpus, "bundled").gap
    assert abs(gap.mean - PRINTED[gpus]) < 0.0015 + gap.half_width


@pytest.mark.long
def test_prioritize_and_route_looks_converged_by_phase() -> None:
    """Below 1 % at 500 GPUs, bottom of the interval not negative by more than noise."""
    gap = simulated("prioritize-and-route", 500, "separate").gap
    assert gap.mean + gap.half_width < 0.01


@pytest.mark.parametrize("account", ["bundled", "separate"])
def test_lost_revenue_adds_up_to_rounding(account: str) -> None:
    """(D11) is an identity: replication by replication, under both accountings."""
    found = simulated("gate-and-route", 20, account)
    terms = sum(values for name, values in found.samples.items() if name.startswith("gap_"))
    lost = found.samples["gap"] * found.lp_revenue_rate
    assert np.abs(terms - lost).max() < 1e-10 * found.lp_revenue_rate
    noise = found.gap_terms["flow_errors"]
    assert abs(noise.mean) < 5 * noise.half_width


def test_two_starts_agree_after_the_default_warmup_and_not_without() -> None:
    """Planted fault: a warm-up that is too short must not pass."""
    assert simulated("gate-and-route", 20, "bundled").warmup_check.agree == "yes"
    hasty = gnr.simulate(
        gnr.load("two-class"),
        policy="gate-and-route",
        gpus=20,
        warmup=0.0,
        horizon=100.0,
        seed=2,
        fidelity="pooled",
    )
    assert hasty.warmup_check.agree == "no"


def test_precision_is_reached_or_reported_as_missing() -> None:
    two = gnr.load("two-class")
    options: dict[str, Any] = {"policy": "gate-and-route", "gpus": 20, "fidelity": "pooled"}
    options |= {"horizon": 300.0, "replications": 8}
    fine = gnr.simulate(two, precision=0.005, seed=3, **options)
    assert fine.precision is not None
    assert fine.precision.reached
    assert fine.replications == fine.precision.replications_needed > 8
    assert fine.revenue_rate.half_width <= 0.005 * fine.lp_revenue_rate
    short = gnr.simulate(two, precision=0.0005, most_replications=10, seed=3, **options)
    assert short.precision is not None
    assert not short.precision.reached


def test_policies_share_random_numbers_and_the_correlation_is_positive() -> None:
    """Common random numbers: pairing two policies by replication narrows their difference."""
    runs = [
        gnr.simulate(
            gnr.load("two-class"),
            policy=policy,
            gpus=50,
            seed=8,
            replications=64,
            horizon=400.0,
            fidelity="pooled",
        )
        for policy in ("gate-and-route", "fcfs-route")
    ]
    achieved = correlation(runs[0].samples["revenue_rate"], runs[1].samples["revenue_rate"])
    assert achieved > 0.3


# --- the split of the decodes (9.4, 9.5) ----------------------------------------------------------


def distances_from_plan(policy: str, gpus: int) -> tuple[float, float]:
    """Return how far prefill and decode occupancies are from the plan."""
    targets = planned("two-class", policy).classes
    found = gnr.simulate(
        gnr.load("two-class"),
        policy=policy,
        gpus=gpus,
        seed=6,
        replications=32,
        horizon=400.0,
        fidelity="pooled",
    )
    return farthest(found, targets, PREFILL), farthest(found, targets, DECODE)


@pytest.mark.long
@pytest.mark.parametrize(("gpus", "near"), [(2000, 0.01), (20_000, 0.005)])
def test_sli_aware_keeps_the_planned_split_and_gate_and_route_does_not(
    gpus: int, near: float
) -> None:
    """Same gate, same seeds: prefill is on target under both, decode under one of them."""
    prefill, decode = distances_from_plan("sli-aware", gpus)
    assert max(prefill, decode) < near
    _, elsewhere = distances_from_plan("gate-and-route", gpus)
    assert elsewhere > 5 * decode


# --- intervals -----------------------------------------------------------------------------------

EXPERIMENTS = 1000


@pytest.mark.long
def test_intervals_cover_the_known_mean_of_a_queue() -> None:
    """Coverage of t intervals on the simulator's own, autocorrelated and skewed, output.

    Known mean from Erlang-A. Of 1000 intervals of 8 replications, 95 % should cover; alarm below
    0.92, which has probability 3e-5 at 0.95, and is passed by a nominal 0.90 with 0.02.
    """
    patience, replications = PATIENCE["Erlang-A"], 8
    known = erlang_a(ARRIVAL, SERVICE, patience, SERVERS)["queue"]
    chain, lanes = one_class(patience), EXPERIMENTS * replications
    start = np.repeat(fluid_point(chain)[..., None], lanes, axis=-1)
    run = CompiledEngine([chain] * lanes, start, lane_seeds(DIGEST, 3, 4, lanes))
    run.advance(np.full(lanes, 50.0))
    warm = run.snapshot()
    run.advance(np.full(lanes, 250.0))
    means = run.snapshot().since(warm).mean_state()[0, Row.PREFILL_QUEUE]
    found = [interval(group) for group in means.reshape(EXPERIMENTS, replications)]
    coverage = np.mean([each.low <= known <= each.high
                        for each in found])  # fmt: skip
    print(f"coverage {coverage:.3f} of nominal 0.95")
    assert 0.92 <= coverage <= 0.98


def test_power_of_the_suite_is_the_stated_one() -> None:
    """A bias that is found with probability 0.99 by design is found 99 times in 100."""
    random = np.random.default_rng(4)
    error = 0.01
    shift = next(s for s in np.arange(4, 9, 0.01) if Check("", 0, 0, 1.0).power(s) >= POWER)
    alarms = [
        Check("", 1.0 + shift * error + error * noise, 1.0, error).alarmed
        for noise in random.standard_normal(20_000)
    ]
    assert abs(np.mean(alarms) - POWER) < 0.004
