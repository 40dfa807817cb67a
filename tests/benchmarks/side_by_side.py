"""Time jobs side by side in one run, and keep the figures with machine and versions.

The machine is shared and noisy: jobs take turns, and what counts is the ratio of their medians.
"""

import datetime
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from gnr import provenance

RESULTS = Path(__file__).with_name("results")


def take_turns(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median wall time of each job in s, the jobs taking turns."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def keep(name: str, figures: Mapping[str, float], topic: str = "solve") -> None:
    """Add the figures of a benchmark to the topic's file of today in `results/`."""
    RESULTS.mkdir(exist_ok=True)
    record = provenance.record("", time.perf_counter(), {})
    path = RESULTS / f"{topic}-{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept["machine"] = record.machine
    kept["versions"] = {"gnr": record.version, **record.versions}
    kept["command"] = "make benchmark"
    kept[name] = {key: float(f"{value:.4g}") for key, value in figures.items()}
    path.write_text(json.dumps(kept, indent=2) + "\n")
    print(name, kept[name])
