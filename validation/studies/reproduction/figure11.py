"""Figure 11: input against output length, two kinds of work in opposite regions."""

from collections.abc import Mapping
from typing import Any

from gnr.reproduction import Scatter, Series
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.open_figures import TraceFigures, open_data
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.printed import CATEGORIES
from gnr.validation.studies.reproduction.quantities import as_printed

NAMED = ("extraction", "creative")
"""The categories that the figure shows."""


def measured(documents: Mapping[Any, Any], effort: Effort) -> Measured:
    """Return on which side of the diagonal they are, and the picture."""
    traces = open_data().traces
    quantities = [
        as_printed(
            f"ratio_{name}",
            f"{CATEGORIES[name].label}: mean output over mean input",
            CATEGORIES[name].ratio,
        )
        for name in NAMED
    ]
    for name, trace in traces.items():
        words = f"{trace.label}: requests with an output longer than the input"
        quantities.append(trace.output_longer.quantity(f"longer_{name}", words, "%", 100))
    return Measured(quantities, [_printed(), _requests(traces)])


def _printed() -> Scatter:
    others = [each for name, each in CATEGORIES.items() if name not in NAMED]
    groups = {CATEGORIES[name].label: [CATEGORIES[name]] for name in NAMED} | {"others": others}
    return Scatter(
        title="Dolly-15k, printed means",
        x_label="input, tokens as labelled",
        y_label="output, tokens as labelled",
        series=tuple(
            Series(
                label=label,
                x=tuple(float(each.prompt) for each in group),
                y=tuple(float(each.output) for each in group),
            )
            for label, group in groups.items()
        ),
        x_log=True,
        y_log=True,
    )


def _requests(traces: Mapping[str, TraceFigures]) -> Scatter:
    return Scatter(
        title="Open traces, a point for each hundredth of the requests",
        x_label="input, tokens",
        y_label="output, tokens",
        series=tuple(
            Series(label=each.label, x=each.cell_prompts, y=each.cell_outputs)
            for each in traces.values()
        ),
        x_log=True,
        y_log=True,
    )
