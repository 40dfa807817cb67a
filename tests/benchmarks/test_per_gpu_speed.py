"""Speed and memory of the per-GPU simulator, side by side with SimPy (DESIGN section 5).

Run by `make benchmark`; the folder with the SimPy program is named in GNR_LIMITS.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.side_by_side import keep
from pooled_chains import DIGEST

import gnr
from gnr.instance import Instance
from gnr.rates import rates_of
from gnr.reading import load
from gnr.validation.chain import compile_chain
from gnr.validation.lanes import empty_cluster, lane_seeds
from gnr.validation.per_gpu.engine import PerGpuEngine
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.per_gpu.records import recording
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import POLICIES

LIMITS = os.environ.get("GNR_LIMITS")
HORIZON = 100.0
TURNS = 3
OWN_TURNS = 5
"""Runs of ours for each of SimPy's, which takes some hundred times as long."""


def limit_instance() -> Instance:
    """Return the instance of params.py: lengths, rates and times; prices do not matter here."""
    return load(
        "two-class",
        [
            "gpu.iteration_time.decode_only=0.0089",
            "classes.0.arrival_rate=0.8",
            "classes.1.arrival_rate=0.8",
        ],
    )


def kept(name: str, **figures: Any) -> None:
    keep(name, figures, topic="per-gpu")


def job(gpus: int, lengths: str, policy: str = "gate-and-route") -> Callable[[], float]:
    """Return a job that runs an empty cluster for 100 s, one thread, and tells its requests/s."""
    instance = limit_instance()
    rates, chosen = rates_of(instance), POLICIES[policy]
    plan = gnr.solve(instance).plan(gpus)
    names = [each.name for each in instance.classes]
    chain = compile_chain(gnr.build_network(rates, names), plan, chosen)
    rules = make_rules(rates, plan, chosen, read_law(lengths, instance))
    start = empty_cluster(chain)[..., None]
    seeds = lane_seeds(DIGEST, gpus, 1, 1)

    def run() -> float:
        engine = PerGpuEngine(rules, [chain], start, seeds, threads=1)
        began = time.perf_counter()
        engine.advance(np.array([HORIZON]))
        wall = time.perf_counter() - began
        return float(engine.snapshot().count[:, 0].sum()) / wall

    return run


def simpy_speed() -> float:
    command = [sys.executable, "bench_simpy.py", "1000", str(int(HORIZON))]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=str(LIMITS))
    return float(json.loads(done.stdout)["req_per_s"])


@pytest.mark.skipif(not LIMITS, reason="GNR_LIMITS names no folder")
def test_requests_per_second_against_simpy() -> None:
    """At least 250 times SimPy with exponential lengths, 60 times with any other, n = 1000."""
    laws = ("exponential", "deterministic", "lognormal:1.5")
    jobs = {law: job(1000, law) for law in laws}
    seen: dict[str, list[float]] = {name: [] for name in ("simpy", *laws)}
    for run in jobs.values():
        run()  # compiles
    for _ in range(TURNS):
        seen["simpy"].append(simpy_speed())
        for law, run in jobs.items():
            seen[law] += [run() for _ in range(OWN_TURNS)]
    fastest = {name: max(values) for name, values in seen.items()}
    usual = {name: float(np.median(values)) for name, values in seen.items()}
    ratios = {f"{law}_over_simpy": fastest[law] / fastest["simpy"] for law in laws}
    medians = {f"{law}_over_simpy_medians": usual[law] / usual["simpy"] for law in laws}
    kept("requests per second, n = 1000, 100 s, one thread", **fastest, **ratios, **medians)
    assert ratios["exponential_over_simpy"] >= 250
    assert min(ratios.values()) >= 60


def test_cost_of_a_request_hardly_grows_with_the_cluster() -> None:
    """Ten times the GPUs cost at most 1.5 times as much per request."""
    jobs = {gpus: job(gpus, "exponential") for gpus in (1000, 10_000)}
    seen: dict[int, list[float]] = {gpus: [] for gpus in jobs}
    for run in jobs.values():
        run()
    for _ in range(7):
        for gpus, run in jobs.items():
            seen[gpus].append(run())
    fastest = max(seen[1000]) / max(seen[10_000])
    usual = float(np.median(seen[1000]) / np.median(seen[10_000]))
    kept(
        "cost per request at n = 10,000 over that at 1,000",
        by_fastest=fastest,
        by_medians=usual,
    )
    assert fastest <= 1.5


@pytest.mark.parametrize("recorded", [False, True])
def test_memory_does_not_grow_with_the_horizon(recorded: bool, tmp_path: Path) -> None:
    """Peak memory of a process after 100 s and after 1,000 s, records streamed or not."""
    peaks = [_peak(seconds, recorded, tmp_path) for seconds in (100, 1000)]
    kept(
        f"peak memory, MB, n = 1000, {'with' if recorded else 'without'} records",
        after_100_s=peaks[0],
        after_1000_s=peaks[1],
    )
    assert peaks[1] <= peaks[0] * 1.1 + 10


def _peak(seconds: int, recorded: bool, folder: Path) -> float:
    script = (
        "from benchmarks.test_per_gpu_speed import run_for;"
        f"run_for({seconds}, {str(folder / 'requests.parquet') if recorded else ''!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    return float(done.stdout)


def run_for(seconds: float, path: str) -> None:
    """Simulate 1,000 GPUs from the plan and print the peak memory of the process, MB."""
    instance = limit_instance()
    rates, chosen = rates_of(instance), POLICIES["gate-and-route"]
    plan = gnr.solve(instance).plan(1000)
    names = [each.name for each in instance.classes]
    chain = compile_chain(gnr.build_network(rates, names), plan, chosen)
    rules = make_rules(rates, plan, chosen, read_law("exponential", instance))
    start, seeds = np.floor(chain.planned)[..., None], lane_seeds(DIGEST, 1000, 1, 1)
    if path:
        with recording(Path(path), names, 0.0, "{}") as recorder:
            engine = PerGpuEngine(rules, [chain], start, seeds, recorder=recorder)
            engine.advance(np.array([float(seconds)]))
    else:
        PerGpuEngine(rules, [chain], start, seeds).advance(np.array([float(seconds)]))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
