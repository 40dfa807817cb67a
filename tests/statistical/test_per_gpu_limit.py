"""Large clusters under price-index in place against its exact limit; pooled against per GPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from per_gpu_clusters import DIGEST, THREE, TWO, Case, bundled, case, instance_of, optimum_for
from scipy import stats
from statistical.checks import POWER, difference_check

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.models.lost_revenue import explain_gap
from gnr.models.point import Point
from gnr.plan import Occupancy
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import Lanes, empty_cluster, lane_seeds
from gnr.validation.measures import Measures, measure
from gnr.validation.statistics import Verdict, equivalent, interval, same_mean
from oracles import one_gpu_oracle as oracle
from oracles.in_place_limit_oracle import saturated_closed_form, saturated_in_place

IN_PLACE = "price-index-in-place"
NEAR = 0.0005
"""Largest distance from the limit that counts as equal, as a share of R*."""


@dataclass(frozen=True)
class Saturated:
    """An instance with one marginal class, whose line is never empty."""

    instance: Instance
    printed: float
    """Gap as THEORY 12 prints it."""
    gpus: int
    lanes: int
    seconds: float


SATURATED = {
    "base": Saturated(TWO, 0.00130, gpus=2000, lanes=6, seconds=100.0),
    "P=3000,D=200": Saturated(
        instance_of([3000], [200], [4.0], [0.1]), 0.075, gpus=500, lanes=24, seconds=600.0
    ),
    "P=2560,D=150": Saturated(
        instance_of([2560], [150], [5.0], [0.1]), 0.101, gpus=500, lanes=24, seconds=1000.0
    ),
    "three-classes": Saturated(THREE, 0.0148, gpus=6000, lanes=6, seconds=100.0),
}
"""With one class the GPUs are independent and 500 are as good as any number; otherwise the
distance from the limit falls as 1/n."""

SETTLING = 150.0


def exact_limit(instance: Instance) -> float:
    """Return the gap of the exact limit."""
    return saturated_in_place(restated(instance)).gap


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


def gaps(cluster: Case, found: Measures) -> Floats:
    """Return the gap of each lane as a share of R*, less the noise whose mean is known.

    By (D11) gap = losses + flow errors. The flow errors are arrivals less their rate, completions
    less their clocks, and the change of the state over the window, weighted with multipliers. In
    equilibrium their mean is 0: a control variate. What is left is the occupancies' own noise.
    """
    solution = optimum_for(cluster.instance, IN_PLACE)
    optimum = float(solution.revenue_rate or 0.0)
    losses = []
    for lane, earned in enumerate(bundled(cluster.rates, found.throughput)):
        averages = {field: getattr(found, field)[:, lane] for field in Occupancy.model_fields}
        terms = explain_gap(solution, Point(**averages), float(earned))
        losses.append(1 - (earned + terms["flow_errors"]) / optimum)
    return np.array(losses)


def limit_verdict(name: str, **rules: Any) -> tuple[Verdict, str]:
    """Simulate under changed rules; return whether the gap is that of the limit, and a line."""
    which = SATURATED[name]
    cluster = case(which.instance, IN_PLACE, which.gpus).with_rules(**rules)
    records = cluster.window(which.lanes, SETTLING, which.seconds, seed=2)
    limit, found = exact_limit(which.instance), gaps(cluster, cluster.measured(records))
    seen = interval(found, 0.90)
    line = (
        f"\n  {name}, n = {which.gpus}: gap {seen.mean:.6f} ± {seen.half_width:.6f} (90 %), "
        f"limit {limit:.6f} ± {NEAR}; a gap on the limit passes with probability "
        f"{passing(found):.5f}, one {NEAR} off with 0.05"
    )
    return equivalent(found, limit, NEAR), line


def passing(found: Floats) -> float:
    """Return the probability that a mean on target is declared equivalent, at this noise."""
    degrees = len(found) - 1
    error = float(found.std(ddof=1)) / np.sqrt(len(found))
    margin = NEAR / error - stats.t.isf(0.05, degrees)
    return max(0.0, float(1 - 2 * stats.t.sf(margin, degrees)))


@pytest.mark.parametrize(
    "name",
    ["base", *(pytest.param(name, marks=pytest.mark.long) for name in list(SATURATED)[1:])],
)
def test_the_gap_of_price_index_in_place_is_that_of_its_limit(
    name: str, tell: Callable[[str], None]
) -> None:
    """R* - beta-hat s, with s from the chain of one GPU: within 0.05 % of R* at large n."""
    verdict, line = limit_verdict(name)
    tell(line)
    assert verdict is Verdict.YES


@pytest.mark.parametrize("name", SATURATED)
def test_the_limit_is_the_one_that_theory_prints(name: str) -> None:
    """To the digits printed in section 12."""
    which = SATURATED[name]
    assert exact_limit(which.instance) == pytest.approx(which.printed, abs=0.0005)


@pytest.mark.parametrize("name", ["P=3000,D=200", "P=2560,D=150"])
def test_the_oracle_agrees_with_its_product_form(name: str) -> None:
    """Two derivations of the same limit: elimination, and the birth-death chain of one class."""
    told = saturated_in_place(restated(SATURATED[name].instance))
    busy, beside, throughput = saturated_closed_form(restated(SATURATED[name].instance))
    found = (float(told.x[0]), float(told.y_m[0]), float(told.throughput[0]))
    assert found == pytest.approx((busy, beside, throughput), rel=1e-12)


def test_speeds_as_before_a_mode_switch_miss_the_limit(tell: Callable[[str], None]) -> None:
    """Planted fault: decodes beside a prefill stay fast."""
    rules = case(TWO, IN_PLACE, 1).rules
    verdict, line = limit_verdict("base", speeds=rules.speeds[[0, 0]])
    tell(line)
    assert verdict is Verdict.NO


# --- pooled against per GPU (10.1(d')) -----------------------------------------------------------

FIDELITY_LANES, FIDELITY_SETTLING = 32, 200.0
STATIONS = ("prefill", "mixed_decode", "solo_decode", "prefill_queue", "decode_queue")


CROWDED = instance_of([300, 3000], [1000, 400], [0.5, 0.7], [0.1, 0.1])


def crowded() -> Case:
    """Return a cluster with fewer mixed GPUs than its prefills need, and as few decode slots.

    9 of 40: prefill-heavy requests alone want 11, so that on average 70 of them wait, with a
    standard deviation of about 13, and no mixed GPU is ever without a prefill. Decodes fill both
    groups and wait in the buffer.
    """
    plan = optimum_for(CROWDED, "gate-and-route").plan(40)
    fewer = {"mixed_gpus": 9, "solo_gpus": 31}
    slots = {"mixed_decode_slots": 9 * 15, "solo_decode_slots": 31 * 16}
    return case(CROWDED, "gate-and-route", 40, plan=plan.model_copy(update=fewer | slots))


def at_both_fidelities(cluster: Case, seconds: float) -> tuple[Measures, Measures]:
    """Return the measures of the pooled chain and of the per-GPU cluster, on other seeds."""
    lanes, chain = FIDELITY_LANES, cluster.chain
    start = np.repeat(empty_cluster(chain)[..., None], lanes, axis=-1)
    run = CompiledEngine([chain] * lanes, start, lane_seeds(DIGEST, chain.gpus, 71, lanes))
    run.advance(np.full(lanes, FIDELITY_SETTLING))
    warm = run.snapshot()
    run.advance(np.full(lanes, FIDELITY_SETTLING + seconds))
    pooled: Lanes = run.snapshot().since(warm)
    single = cluster.window(lanes, FIDELITY_SETTLING, seconds, seed=72)
    return measure(pooled, cluster.rates, chain.gpus), cluster.measured(single)


ALIKE = {"prefill": 0.001, "prefill_queue": 0.05, "decode_queue": 0.05}
ALIKE |= {"mixed_decode": 0.05, "solo_decode": 0.08}
"""Largest difference that counts as none, requests per GPU (of 16 slots)."""


def test_pooled_and_per_gpu_agree_while_every_mixed_gpu_prefills(
    tell: Callable[[str], None],
) -> None:
    """A mixed GPU that always prefills is always slow: the accountings are then the same."""
    cluster = crowded()
    pooled, single = at_both_fidelities(cluster, 2500.0)
    assert single.prefill.sum(axis=0).min() > 9 / 40 - 1e-4
    lines, verdicts = [], []
    for station in STATIONS:
        for i, name in enumerate(cluster.chain.names):
            a, b = getattr(pooled, station)[i], getattr(single, station)[i]
            verdicts.append(same_mean(a, b, ALIKE[station]))
            error = np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / FIDELITY_LANES)
            lines.append(
                f"\n  {station} of {name}: pooled {a.mean():.4f}, per GPU {b.mean():.4f}, "
                f"difference {a.mean() - b.mean():+.4f} ± {1.67 * error:.4f}: {verdicts[-1].value}"
            )
    tell("".join(lines))
    assert set(verdicts) == {Verdict.YES}


def test_pooled_and_per_gpu_differ_where_mixed_gpus_idle(
    tell: Callable[[str], None],
) -> None:
    """M-s of THEORY 8: on the base instance at n = 20 the pooled chain loses about 1 % more."""
    cluster = case(TWO, "gate-and-route", 20)
    pooled, single = at_both_fidelities(cluster, 3000.0)
    optimum = float(optimum_for(TWO, "gate-and-route").revenue_rate or 0.0)
    gap = [1 - bundled(cluster.rates, each.throughput) / optimum for each in (pooled, single)]
    check = difference_check("gap", *gap)
    seen = [interval(each) for each in gap]
    half_width = stats.t.isf(0.025, check.degrees) * check.standard_error
    difference = check.estimate - check.expected
    tell(
        f"\n  gap at n = 20: pooled {seen[0].mean:.4%} ± {seen[0].half_width:.4%}, per GPU "
        f"{seen[1].mean:.4%} ± {seen[1].half_width:.4%}, difference {difference:.4%} ± "
        f"{half_width:.4%} (95 %), p {check.p_value:.2g}, power {check.power(0.01):.5f}"
    )
    assert check.alarmed
    assert check.power(0.01) >= POWER
    assert [each.mean for each in seen] == pytest.approx([0.050, 0.040], abs=0.0025)


PRINTED = {
    "gate-and-route": {5: 0.066, 20: 0.040, 50: 0.031, 200: 0.024},
    "price-index-in-place": {5: 0.031, 20: 0.011, 50: 0.0051, 200: 0.0021},
    "price-index-fill": {20: 0.012, 100: 0.001},
}
"""Section 12: per-GPU gaps on the base instance; the noise there is 0.3 % at n = 20."""
NOISE = {5: 0.002, 20: 0.003, 50: 0.001, 100: 0.001, 200: 0.001}


@pytest.mark.parametrize("policy", PRINTED)
def test_gaps_are_near_the_figures_of_theory(policy: str, tell: Callable[[str], None]) -> None:
    """Another program's figures, to the noise that they were printed with."""
    optimum = float(optimum_for(TWO, policy).revenue_rate or 0.0)
    for gpus, printed in PRINTED[policy].items():
        cluster = case(TWO, policy, gpus)
        found = cluster.measured(cluster.window(16, 200.0, 40_000.0 / gpus, seed=13))
        seen = interval(1 - bundled(cluster.rates, found.throughput) / optimum)
        tell(f"\n  {policy}, n = {gpus}: {seen.mean:.4f} ± {seen.half_width:.4f}, {printed}")
        assert abs(seen.mean - printed) < NOISE[gpus] + seen.half_width
