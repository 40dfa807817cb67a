"""Speed of the pooled chain, as ratios side by side (DESIGN section 5). Run by `make benchmark`.

The programs that mark the limit are not part of this repository: name their folder in GNR_LIMITS.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.side_by_side import keep
from pooled_chains import DIGEST, chain_of, lanes_from_plan

import gnr
from gnr.plan import Plan
from gnr.rates import rates_of
from gnr.reading import load
from gnr.validation.array_engine import ArrayEngine
from gnr.validation.chain import Chain, compile_chain
from gnr.validation.compiled_engine import CompiledEngine
from gnr.validation.lanes import lane_seeds
from gnr.validation.policies import POOLED
from gnr.validation.power_law import EXPONENTS

LIMITS = os.environ.get("GNR_LIMITS")
needs_limits = pytest.mark.skipif(not LIMITS, reason="GNR_LIMITS names no folder")
GPUS, LANES = 1000, 64
TURNS = 11


def limit_chain(gpus: int) -> Chain:
    """Return the chain of the programs that mark the limit: params.py, with 36 % mixed GPUs."""
    instance = load(
        "two-class",
        [
            "gpu.iteration_time.decode_only=0.0089",
            "classes.0.arrival_rate=0.8",
            "classes.1.arrival_rate=0.8",
        ],
    )
    plan = gnr.solve(instance).plan(gpus)
    mixed = int(np.ceil(0.36 * gpus))
    load_share = rates_of(instance).full_prefill
    target = load_share / load_share.sum() * mixed
    plan = Plan.model_validate(
        plan.model_dump()
        | {
            "mixed_gpus": mixed,
            "mixed_decode_slots": 15 * mixed,
            "solo_decode_slots": 16 * (gpus - mixed),
            "classes": [
                each.model_dump() | {"gate_target": goal, "queue_target": 0.0, "admitted": True}
                for each, goal in zip(plan.classes, target, strict=True)
            ],
        }
    )
    network = gnr.build_network(rates_of(instance), [each.name for each in instance.classes])
    chain = compile_chain(network, plan, POOLED["gate-and-route"])
    planned = np.zeros_like(chain.planned)
    planned[:, 1] = gpus * load_share
    planned[:, 4] = 0.98 * gpus * rates_of(instance).arrival_rate / chain.leaving[:, 4]
    return replace(chain, planned=planned)


@cache
def c_program() -> str:
    """Return the command of the C program, compiled as its head line says."""
    built = Path("build") / "gillespie_simd"
    built.parent.mkdir(exist_ok=True)
    source = Path(str(LIMITS)) / "gillespie_simd.c"
    flags = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512", "-fopenmp-simd"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(built), "-lmvec", "-lm"], check=True)
    return str(built)


def speed_of(command: list[str]) -> float:
    """Return the events per second that a program of the limits folder reports."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout)["ev_per_s"])


def c_speed() -> float:
    return speed_of([c_program(), str(GPUS), "400000"])


def compiled_speed(chain: Chain, lanes: int = LANES, threads: int = 1) -> Callable[[], float]:
    """Return a job that simulates a while and tells its events per second."""
    seeds = lane_seeds(DIGEST, chain.gpus, 1, lanes)
    run = CompiledEngine([chain] * lanes, lanes_from_plan(chain, lanes), seeds, threads)
    run.advance(np.full(lanes, 1.0))
    seconds = 2.5e7 / lanes / (3 * float(chain.arrival.sum()))

    def job() -> float:
        before = run.snapshot()
        started = time.perf_counter()
        run.advance(before.clock + seconds)
        wall = time.perf_counter() - started
        return float((run.snapshot().events - before.events).sum()) / wall

    return job


def in_turns(**jobs: Callable[[], float]) -> dict[str, list[float]]:
    """Return what each job reports, the jobs taking turns."""
    seen: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(TURNS):
        for name, job in jobs.items():
            seen[name].append(job())
    return seen


def medians(**jobs: Callable[[], float]) -> dict[str, float]:
    """Return the median of what each job reports, the jobs taking turns."""
    return {name: statistics.median(values) for name, values in in_turns(**jobs).items()}


def kept(name: str, **figures: Any) -> None:
    keep(name, figures, topic="simulate")


@needs_limits
def test_compiled_engine_against_c_lanes() -> None:
    """All averages and counters on; 0.4 on the limit's own chain, 0.3 on two-class.

    By the fastest turn of each: neighbours on a shared core slow the two down by different factors
    and never speed them up. The ratios of the medians are kept beside.
    """
    seen = in_turns(
        c=c_speed,
        same_chain=compiled_speed(limit_chain(GPUS)),
        two_class=compiled_speed(chain_of("two-class", "gate-and-route", GPUS)),
        sli_aware=compiled_speed(chain_of("two-class", "sli-aware", GPUS)),
    )
    found = {name: max(values) for name, values in seen.items()}
    usual = {name: statistics.median(values) for name, values in seen.items()}
    ratios = {f"{name}_over_c": found[name] / found["c"] for name in found if name != "c"}
    of_medians = {
        f"{name}_over_c_medians": usual[name] / usual["c"] for name in usual if name != "c"
    }
    kept("events per second, one core, 64 lanes", **found, **ratios, **of_medians)
    assert ratios["same_chain_over_c"] >= 0.4
    assert ratios["two_class_over_c"] >= 0.3


def test_two_threads_are_nearly_twice_as_fast() -> None:
    chain = chain_of("two-class", "gate-and-route", GPUS)
    seen = in_turns(
        one=compiled_speed(chain, 2 * LANES, 1), two=compiled_speed(chain, 2 * LANES, 2)
    )
    ratio = statistics.median(b / a for a, b in zip(seen["one"], seen["two"], strict=True))
    kept("threads", **{name: statistics.median(each) for name, each in seen.items()}, ratio=ratio)
    assert ratio >= 1.8


@needs_limits
def test_array_engine_against_numpy_lockstep() -> None:
    lanes, steps, chain = 1000, 2000, limit_chain(GPUS)
    seeds = lane_seeds(DIGEST, GPUS, 1, lanes)
    run = ArrayEngine([chain] * lanes, lanes_from_plan(chain, lanes), seeds)
    run.advance(np.full(lanes, 0.01))

    def ours() -> float:
        before = run.snapshot()
        started = time.perf_counter()
        run.advance(before.clock + steps / (3 * float(chain.arrival.sum())))
        wall = time.perf_counter() - started
        return float((run.snapshot().events - before.events).sum()) / wall

    script = str(Path(str(LIMITS)) / "gillespie_numpy.py")
    seen = in_turns(
        limit=lambda: speed_of([sys.executable, script, str(GPUS), str(lanes), str(steps)]),
        ours=ours,
    )
    found = {name: max(values) for name, values in seen.items()}
    ratio = found["ours"] / found["limit"]
    usual = statistics.median(seen["ours"]) / statistics.median(seen["limit"])
    kept("array engine on NumPy, 1000 lanes", **found, ratio=ratio, ratio_of_medians=usual)
    assert ratio >= 0.8


def test_a_million_gpus_for_a_hundred_seconds_take_a_minute_at_most() -> None:
    chain = chain_of("two-class", "gate-and-route", 1_000_000)
    seeds = lane_seeds(DIGEST, chain.gpus, 1, 1)
    run = CompiledEngine([chain], lanes_from_plan(chain, 1), seeds, 1)
    run.advance(np.array([0.001]))
    started = time.perf_counter()
    run.advance(np.array([100.0]))
    wall = time.perf_counter() - started
    kept("n = 1,000,000, one lane, 100 s", wall_s=wall, events=float(run.snapshot().events[0]))
    assert wall <= 60


def test_cost_per_event_does_not_grow_with_n() -> None:
    sizes = (100, 1000, 10_000, 100_000, 1_000_000)
    jobs = {
        f"n{gpus}": compiled_speed(chain_of("two-class", "gate-and-route", gpus)) for gpus in sizes
    }
    found = medians(**jobs)
    kept("events per second by n", **found)
    assert min(found.values()) >= 0.8 * found["n1000"]


def test_full_grid_of_two_class_takes_five_minutes_at_most() -> None:
    """`gnr converge two-class` as it comes, on two cores; keeps the table of gaps."""
    started = time.perf_counter()
    found = gnr.converge(load("two-class"), policy="gate-and-route")
    wall = time.perf_counter() - started
    assert found.fit is not None
    gaps = {f"gap_at_{point.gpus}": point.gap.mean for point in found.points}
    halves = {f"half_width_at_{point.gpus}": point.gap.half_width for point in found.points}
    fit = {
        f"{name}_{end}": getattr(getattr(found.fit, name), end)
        for name in ("limit", "exponent")
        for end in ("estimate", "low", "high")
    }
    kept("converge two-class, gate-and-route", wall_s=wall, **gaps, **halves, **fit)
    assert wall <= 300
    assert found.fit.limit.low <= 0 <= found.fit.limit.high
    assert found.fit.exponent.low > EXPONENTS[0]
    means = [point.gap.mean for point in found.points]
    assert all(after < before for before, after in pairwise(means))


MEMORY = """
import resource, numpy as np
from pooled_chains import chain_of, compiled
run = compiled(chain_of("two-class", "gate-and-route", 1000), 32)
peaks = []
for until in (5.0, 50.0, 500.0):
    run.advance(np.full(32, until))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks)
"""


def test_memory_does_not_grow_with_the_horizon() -> None:
    """Peak resident memory after 5, 50 and 500 simulated seconds, KiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    first, _, last = json.loads(done.stdout)
    kept("peak memory, KiB", after_5_s=first, after_500_s=last)
    assert last <= first + 2048
