"""Compile the kernels of both simulators of single GPUs, by using each of them a little."""

import numpy as np

import gnr
from gnr.request_trace import RequestTrace


def main() -> None:
    """Replay a few requests, then simulate a few."""
    instance = gnr.load("two-class")
    few = np.arange(4)
    trace = RequestTrace("few", "0" * 64, few.astype(float), 300 + few, 10 + few, 0, 0, 1.0)
    gnr.replay(trace, instance, gnr.Cluster(2), policies=["fcfs-immediate"], replications=1)
    gnr.simulate(
        instance, policy="fcfs-immediate", gpus=2, replications=2, horizon=10.0, warmup=1.0
    )


if __name__ == "__main__":
    main()
