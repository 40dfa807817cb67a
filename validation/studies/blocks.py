"""Blocks of replications of one cluster: pieces of work that depend on nothing else."""

from dataclasses import dataclass, replace

from gnr.validation.engines import Progress
from gnr.validation.per_gpu.records import Recorder
from gnr.validation.replications import Windows, expected_events, replicate
from gnr.validation.studies.cluster import Cluster
from gnr.validation.studies.setting import PER_GPU, POOLED_FIDELITY

CUT_EVENTS = {POOLED_FIDELITY: 4e7, PER_GPU: 4e6}
"""Events of a block that is cut off, by fidelity: about a second of computing."""

CUT_LANES = {POOLED_FIDELITY: 16, PER_GPU: 1}
"""It has a multiple of this many replications: the pooled engine is slow with fewer at a time."""


@dataclass(frozen=True)
class Block:
    """Replications of a cluster, from `first` to `last` without the latter.

    Attributes
    ----------
    cluster
        What is simulated.
    digest, seed
        SHA-256 of the instance, the user's seed.
    warmup, horizon
        Simulated time thrown away and kept, s.
    first, last
        Which replications: the random numbers of each depend on its own number only.
    """

    cluster: Cluster
    digest: str
    seed: int
    warmup: float
    horizon: float
    first: int
    last: int

    @property
    def expected_events(self) -> float:
        """About how many events there will be."""
        seconds = self.warmup + self.horizon
        return (self.last - self.first) * expected_events(self.cluster.chain, seconds)

    def cut(self) -> list["Block"]:
        """Return it as blocks of about a second each, whoever computes them."""
        least, fidelity = CUT_LANES[self.cluster.fidelity], self.cluster.fidelity
        lanes = CUT_EVENTS[fidelity] * (self.last - self.first) / self.expected_events
        width = least * max(int(lanes / least), 1)
        return [
            replace(self, first=first, last=min(first + width, self.last))
            for first in range(self.first, self.last, width)
        ]


def run_block(
    block: Block, recorder: Recorder | None = None, progress: Progress | None = None
) -> Windows:
    """Simulate a block; write its requests to `recorder`.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before a first part of the window was complete.
    """
    return replicate(
        block.cluster.chain,
        digest=block.digest,
        seed=block.seed,
        replications=block.last - block.first,
        first=block.first,
        warmup=block.warmup,
        horizon=block.horizon,
        engine=block.cluster.engine_maker(recorder),
        progress=progress,
    )
