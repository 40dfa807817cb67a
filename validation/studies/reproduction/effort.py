"""How much is simulated: quick in minutes, full in half an hour on two cores."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Effort:
    """How much is simulated.

    Attributes
    ----------
    name
        `quick` or `full`.
    replications
        Independent runs of each cluster, half from an empty one.
    pooled_sizes
        Numbers of GPUs of the pooled chain, beside those of the paper.
    pooled_gpu_seconds, single_gpu_seconds
        GPU-seconds of a measured window of the pooled chain, and of a cluster GPU by GPU.
    base_batches
        Batches of as many runs of the base instance as are compared between policies.
    drawn
        Instances drawn for the comparison of policies.
    drawn_replications
        Runs of each policy on each of them.
    drawn_constants
        Warm-up and measured window of these, in slowest time constants.
    seed
        Of everything that is drawn or simulated.
    """

    name: Literal["quick", "full"]
    replications: int
    pooled_sizes: tuple[int, ...]
    pooled_gpu_seconds: float
    single_gpu_seconds: float
    base_batches: int
    drawn: int
    drawn_replications: int
    drawn_constants: tuple[float, float]
    seed: int


PAPER_SIZES = (5, 20, 50, 200, 500)
"""Numbers of GPUs in the paper (9.2)."""

SEED = 2602
"""Of everything that is drawn or simulated, unless told otherwise."""

QUICK = Effort(
    name="quick",
    replications=16,
    pooled_sizes=(*PAPER_SIZES, 2000, 8000),
    pooled_gpu_seconds=1e6,
    single_gpu_seconds=1e5,
    base_batches=1,
    drawn=12,  # fewer have no interval of the median, see `confidence` in claims.toml
    drawn_replications=4,
    drawn_constants=(2.5, 1.0),
    seed=SEED,
)

FULL = Effort(
    name="full",
    replications=32,
    pooled_sizes=(*PAPER_SIZES, 2000, 8000, 32000, 128000),
    pooled_gpu_seconds=4e6,
    single_gpu_seconds=4e5,
    base_batches=4,
    drawn=192,
    drawn_replications=4,
    drawn_constants=(4.0, 4.0),
    seed=SEED,
)
