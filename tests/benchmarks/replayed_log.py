"""What is left between a real engine log and its replay, split into named causes.

`gnr replay` with the fitted law is turned into the engine of the log step by step; every step
changes one thing, and what it does to the three times is that cause's part. The last two steps take
what the log itself shows of the time of steps: of those without prompts from its tokens per second,
of those with prompts by two factors, fitted to the times of all 600 first and last tokens.

    python tests/benchmarks/replayed_log.py [RESULT.json]
"""

import csv
import json
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measured import measured
from measured_engine import LOG, SERIES, TIMES, EngineLog, KernelTables, engine_log

import gnr
from gnr.batch_law import BatchLaw
from gnr.measure.calibration import calibrate
from gnr.provenance import record
from oracles.engine_oracle import Habits, StepTime, serve

OVERHEAD = 1e-3
"""Time per step outside the kernels, s, as the tables' own page has it."""

WITHIN = ("context=0:2200", "prefix=0:3000", "decodes=0:128")
"""Batches of the law: those that the log can have, nearly."""

SHIFT = 0.07
"""How much later the log's seconds end than its requests say, s: where its counts of running
requests and the requests' own times agree best."""

QUIET = (*range(13, 16), *range(51, 67))
"""Seconds of the log without a prompt."""

RAMP, FULL = 100.0, 125.0
"""Decodes between which the factor of steps with prompts changes from one to the other."""

FACTORS = (np.arange(0.96, 1.21, 0.06), np.arange(0.81, 1.0, 0.03))
"""Factors that are tried, while the batch fills and when it is full."""

OWN_STEPS = 4
"""Steps of the chain before those that the log itself was asked about."""

INSTANCE = """
schema_version = 1
name = "engine"
title = "An engine with 128 slots and 2,048 tokens a step"
source = "the log"
[gpu]
batch_slots = 128
chunk_tokens = 2048
[gpu.iteration_time]
base = 0.0318
per_chunk_token = 3.7e-5
decode_only = 0.0263
[prices]
scheme = "bundled"
prompt_token = 1.0
output_token = 1.0
[[classes]]
name = "all"
prompt_tokens = 858
output_tokens = 653
arrival_rate = 1.0
patience_rate = 1e-9
"""

Times = dict[str, float]


def fitted_law() -> BatchLaw:
    """Return the law of `gnr calibrate`, with the time outside the kernels."""
    return calibrate(
        measured(TIMES)[0], within=WITHIN, decodes=128, context=1024, overhead=OVERHEAD
    ).law


def replayed(log: EngineLog, law: BatchLaw) -> Times:
    """Return the three times of `gnr replay` on one GPU."""
    trace = gnr.read_trace(measured(LOG)[0])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "engine.toml"
        file.write_text(INSTANCE)
        instance = gnr.load(file)
    found = gnr.replay(
        trace, instance, gnr.Cluster(1, law), policies=["fcfs-immediate"], replications=1
    )
    requests = found.samples["fcfs-immediate"]
    return log.metrics(requests.first_token, requests.end)


def quiet_steps(log: EngineLog, tables: KernelTables) -> Callable[[float], float]:
    """Return by decodes how much longer steps without prompts are in the log than in the tables.

    For every second without a prompt: what must be added to each step so that as many tokens come
    as did, with the requests that were running.
    """
    with measured(SERIES)[0].open(encoding="utf-8", newline="") as file:
        tokens = {
            round(float(row["t"])): float(row["gen_throughput"]) for row in csv.DictReader(file)
        }
    found = []
    for second in QUIET:
        times = second - SHIFT - 1 + (np.arange(40) + 0.5) / 40
        steps = [each for each in (_step(log, tables, time) for time in times) if each is not None]
        decodes, seconds = np.array(steps).T
        low, high = -5e-3, 10e-3
        for _ in range(40):
            middle = (low + high) / 2
            many = np.sum(decodes / (seconds + middle)) / len(times) > tokens[second]
            low, high = (middle, high) if many else (low, middle)
        found.append((float(decodes.mean()), low))
    found.sort()
    at, more = np.array(found).T
    return lambda decodes: float(np.interp(decodes, at, more))


def _step(log: EngineLog, tables: KernelTables, time: float) -> tuple[float, float] | None:
    """Return decodes at a time of the log, and what a step takes then by the tables, s."""
    running = (log.first <= time) & (log.last > time)
    if not running.any():
        return None
    share = (time - log.first) / (log.last - log.first)
    context = (log.prompt + 1 + (log.output - 1) * share)[running].sum()
    decodes = int(running.sum())
    return decodes, tables.step_time(0, 0.0, decodes, float(context))


def causes(log: EngineLog) -> tuple[Times, list[tuple[str, Times]], tuple[float, float]]:
    """Return the replay's times, those after each change in turn, and the two factors."""
    tables, law = KernelTables(), fitted_law()

    def by_law(chunk: int, prefix: float, decodes: int, context: float) -> float:
        if chunk == 0:
            return float(law.solo_time(decodes, context))
        return float(law.mixed_time(chunk, prefix, decodes, context))

    def by_tables(chunk: int, prefix: float, decodes: int, context: float) -> float:
        return tables.step_time(chunk, prefix, decodes, context) + OVERHEAD

    more = quiet_steps(log, tables)

    def as_in_log(early: float, late: float) -> StepTime:
        def step(chunk: int, prefix: float, decodes: int, context: float) -> float:
            whole = tables.step_time(chunk, prefix, decodes, context) + more(decodes)
            if chunk == 0 or decodes == 0:
                return whole
            alone = tables.step_time(0, 0.0, decodes, context) + more(decodes)
            factor = np.interp(decodes, [RAMP, FULL], [early, late])
            return alone + float(factor) * (whole - alone)

        return step

    def times(step: StepTime, habits: Habits) -> Times:
        return log.metrics(*serve(log.arrival, log.prompt, log.output, step, habits))

    one_by_one = Habits(several_prompts=False, shared_budget=False)
    ahead = Habits(late_slots=1)

    def miss(factors: tuple[float, float]) -> float:
        first, last = serve(log.arrival, log.prompt, log.output, as_in_log(*factors), ahead)
        return float(np.abs(first - log.first).mean() + np.abs(last - log.last).mean())

    best = min(((float(a), float(b)) for a in FACTORS[0] for b in FACTORS[1]), key=miss)
    chain = [
        ("the replay, as a plain engine", times(by_law, one_by_one)),
        ("the fitted law against the tables it is fitted to", times(by_tables, one_by_one)),
        ("several prompts in a step, decodes count in its budget", times(by_tables, Habits())),
        ("a freed slot stays empty for one step", times(by_tables, ahead)),
        ("steps without prompts, against tables + 1 ms", times(as_in_log(1.0, 1.0), ahead)),
        ("steps with prompts, against the tables", times(as_in_log(*best), ahead)),
    ]
    return replayed(log, law), chain, best


def main() -> None:
    """Print the table and write the result."""
    log = engine_log()
    real = log.metrics(log.first, log.last)
    replay, chain, factors = causes(log)
    names = list(real)
    print(f"{'':58}" + "".join(f"{name:>11}" for name in names))
    print(f"{'the log (s)':58}" + "".join(f"{real[name]:11.5g}" for name in names))
    print(
        f"{'gnr replay, off by':58}" + "".join(f"{replay[n] / real[n] - 1:+11.2%}" for n in names)
    )
    parts = {}
    for (_, before), (cause, after) in pairwise(chain):
        parts[cause] = {name: (after[name] - before[name]) / real[name] for name in names}
        print(f"  {cause:56}" + "".join(f"{parts[cause][name]:+11.2%}" for name in names))
    end = chain[-1][1]
    left = {name: real[name] / real[name] - end[name] / real[name] for name in names}
    print(f"{'not explained':58}" + "".join(f"{left[name]:+11.2%}" for name in names))
    explained = {
        name: 1 - abs(end[name] - real[name]) / abs(replay[name] - real[name]) for name in names
    }
    print(f"{'explained':58}" + "".join(f"{explained[name]:11.1%}" for name in names))
    before = chain[OWN_STEPS - 1][1]
    alone = {
        name: 1 - abs(before[name] - real[name]) / abs(replay[name] - real[name]) for name in names
    }
    print(f"{'without the two steps taken from the log itself':58}"
          + "".join(f"{alone[name]:11.1%}" for name in names))  # fmt: skip
    early, late = factors
    print(f"factors of steps with prompts: {early:.2f} as the batch fills, {late:.2f} when full")
    if len(sys.argv) > 1:
        document = {
            "log": real, "replay": replay, "chain": dict(chain), "parts": parts,
            "explained": explained, "explained_before_the_log_was_asked": alone,
            "factors": factors,
            "provenance": record(None, 0.0, {}).model_dump(),
        }  # fmt: skip
        Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
