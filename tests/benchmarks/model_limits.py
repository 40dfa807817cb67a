"""What the assumptions of the model cost, measured on public data; shown on the page of limits.

Arrivals: the requests of the Azure conversation trace at the times of the log, and at as many
times drawn evenly over the same span, as Poisson arrivals have them. Memory: the same log with
less and less of it on a GPU. The line: how far the best one is from measured iteration times, in
the range that is fitted and outside of it.

    python tests/benchmarks/model_limits.py [RESULT.json]
"""

import datetime
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from measured import measured

import gnr
from gnr.measure.calibration import calibrate
from gnr.provenance import record
from gnr.replay_result import ReplayedPolicy
from gnr.request_trace import RequestTrace

LOG = "traces/azure2023_conv.csv"
INSTANCE = "azure-2023-conversation"
GPUS, LOAD, DRAWS = 20, 0.9, 4
KV_TOKENS = (None, 60_000, 40_000, 30_000)

A100 = ("profiling/derived_tau_mix.csv", "profiling/derived_tau_solo.csv")
RTX = ("profiling/derived_rtxpro6000_Llama-3.1-8B_tau.csv",)
LINES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "A100, operators measured by Vidur": (
        A100, {"where": ["model=Llama-3-8B", "linear=vidur"], "decodes": 31, "context": 1024},
    ),
    "A100, operators measured by AIConfigurator": (
        A100, {"where": ["model=Llama-3-8B", "linear=aic"], "decodes": 31, "context": 1024},
    ),
    "RTX PRO 6000, 16 decodes": (
        RTX, {"within": ["context=0:2200", "prefix=0:3000"], "decodes": 16, "context": 1024},
    ),
    "RTX PRO 6000, 128 decodes": (
        RTX, {"within": ["context=0:2200", "prefix=0:3000"], "decodes": 128, "context": 1024},
    ),
}  # fmt: skip


def evenly(trace: RequestTrace, seed: int) -> RequestTrace:
    """Return the same requests, in the same order, at times drawn evenly over the same span."""
    drawn = np.random.default_rng(seed).uniform(0.0, trace.span, len(trace) - 2)
    times = np.concatenate([[0.0], np.sort(drawn), [trace.span]])
    return replace(trace, arrival=np.round(times, 6), name="evenly drawn times")


def told(each: ReplayedPolicy) -> dict[str, float | None]:
    """Return what is kept of a policy's replays."""
    first = each.latency.ttft
    return {
        "of_optimum": round(each.share_of_optimum.mean, 5),
        "left": round(1 - each.fates.finished.mean, 5),
        "ttft_p95_s": round(first.p95.mean, 3) if first else None,
        "held_up": round(each.held_up_requests.mean, 1),
    }


def replays(trace: RequestTrace, kv_tokens: float | None = None) -> dict[str, Any]:
    """Return what the policies make of a trace."""
    cluster = gnr.Cluster(GPUS, kv_tokens=kv_tokens)
    found = gnr.replay(trace, gnr.load(INSTANCE), cluster, load=LOAD, replications=2)
    return {each.policy: told(each) for each in found.policies}


def arrivals(trace: RequestTrace) -> dict[str, Any]:
    """Return the log's own times beside several draws, and their means by policy."""
    drawn = [replays(evenly(trace, seed)) for seed in range(DRAWS)]
    own = replays(trace)
    made = {}
    for policy, figures in own.items():
        made[policy] = {f"log_{key}": value for key, value in figures.items()}
        for key in figures:
            values = [each[policy][key] for each in drawn]
            made[policy][f"poisson_{key}"] = round(float(np.mean(values)), 5)
    return made


def lines() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield for each table how far lines are from it."""
    for name, (files, options) in LINES.items():
        found = calibrate(measured(*files), **options)
        yield (
            name,
            {
                "from": found.line.chunk_tokens[0],
                "to": found.line.chunk_tokens[1],
                "largest_error": round(found.line.max_error, 4),
                "largest_error_of_all_chunks": round(found.ordinary_line.max_error, 4),
                "r_squared_of_all_chunks": round(found.ordinary_line.r_squared or 0.0, 5),
                "law_mean_error": round(found.law_errors.mean, 4),
            },
        )


def main() -> None:
    """Measure all, and write it."""
    began = time.perf_counter()
    trace = gnr.read_trace(measured(LOG)[0])
    memory = {"unlimited" if kv is None else f"{kv:,}": replays(trace, kv) for kv in KV_TOKENS}
    document = {
        "command": "python tests/benchmarks/model_limits.py",
        "replays": f"{len(trace):,} requests on {GPUS} GPUs at {LOAD:.0%} of what can be served",
        "gpus": GPUS,
        "load": LOAD,
        "draws": DRAWS,
        "arrivals": arrivals(trace),
        "memory": memory,
        "lines": dict(lines()),
        "provenance": record(None, began, {}).model_dump(),
    }
    here = Path(__file__).with_name("results")
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    path = Path(sys.argv[1]) if sys.argv[1:] else here / f"model-limits-{today}.json"
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
