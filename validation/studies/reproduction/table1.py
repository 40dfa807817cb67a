"""Table 1: mean input and output by kind of work."""

from collections.abc import Mapping
from typing import Any

from gnr.reproduction import Bars, Quantity, Reference, Series
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.open_figures import TraceFigures, open_data
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.printed import CATEGORIES, TOTAL
from gnr.validation.studies.reproduction.quantities import as_printed

LONG_INPUT = ("summarization", "extraction")
SHORT_INPUT = ("creative", "open_qa")
"""The categories that the text names."""


def measured(documents: Mapping[Any, Any], effort: Effort) -> Measured:
    """Return what the table adds up to, what the traces have, and the picture."""
    traces = open_data().traces
    total = sum(each.samples for each in CATEGORIES.values())
    quantities = [
        as_printed("samples", "samples in all categories", total),
        as_printed("samples_off", "difference from the total in the text", abs(total - TOTAL)),
    ]
    quantities += [
        as_printed(
            f"input_{name}", f"{CATEGORIES[name].label}: mean input", CATEGORIES[name].prompt
        )
        for name in LONG_INPUT + SHORT_INPUT
    ]
    quantities += [each for name in SHORT_INPUT for each in _outputs(name)]
    quantities += [each for item in traces.items() for each in _means(*item)]
    return Measured(quantities, [_printed(), _ratios(traces)])


def _outputs(name: str) -> list[Quantity]:
    """Return the mean output against those of the categories with long inputs, and its input."""
    category = CATEGORIES[name]
    longest = max((CATEGORIES[each] for each in LONG_INPUT), key=lambda each: each.output)
    words = f"{category.label}: mean output over that of {longest.label.lower()}"
    return [
        as_printed(f"output_{name}", words, category.output / longest.output),
        as_printed(f"own_{name}", f"{category.label}: mean output over mean input", category.ratio),
    ]


def _means(name: str, trace: TraceFigures) -> list[Quantity]:
    return [
        trace.prompt_mean.quantity(f"input_{name}", f"{trace.label}: mean input", "tokens"),
        trace.output_mean.quantity(f"mean_output_{name}", f"{trace.label}: mean output", "tokens"),
        trace.output_over_prompt.quantity(
            f"own_{name}", f"{trace.label}: mean output over mean input"
        ),
    ]


def _printed() -> Bars:
    places = tuple(map(float, range(len(CATEGORIES))))
    lengths = {
        "input": tuple(float(each.prompt) for each in CATEGORIES.values()),
        "output": tuple(float(each.output) for each in CATEGORIES.values()),
    }
    return Bars(
        title="Dolly-15k, printed means",
        y_label="tokens as labelled",
        categories=tuple(each.label for each in CATEGORIES.values()),
        series=tuple(Series(label=name, x=places, y=y) for name, y in lengths.items()),
    )


def _ratios(traces: Mapping[str, TraceFigures]) -> Bars:
    labels = [each.label for each in CATEGORIES.values()]
    printed = tuple(each.ratio for each in CATEGORIES.values())
    found = [each.output_over_prompt for each in traces.values()]
    return Bars(
        title="Output over input",
        y_label="ratio of means",
        categories=(*labels, *(each.label for each in traces.values())),
        series=(
            Series(label="printed", x=tuple(map(float, range(len(labels)))), y=printed),
            Series(
                label="open traces",
                x=tuple(float(len(labels) + k) for k in range(len(found))),
                y=tuple(each.value for each in found),
                low=tuple(each.low for each in found),
                high=tuple(each.high for each in found),
            ),
        ),
        references=(Reference(label="output as long as input", y=1.0),),
    )
