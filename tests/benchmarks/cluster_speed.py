"""How much faster a comparison is on two Dask workers of one thread than on one such worker.

python tests/benchmarks/cluster_speed.py [RESULT.json]

Both clusters are warm, and the whole command is timed: it starts, asks for the work, gathers it and
judges it on a core that a worker may want. Other work on the machine spoils the ratio.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dask_clusters import DaskCluster, dask_cluster

from gnr.provenance import record

ROUNDS = 3
POLICIES = "gate-and-route,fcfs-immediate,gate-prefill-first,price-index-fill"
COMMAND = ("compare", "two-class", "--policies", POLICIES, "--gpus", "100", "--horizon", "2000")
TARGET = 1.6


def timed(cluster: DaskCluster, replications: int) -> float:
    """Return the wall time of the command on a cluster, s."""
    command = [sys.executable, "-m", "gnr", *COMMAND, "--replications", str(replications), "--json"]
    began = time.perf_counter()
    subprocess.run([*command, "--scheduler", cluster.address], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Take turns, print and keep the times and the ratio of their medians."""
    began, load = time.perf_counter(), os.getloadavg()
    with (
        tempfile.TemporaryDirectory() as first,
        tempfile.TemporaryDirectory() as second,
        dask_cluster(Path(first), 1) as one,
        dask_cluster(Path(second), 2) as two,
    ):
        for cluster in (one, two, two):
            timed(cluster, 8)  # every worker has loaded its kernels
        times: dict[str, list[float]] = {"one_worker_s": [], "two_workers_s": []}
        for _ in range(ROUNDS):
            for name, cluster in zip(times, (one, two), strict=True):
                times[name].append(timed(cluster, 100))
                print(f"{name}: {times[name][-1]:.1f}", flush=True)
    slow, fast = (statistics.median(each) for each in times.values())
    print(f"{slow / fast:.2f} times as fast; {TARGET} is asked")
    if len(sys.argv) > 1:
        origin = record(None, began, {}, seed=1)
        document = {
            "command": f"gnr {' '.join(COMMAND)} --replications 100",
            "machine": origin.machine,
            "versions": {name: version(name) for name in ("distributed", "joblib")},
            **times,
            "one_worker_median_s": slow,
            "two_workers_median_s": fast,
            "ratio_of_medians": slow / fast,
            "target": TARGET,
            "load_average_before": load,
            "provenance": origin.model_dump(),
        }
        Path(sys.argv[1]).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
