"""The policies of figure 7 and the pictures that compare them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from gnr.arrays import Floats
from gnr.reproduction import Bars, Lines, Quantity, Reference, Series

FULL = "gate-and-route"
NO_CONTROL, GATE_ALONE, PLAN_ALONE = "fcfs-immediate", "gate-immediate", "fcfs-route"
ABLATIONS = (NO_CONTROL, GATE_ALONE, "gate-prefill-first", PLAN_ALONE)

POLICIES: Mapping[str, str] = MappingProxyType(
    {
        FULL: "GG-SP",
        NO_CONTROL: "FI-WSP",
        GATE_ALONE: "GI-WSP",
        "gate-prefill-first": "GF-WSP",
        PLAN_ALONE: "FG-SP",
        "price-index-fill": "PI-fill",
    }
)
"""The paper's five by their names there, and one that is not the paper's."""

Earned = dict[str, Floats]
"""Revenue by policy, % of the optimum of the linear program."""


def losses(title: str, label: str, gaps: Sequence[Quantity]) -> Bars:
    """Return what each policy loses, % of the optimum."""
    found = Series(
        label=label,
        x=tuple(range(len(gaps))),
        y=tuple(each.value for each in gaps),
        low=tuple(each.low for each in gaps),
        high=tuple(each.high for each in gaps),
    )
    return Bars(
        title=title,
        y_label="lost, % of the optimum",
        categories=tuple(POLICIES.values()),
        series=(found,),
    )


def as_in_the_paper(earned: Earned) -> Bars:
    """Return means over instances with one standard deviation either side."""
    values = np.array(list(earned.values()))
    means, deviations = values.mean(axis=1), values.std(axis=1, ddof=1)
    found = Series(
        label="mean, with one standard deviation on either side",
        x=tuple(range(len(means))),
        y=tuple(means.tolist()),
        low=tuple((means - deviations).tolist()),
        high=tuple((means + deviations).tolist()),
    )
    return Bars(
        title="Drawn instances: mean and standard deviation, as in the paper",
        y_label="% of the optimum",
        categories=tuple(POLICIES.values()),
        series=(found,),
        references=(Reference(label="optimum", y=100.0),),
    )


def one_by_one(earned: Earned) -> Lines:
    """Return revenue instance by instance, `earned` of shape ``(instances,)`` each."""
    order = np.argsort(earned[FULL])
    rank = tuple(float(each) for each in range(1, len(order) + 1))
    return Lines(
        title="Drawn instances one by one, ordered by what GG-SP earns",
        x_label="instance",
        y_label="% of the optimum",
        series=tuple(
            Series(label=label, x=rank, y=tuple(earned[policy][order].tolist()))
            for policy, label in POLICIES.items()
        ),
        references=(Reference(label="optimum", y=100.0),),
    )
