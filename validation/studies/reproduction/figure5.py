"""Figure 5: occupancies under gate-and-route."""

from gnr.reproduction import Lines, Reference
from gnr.validation.studies.reproduction.base_runs import (
    PER_GPU,
    base,
    distances,
    planned,
    single_parts,
    warnings_of,
)
from gnr.validation.studies.reproduction.effort import PAPER_SIZES, Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.quantities import largest_of, mean_of, narrowing, series_of

POLICY = "gate-and-route"

Key = tuple[str, str, int]


def parts(effort: Effort) -> dict[Key, ClusterPart]:
    """Return the clusters GPU by GPU, those of figure 4."""
    return single_parts(POLICY, effort)


def measured(runs: dict[Key, ClusterRun], effort: Effort) -> Measured:
    """Return how far prefill and decode are from the plan, and the picture."""
    most = runs[POLICY, PER_GPU, max(PAPER_SIZES)]
    plan, names = planned(POLICY), [each.name for each in base().classes]
    decoding = (most.held("mixed_decode") + most.held("solo_decode"))[0]
    target = plan[0].mixed_decode + plan[0].solo_decode
    quantities = [
        largest_of(
            "prefill_500",
            "either class in prefill: distance from the plan, 500 GPUs",
            distances(most, ("prefill",)),
            "%",
        ),
        mean_of(
            "decode_0",
            f"{names[0]} that decode against the plan, 500 GPUs",
            100 * (decoding / target - 1),
            "%",
        ),
        narrowing(
            "decode_band",
            f"exponent of n in the standard deviation between runs of {names[0]} that decode",
            list(PAPER_SIZES),
            [(run.held("mixed_decode") + run.held("solo_decode"))[0] for run in runs.values()],
            [run.horizon_s for run in runs.values()],
        ),
    ]
    panels = [
        _panel(runs, "Prefill", ("prefill",)),
        _panel(runs, "Decode, both groups", ("mixed_decode", "solo_decode")),
    ]
    return Measured(quantities, panels, warnings_of(runs.values()))


def _panel(runs: dict[Key, ClusterRun], title: str, fields: tuple[str, ...]) -> Lines:
    sizes, names = list(PAPER_SIZES), [each.name for each in base().classes]
    plan = planned(POLICY)
    lines, references = [], []
    for i, name in enumerate(names):
        held = [sum(runs[POLICY, PER_GPU, n].held(each)[i] for each in fields) for n in sizes]
        lines.append(series_of(name, sizes, held))
        target = sum(float(getattr(plan[i], each)) for each in fields)
        references.append(Reference(label=f"plan, {name}", y=target))
    return Lines(
        title=title,
        x_label="GPUs in the cluster, n",
        y_label="requests per GPU",
        series=tuple(lines),
        references=tuple(references),
        x_log=True,
    )
