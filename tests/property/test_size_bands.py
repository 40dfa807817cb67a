"""What holds for ranges of n whatever is uncertain."""

from collections.abc import Sequence

import gnr
from gnr.demand import Demand
from gnr.latency_promise import read_promises
from gnr.size_band import SizeBand, UncertainInput
from gnr.validation.policies import find_policy
from gnr.validation.studies.size_bands import band_of
from gnr.validation.studies.trials import Size, Task

INSTANCE = gnr.load("two-class")
DEMAND = Demand(source="here", rates={"decode-heavy": 30.0, "prefill-heavy": 20.0})

SHARES = {
    ("demand", None): 0.05,
    ("prompt_tokens", "prefill-heavy"): 0.1,
    ("output_tokens", "decode-heavy"): 0.08,
    ("decode_only", None): 0.05,
    ("patience", None): 0.3,
}

NOISE = 0.02
"""By how much the width of a range is uncertain from its draws, relative."""


def inputs(scale: float = 1.0, places: Sequence[int] = range(len(SHARES))) -> list[UncertainInput]:
    told = [
        {"quantity": quantity, "class": owner, "share": scale * share, "source": "here"}
        for (quantity, owner), share in SHARES.items()
    ]
    return [UncertainInput.model_validate(told[place]) for place in places]


def band(uncertain: Sequence[UncertainInput]) -> SizeBand:
    demanded = DEMAND.instance_for(INSTANCE, 1)
    percentiles, promises = read_promises(["p99_ttft=1.2", "abandonment_fraction=2%"], INSTANCE)
    task = Task(demanded, find_policy("gate-and-route"), percentiles, promises)
    return band_of(task, Size(120, 20), uncertain)


def width(found: SizeBand) -> float:
    assert found.width is not None
    return found.width


def test_the_order_of_the_inputs_changes_nothing() -> None:
    assert band(inputs(places=[3, 1, 4, 0, 2])) == band(inputs())


def test_more_uncertainty_never_narrows_the_range() -> None:
    """Neither a larger share of each input, nor one more input, as far as draws can tell."""
    wider = [width(band(inputs(scale))) for scale in (0.5, 1.0)]
    assert wider[0] < wider[1]
    more = [width(band(inputs(places=range(count)))) for count in (1, 3)]
    for few, many in zip(more, [more[1], wider[1]], strict=True):
        assert many >= few * (1 - NOISE)


def test_what_was_found_is_in_the_range_and_known_inputs_narrow_it() -> None:
    found = band(inputs())
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.gpus <= found.high
    for each in found.inputs:
        assert each.width_without is not None
        assert each.width_without <= width(found) * (1 + NOISE)
        assert each.vanishing is not None
    widths = [each.width_without for each in found.inputs]
    assert widths == sorted(widths)
    assert found.surface_error < 0.01
