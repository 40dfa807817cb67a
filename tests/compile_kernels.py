"""Compile the kernels of both simulators of single GPUs, side by side; numba keeps the result.

Each takes a minute of one core. Tests that run side by side would each compile them anew.
"""

from concurrent.futures import ProcessPoolExecutor

import numpy as np

import gnr
from gnr.request_trace import RequestTrace


def replay_a_few() -> None:
    """Compile the kernel that follows a log."""
    few = np.arange(4)
    trace = RequestTrace("few", "0" * 64, few.astype(float), 300 + few, 10 + few, 0, 0, 1.0)
    gnr.replay(
        trace, gnr.load("two-class"), gnr.Cluster(2), policies=["fcfs-immediate"], replications=1
    )


def simulate_a_few() -> None:
    """Compile the kernel that draws its requests."""
    gnr.simulate(gnr.load("two-class"), policy="fcfs-immediate", gpus=2, horizon=10.0, warmup=1.0)


def main() -> None:
    """Compile both; an error in one of them is raised."""
    with ProcessPoolExecutor(2) as pool:
        for each in [pool.submit(replay_a_few), pool.submit(simulate_a_few)]:
            each.result()


if __name__ == "__main__":
    main()
