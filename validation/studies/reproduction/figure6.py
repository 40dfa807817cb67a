"""Figure 6: occupancies under the SLI-aware policy (Algorithm 6)."""

from gnr.reproduction import Lines, Reference
from gnr.validation.studies.reproduction.base_runs import (
    POOLED,
    base,
    distances,
    planned,
    pooled_parts,
    warnings_of,
)
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.quantities import largest_of, series_of

POLICY = "sli-aware"

LARGE = 8000
"""GPUs, in both efforts: sixteen times the paper's largest cluster."""

STATIONS = (("prefill", "in prefill"), ("mixed_decode", "decoding mixed"),
            ("solo_decode", "decoding solo"))  # fmt: skip

Key = tuple[str, str, int]


def parts(effort: Effort) -> dict[Key, ClusterPart]:
    """Return the pooled clusters."""
    return pooled_parts(POLICY, effort)


def measured(runs: dict[Key, ClusterRun], effort: Effort) -> Measured:
    """Return how far prefill and decode are from the plan, and the picture."""
    quantities = [
        largest_of(
            f"{what}_{size}",
            f"{words}: largest distance from the plan, {size:,} GPUs",
            distances(runs[POLICY, POOLED, size], fields),
            "%",
        )
        for size in (max(PAPER_SIZES), LARGE)
        for what, words, fields in (
            ("prefill", "either class in prefill", ("prefill",)),
            ("decode", "either class in either decode group", ("mixed_decode", "solo_decode")),
        )
    ]
    panels = [_panel(runs, effort, *each) for each in STATIONS]
    return Measured(quantities, panels, warnings_of(runs.values()))


def _panel(runs: dict[Key, ClusterRun], effort: Effort, field: str, title: str) -> Lines:
    sizes, plan = list(effort.pooled_sizes), planned(POLICY)
    names = [each.name for each in base().classes]
    return Lines(
        title=title.capitalize(),
        x_label="GPUs in the cluster, n",
        y_label="requests per GPU",
        series=tuple(
            series_of(name, sizes, [runs[POLICY, POOLED, n].held(field)[i] for n in sizes])
            for i, name in enumerate(names)
        ),
        references=tuple(
            Reference(label=f"plan, {name}", y=float(getattr(plan[i], field)))
            for i, name in enumerate(names)
        ),
        x_log=True,
    )
