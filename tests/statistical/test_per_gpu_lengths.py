"""Lengths that are not exponential: exact queues with general service times.

With slots for everybody, decodes alone on their GPUs are M/G/infinity and prefills are M/G/c, FCFS
or by priority. All of it from the textbooks, none of it from the simulator.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from per_gpu_clusters import Case, case, instance_of, optimum_for
from scipy import stats
from statistical.checks import LEVEL, POWER, Check, mean_check, report

from gnr.arrays import Floats
from gnr.validation.chain import Row
from gnr.validation.per_gpu import layout as at
from oracles import general_lengths_oracle as queues

LISTED = "class,prompt_tokens,output_tokens\nclass-0,100,20\nclass-0,120,30\nclass-0,900,400\n"
"""Long prompts go with long outputs; the simulator scales both to the instance's means."""


def law_named(law: str, folder: Path) -> str:
    """Return the law as on the command line; `listed` is written to a file first."""
    if law != "listed":
        return law
    path = folder / "lengths.csv"
    path.write_text(LISTED)
    return str(path)


# --- M/G/infinity: decodes with slots for all ----------------------------------------------------

SPARSE = instance_of([300], [100], [1.0], [0.1])
SPARSE_GPUS, SPARSE_LANES, SPARSE_WARMUP = 20, 256, 120.0
LOOKS = np.arange(1, 25) * 10.0
"""Times after the warm-up at which the decodes are counted, s."""


def sparse(law: str) -> Case:
    """Return 10 mixed and 10 solo GPUs: 0.8 prefills and 44 decodes at a time, on solo GPUs."""
    plan = optimum_for(SPARSE, "gate-and-route").plan(SPARSE_GPUS)
    groups = {"mixed_gpus": 10, "solo_gpus": 10}
    slots = {"mixed_decode_slots": 150, "solo_decode_slots": 160}
    plan = plan.model_copy(update=groups | slots)
    return case(SPARSE, "gate-and-route", SPARSE_GPUS, law, plan)


def infinite_server_checks(cluster: Case) -> list[Check]:
    """Check mean and variance of the decodes, and the mean of the prefills."""
    run = cluster.lanes(SPARSE_LANES, seed=4)
    run.advance(np.full(SPARSE_LANES, SPARSE_WARMUP))
    warm, counts = run.snapshot(), []
    for look in LOOKS:
        run.advance(np.full(SPARSE_LANES, SPARSE_WARMUP + look))
        counts.append(run.snapshot().state[0, Row.SOLO_DECODE])
    mean = run.snapshot().since(warm).mean_state()[0]
    arrivals, gpu = SPARSE_GPUS * SPARSE.classes[0].arrival_rate, SPARSE.gpu.iteration_time
    decodes = arrivals * SPARSE.classes[0].output_tokens * gpu.decode_only
    iterations = SPARSE.classes[0].prompt_tokens / SPARSE.gpu.chunk_tokens
    prefills = arrivals * iterations * (gpu.base + gpu.per_chunk_token * SPARSE.gpu.chunk_tokens)
    spread = ((np.array(counts) - decodes) ** 2).mean(axis=0)
    return [
        mean_check("decodes, mean", mean[Row.SOLO_DECODE], decodes),
        mean_check("decodes, variance", spread, decodes),
        mean_check("prefills, mean", mean[Row.PREFILL], prefills),
    ]


LAWS = ("deterministic", "lognormal:0.5", "lognormal:1.5", "listed")


@pytest.mark.parametrize("law", LAWS)
def test_decodes_with_slots_for_all_are_poisson_whatever_the_law(
    law: str, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """M/G/infinity: the mean is the load and so is the variance."""
    checks = infinite_server_checks(sparse(law_named(law, tmp_path)))
    effects = {"decodes, variance": 0.15}
    rows = [(c, f"{e:.0%}", e * c.expected) for c in checks for e in [effects.get(c.name, 0.03)]]
    tell(report(f"M/G/infinity, {law}", rows))
    assert not [check for check in checks if check.alarmed]
    for check, _, effect in rows:
        assert check.power(effect) >= POWER, check.name


def test_a_speed_three_percent_off_is_found() -> None:
    cluster = sparse("deterministic")
    faulty = cluster.with_rules(speeds=1.03 * cluster.rules.speeds)
    alarmed = [check.name for check in infinite_server_checks(faulty) if check.alarmed]
    assert "decodes, mean" in alarmed
    assert "prefills, mean" not in alarmed


# --- M/G/c: prefills with slots for all ----------------------------------------------------------

PROMPT, LOAD, WAIT_LANES, WAIT_WARMUP, WAIT_SECONDS = 3000.0, 0.6, 64, 500.0, 10_000.0
SERVICE = PROMPT / 256 * 0.033272
"""Mean prefill time, s: P tau / C."""
VARIATION = {"deterministic": 0.0, "exponential": 1.0, "lognormal:0.5": 0.5, "lognormal:1.5": 1.5}


def prefilling(law: str, gpus: int) -> Case:
    """Return GPUs with slots for everybody and no patience lost: a line before the prefills."""
    instance = instance_of([PROMPT], [10.0], [LOAD / SERVICE], [0.0], slots=512)
    return case(instance, "fcfs-immediate", gpus, law)


def waits(cluster: Case) -> Floats:
    """Return the mean wait for prefill, s, shape ``(classes, lanes)``."""
    seconds = WAIT_SECONDS / cluster.chain.gpus
    sums = cluster.window(WAIT_LANES, WAIT_WARMUP, seconds, seed=5).sums
    return np.asarray(sums[:, at.WAIT_PREFILL] / sums[:, at.STARTS])


@pytest.mark.parametrize("law", VARIATION)
def test_one_gpu_waits_as_pollaczek_and_khinchine_say(
    law: str, tell: Callable[[str], None]
) -> None:
    """M/G/1; rare long prompts make the mean wait of the widest law the hardest to know."""
    second = queues.second_moment(SERVICE, VARIATION[law])
    known = queues.mg1_wait(LOAD / SERVICE, SERVICE, second)
    check = mean_check("wait", waits(prefilling(law, 1))[0], known)
    bias = (0.2 if VARIATION[law] > 1 else 0.1) * known
    tell(report(f"M/G/1, {law}", [(check, f"{bias / known:.0%}", bias)]))
    assert not check.alarmed
    assert check.power(bias) >= POWER


def planted(law: str) -> dict[str, Any]:
    """Return rules under which lengths are drawn from a law that is nearly the right one."""
    rules = prefilling(law, 1).rules
    if law == "deterministic":
        return {"law": np.full_like(rules.law, at.EXPONENTIAL)}
    return {"spread": 1.1 * rules.spread}


@pytest.mark.parametrize("law", ["deterministic", "lognormal:1.5"])
def test_a_wrong_law_of_lengths_is_found(law: str) -> None:
    """Exponential in the place of fixed lengths; a spread of the logarithm 10 % too wide."""
    second = queues.second_moment(SERVICE, VARIATION[law])
    known = queues.mg1_wait(LOAD / SERVICE, SERVICE, second)
    found = waits(prefilling(law, 1).with_rules(**planted(law)))[0]
    assert mean_check("wait", found, known).alarmed


EXACT = {"deterministic": queues.mdc_wait, "exponential": queues.mmc_wait}


@pytest.mark.parametrize("law", EXACT)
@pytest.mark.parametrize("gpus", [2, 3])
def test_some_gpus_wait_as_crommelin_and_erlang_say(
    law: str, gpus: int, tell: Callable[[str], None]
) -> None:
    """M/D/c and M/M/c: one line before c GPUs, first come, first served."""
    known = EXACT[law](gpus * LOAD / SERVICE, SERVICE, gpus)
    check = mean_check("wait", waits(prefilling(law, gpus))[0], known)
    tell(report(f"M/G/{gpus}, {law}", [(check, "10 %", 0.1 * known)]))
    assert not check.alarmed
    assert check.power(0.1 * known) >= POWER


@pytest.mark.parametrize("gpus", [2, 3])
def test_some_gpus_wait_within_the_proven_bounds(gpus: int, tell: Callable[[str], None]) -> None:
    """M/G/c with lognormal lengths: between Brumelle's bound and a static assignment's."""
    second = queues.second_moment(SERVICE, VARIATION["lognormal:1.5"])
    arrivals = gpus * LOAD / SERVICE
    low = queues.mgc_wait_lower(arrivals, SERVICE, second, gpus)
    high = queues.mgc_wait_upper(arrivals, SERVICE, second, gpus)
    check = mean_check("wait", waits(prefilling("lognormal:1.5", gpus))[0], low)
    slack = stats.t.isf(LEVEL / 2, check.degrees) * check.standard_error
    tell(f"\n  M/G/{gpus}: {low:.4f} < {check.estimate:.4f} ± {slack:.4f} < {high:.4f}")
    assert low < check.estimate + slack
    assert check.estimate - slack < high


RANKED = instance_of([3000, 1000], [10, 10], [0.9, 2.0], [0.0, 0.0], slots=512)


@pytest.mark.parametrize("law", ["deterministic", "exponential", "lognormal:0.5"])
def test_ranked_classes_wait_as_cobham_says(law: str, tell: Callable[[str], None]) -> None:
    """M/G/1 with priorities, no pre-emption: the line that price-index keeps before one GPU."""
    cluster = case(RANKED, "price-index-in-place", 1, law)
    ranks = [one.rank or 0 for one in cluster.plan.classes]
    assert sorted(ranks) == [1, 2]
    order = np.argsort(ranks)
    service = np.array([each.prompt_tokens for each in RANKED.classes]) / 256 * 0.033272
    known = queues.mg1_priority_waits(
        [RANKED.classes[i].arrival_rate for i in order],
        list(service[order]),
        [queues.second_moment(float(service[i]), VARIATION[law]) for i in order],
    )
    found = waits(cluster)
    checks = [mean_check(f"wait of rank {k + 1}", found[i], known[k]) for k, i in enumerate(order)]
    tell(report(f"Cobham, {law}", [(check, "10 %", 0.1 * check.expected) for check in checks]))
    assert not [check for check in checks if check.alarmed]
    for check in checks:
        assert check.power(0.1 * check.expected) >= POWER, check.name


def test_the_second_class_served_first_is_found() -> None:
    """Planted fault: the ranking upside down."""
    cluster = case(RANKED, "price-index-in-place", 1, "deterministic")
    upside_down = cluster.with_rules(offset=-cluster.rules.offset)
    right, wrong = waits(cluster), waits(upside_down)
    first = int(np.argmin([one.rank or 0 for one in cluster.plan.classes]))
    assert mean_check("wait", wrong[first], float(right[first].mean())).alarmed
