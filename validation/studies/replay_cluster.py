"""The cluster on which a log is replayed."""

from collections.abc import Mapping
from dataclasses import dataclass

from gnr.batch_law import BatchLaw


@dataclass(frozen=True)
class Cluster:
    """What is replayed, apart from the trace.

    Attributes
    ----------
    gpus
        n.
    law
        The law of the iteration time; None: that of the instance.
    law_source
        Where it comes from.
    kv_tokens
        KV memory of a GPU, tokens; None: no limit.
    measured
        Smallest and largest batch that the law was measured at, as in
        `gnr.calibration_result.Calibration.measured`; empty if that is not known.
    mixed_gpus
        M, GPUs that may prefill under every policy with a partition; None: as its plan says.
    """

    gpus: int
    law: BatchLaw | None = None
    law_source: str = "the iteration time of the instance, by (P1)"
    kv_tokens: float | None = None
    measured: Mapping[str, tuple[float, float]] | None = None
    mixed_gpus: int | None = None
