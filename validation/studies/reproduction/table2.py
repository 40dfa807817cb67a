"""Table 2: divergence between output lengths and the fitted exponential."""

from collections.abc import Mapping, Sequence
from typing import Any

from gnr.reproduction import Bars, Quantity, Reference, Series
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.open_figures import Estimate, TraceFigures, open_data
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.printed import CATEGORIES, Category
from gnr.validation.studies.reproduction.quantities import as_printed

THIRDS = {"short": "short", "middle": "medium", "long": "long"}
"""Of the requests, by prompt, and what these prompts are called."""

SMALL = Reference(label="bound of the claims", y=0.15)


def measured(documents: Mapping[Any, Any], effort: Effort) -> Measured:
    """Return what words and numbers say, the divergences of open traces, and the picture."""
    traces = open_data().traces
    quantities = [*_printed(), *(one for item in traces.items() for one in _divergences(*item))]
    return Measured(quantities, [_categories(), _traces(list(traces.values()))])


def _printed() -> list[Quantity]:
    def size(category: Category) -> float:
        return category.divergence

    good, deviating = (
        [each for each in CATEGORIES.values() if each.called_good is good] for good in (True, False)
    )
    most, least = max(good, key=size), min(deviating, key=size)
    other = max((each for each in CATEGORIES.values() if each is not most), key=size)
    words = f"largest divergence called good ({most.label}), over"
    return [
        as_printed(
            "good_over_deviating",
            f"{words} the smallest said to deviate ({least.label})",
            most.divergence / least.divergence,
        ),
        as_printed(
            "good_over_others",
            f"{words} the largest of all others ({other.label})",
            most.divergence / other.divergence,
        ),
    ]


def _divergences(name: str, trace: TraceFigures) -> list[Quantity]:
    words = f"{trace.label}: KL divergence to the exponential"
    coarse = f"{trace.label}: the same over ten bins, not fifty"
    found = [
        trace.divergence.quantity(f"divergence_{name}", words, "nats"),
        trace.coarse_divergence.quantity(f"coarse_divergence_{name}", coarse, "nats"),
    ]
    for (third, length), each in zip(THIRDS.items(), trace.thirds, strict=True):
        words = f"{trace.label}, the third with {length} prompts: KL divergence"
        found.append(each.divergence.quantity(f"divergence_{name}_{third}", words, "nats"))
    return found


def _categories() -> Bars:
    ranked = sorted(CATEGORIES.values(), key=lambda each: each.divergence)
    return Bars(
        title="Dolly-15k, as printed",
        y_label="KL divergence, nats",
        categories=tuple(each.label for each in ranked),
        series=tuple(
            Series(
                label=label,
                x=tuple(float(k) for k, each in enumerate(ranked) if each.called_good is good),
                y=tuple(each.divergence for each in ranked if each.called_good is good),
            )
            for label, good in (("called a good fit", True), ("said to deviate", False))
        ),
        references=(SMALL,),
    )


def _traces(traces: Sequence[TraceFigures]) -> Bars:
    rows = {"all requests": [each.divergence for each in traces]}
    for k, length in enumerate(THIRDS.values()):
        rows[f"{length} prompts"] = [each.thirds[k].divergence for each in traces]
    return Bars(
        title="Open traces",
        y_label="KL divergence, nats",
        categories=tuple(each.label for each in traces),
        series=tuple(_bars(label, found) for label, found in rows.items()),
        references=(SMALL,),
    )


def _bars(label: str, found: Sequence[Estimate]) -> Series:
    return Series(
        label=label,
        x=tuple(map(float, range(len(found)))),
        y=tuple(each.value for each in found),
        low=tuple(each.low for each in found),
        high=tuple(each.high for each in found),
    )
