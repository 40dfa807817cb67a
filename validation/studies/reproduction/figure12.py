"""Figure 12: output lengths against the exponential law of the same mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gnr.reproduction import Lines, Quantity, Series
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.open_figures import TraceFigures, open_data
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.printed import CATEGORIES
from gnr.validation.studies.reproduction.quantities import as_printed


def measured(documents: Mapping[Any, Any], effort: Effort) -> Measured:
    """Return divergences as printed, distances on open traces, and the picture."""
    traces = open_data().traces
    quantities = [
        as_printed(
            f"printed_{name}",
            f"{each.label} ({each.words}): KL divergence",
            each.divergence,
            "nats",
        )
        for name, each in CATEGORIES.items()
    ]
    quantities += [one for item in traces.items() for one in _distances(*item)]
    return Measured(quantities, [_lengths(each) for each in traces.values()])


def _distances(name: str, trace: TraceFigures) -> list[Quantity]:
    return [
        trace.ks_distance.quantity(
            f"distance_{name}", f"{trace.label}: largest distance to the exponential", "%", 100
        ),
        trace.squared_cv.quantity(
            f"variability_{name}",
            f"{trace.label}: variance of outputs over their squared mean (exponential: 1)",
        ),
        trace.beyond_three_means.quantity(
            f"tail_{name}",
            f"{trace.label}: outputs longer than three means (exponential: 4.98 %)",
            "%",
            100,
        ),
    ]


def _lengths(trace: TraceFigures) -> Lines:
    lengths = np.array(trace.longer_than)
    fitted = np.exp(-lengths / trace.output_mean.value)
    return Lines(
        title=trace.label,
        x_label="output, tokens",
        y_label="share of requests with a longer output",
        series=(
            Series(label="trace", x=trace.longer_than, y=trace.shares),
            Series(label="exponential, same mean", x=trace.longer_than, y=tuple(fitted.tolist())),
        ),
        y_log=True,
        marks=False,
    )
