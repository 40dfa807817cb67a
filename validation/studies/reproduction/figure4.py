"""Figure 4: revenue and queues of growing clusters under gate-and-route."""

import numpy as np

from gnr.reproduction import Lines, Reference
from gnr.validation.studies.reproduction.base_runs import (
    PER_GPU,
    POOLED,
    base,
    buffer_of,
    distances,
    gap_of,
    optimum_of,
    planned,
    pooled_parts,
    single_parts,
    warnings_of,
)
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.quantities import (
    distance_limit_of,
    largest_of,
    limit_of,
    mean_of,
    narrowing,
    series_of,
)

POLICY = "gate-and-route"
QUEUE = ("prefill_queue",)

Key = tuple[str, str, int]


def parts(effort: Effort) -> dict[Key, ClusterPart]:
    """Return the clusters: pooled far beyond the paper's sizes, GPU by GPU at these."""
    return pooled_parts(POLICY, effort) | single_parts(POLICY, effort)


def measured(runs: dict[Key, ClusterRun], effort: Effort) -> Measured:
    """Return gaps, bands, queues and buffers, and the picture."""
    largest, most = effort.pooled_sizes[-1], max(PAPER_SIZES)
    single, pooled = (
        {size: runs[POLICY, each, size] for kind, each, size in runs if each == fidelity}
        for fidelity in (PER_GPU, POOLED)
    )
    at_most, far = single[most], pooled[largest]
    quantities = [
        mean_of("gap_500", "gap to the optimum, 500 GPUs", 100 * gap_of(at_most), "%"),
        mean_of(
            "gap_500_pooled",
            "gap to the optimum, 500 GPUs, pooled chain",
            100 * gap_of(pooled[most]),
            "%",
        ),
        mean_of(
            "gap_500_separate",
            "gap under separate accounting to its own optimum, 500 GPUs",
            100 * gap_of(at_most, "separate"),
            "%",
        ),
        mean_of("gap_largest", f"gap, {largest:,} GPUs, pooled", 100 * gap_of(far), "%"),
        limit_of(
            "gap_limit",
            "gap to the optimum, where it goes with n, pooled",
            list(pooled),
            [100 * gap_of(each) for each in pooled.values()],
            "%",
        ),
        narrowing(
            "band",
            "exponent of n in the standard deviation of revenue between runs",
            list(single),
            [each.earned("bundled") for each in single.values()],
            [each.horizon_s for each in single.values()],
        ),
        largest_of(
            "queue_500",
            "waiting for prefill, either class: distance from the plan, 500 GPUs",
            distances(at_most, QUEUE),
            "%",
        ),
        distance_limit_of(
            "queue_limit",
            "waiting for prefill, either class: distance from the plan, where it goes with n, "
            "pooled",
            list(pooled),
            [
                [distances(each, QUEUE)[i] for each in pooled.values()]
                for i in range(len(base().classes))
            ],
            "%",
        ),
        mean_of(
            "buffer_500",
            "waiting for a decode slot, of the requests that decode, 500 GPUs",
            buffer_of(at_most),
            "%",
        ),
        limit_of(
            "buffer_limit",
            "waiting for a decode slot, of the requests that decode, where it goes with n, pooled",
            list(pooled),
            [buffer_of(each) for each in pooled.values()],
            "%",
        ),
    ]
    panels = [_revenue(single, pooled), _gaps(single, pooled), _queues(single)]
    return Measured(quantities, panels, warnings_of(runs.values()))


def _revenue(single: dict[int, ClusterRun], pooled: dict[int, ClusterRun]) -> Lines:
    lines = [
        series_of("GPU by GPU", list(single), [each.earned("bundled") for each in single.values()]),
        series_of(
            "pooled chain", list(pooled), [each.earned("bundled") for each in pooled.values()]
        ),
        series_of(
            "GPU by GPU, separate accounting",
            list(single),
            [each.earned("separate") for each in single.values()],
        ),
    ]
    return Lines(
        title="Revenue",
        x_label="GPUs in the cluster, n",
        y_label="money/s per GPU",
        series=tuple(lines),
        references=(
            Reference(label="optimum R*, bundled", y=optimum_of("bundled")),
            Reference(label="optimum, separate", y=optimum_of("separate")),
        ),
        x_log=True,
    )


def _gaps(single: dict[int, ClusterRun], pooled: dict[int, ClusterRun]) -> Lines:
    lines = [
        series_of(label, list(runs), [100 * gap_of(each) for each in runs.values()])
        for label, runs in (("GPU by GPU", single), ("pooled chain", pooled))
    ]
    return Lines(
        title="Gap to the optimum",
        x_label="GPUs in the cluster, n",
        y_label="% of R*",
        series=tuple(lines),
        references=(Reference(label="1 %", y=1.0),),
        x_log=True,
        y_log=True,
    )


def _queues(single: dict[int, ClusterRun]) -> Lines:
    names = [each.name for each in base().classes]
    lines = [
        series_of(
            f"{name}, for prefill",
            list(single),
            [run.held("prefill_queue")[i] for run in single.values()],
        )
        for i, name in enumerate(names)
    ]
    buffer = [run.held("decode_queue").sum(axis=0) for run in single.values()]
    lines.append(series_of("both, for a decode slot", list(single), np.array(buffer)))
    target = planned(POLICY)[0].prefill_queue
    return Lines(
        title="Who waits",
        x_label="GPUs in the cluster, n",
        y_label="requests per GPU",
        series=tuple(lines),
        references=(Reference(label=f"plan, {names[0]} for prefill", y=target),),
        x_log=True,
    )
