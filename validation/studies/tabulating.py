"""From kept comparison runs to the table that recommendations are read from."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.models.lost_revenue import LOSSES
from gnr.recommendation import Evidence, KindRecord, PolicyRecord, Share, SizeRecord
from gnr.validation.policies import POLICIES
from gnr.validation.statistics import holm, sign_test, t_interval

ALPHA = 0.05
"""Probability, at most, of any wrong order among the policies of one kind and size."""

DIGITS = 6
"""Decimals of a share in the table."""

TOLERANCE = 1e-3
"""Share of its bound by which a promise may be missed: a run is finite, and at a bound that binds
one that keeps it in the long run may end above it by as much."""


def tabulate(kept: Mapping[str, Any], source: str) -> Evidence:
    """Return the table of kept runs.

    Parameters
    ----------
    kept
        What `tests/benchmarks/recommendation_runs.py` writes: for each kind its instances, and for
        each size and policy the terms of (D11) by instance, shares of the optimum.
    source
        Name of their file.
    """
    return Evidence(
        source=source,
        date=kept["made"][-1]["date"],
        seed=kept["seed"],
        rule=kept["rule"],
        runs=kept["runs"],
        kinds=tuple(map(_kind_record, kept["kinds"])),
    )


def _kind_record(kept: Mapping[str, Any]) -> KindRecord:
    instances = kept["instances"]
    figures = [each["figures"] for each in instances]
    sizes = sorted({each["gpus"] for each in kept["cells"]})
    return KindRecord(
        kind=kept["kind"],
        instances=len(instances),
        promised=tuple(sorted({kind for each in instances for kind in each["promises"]})),
        ranges={
            name: (min(each[name] for each in figures), max(each[name] for each in figures))
            for name in figures[0]
        },
        sizes=tuple(
            size_record(gpus, [each for each in kept["cells"] if each["gpus"] == gpus])
            for gpus in sizes
        ),
    )


def size_record(gpus: int, cells: Sequence[Mapping[str, Any]]) -> SizeRecord:
    """Return every policy at one size, the best first; `cells` are those of the kept runs."""
    gaps = {each["policy"]: np.sum([each[name] for name in LOSSES], axis=0) for each in cells}
    broken = {each["policy"]: broken_on(each) or 0 for each in cells}
    keepers = {name: gaps[name] for name in gaps if broken[name] == min(broken.values())}
    best = min(keepers, key=lambda name: float(keepers[name].mean()))
    worse = clearly_worse(keepers, best)
    least = np.min(list(keepers.values()), axis=0)
    records = []
    for each in cells:
        name, own = each["policy"], gaps[each["policy"]]
        behind = own - gaps[best] if name in worse else None
        records.append(
            PolicyRecord(
                policy=name,
                plans_for=POLICIES[name].objectives,
                gap=_share(own),
                least_gap=round(float(own.min()), DIGITS),
                worst_gap=round(float(own.max()), DIGITS),
                smallest_on=int((own <= least).sum()) if name in keepers else 0,
                terms={term: round(float(np.mean(each[term])), DIGITS) for term in LOSSES},
                kept_on=kept_on(each),
                broken_on=broken_on(each),
                behind=None if behind is None else _share(behind),
                worse_on=None if behind is None else int((behind > 0).sum()),
                clearly_worse=worse.get(name),
            )
        )
    order = sorted(records, key=lambda each: (each.broken_on or 0, each.gap.mean))
    return SizeRecord(gpus=gpus, policies=tuple(order))


def clearly_worse(gaps: Mapping[str, Floats], best: str) -> dict[str, bool]:
    """Return which policies are clearly worse than the best; arrays of shape ``(instances,)``.

    A policy is if its mean gap is the larger and its gap on more than half of all instances. All
    pairs of policies are corrected together, for the best one is chosen by the same runs.
    """
    pairs = list(combinations(gaps, 2))
    adjusted = holm([sign_test(gaps[first] - gaps[second]) for first, second in pairs])
    told = {frozenset(pair): float(p) <= ALPHA for pair, p in zip(pairs, adjusted, strict=True)}
    return {
        name: told[frozenset((name, best))]
        and float((own - gaps[best]).mean()) > 0
        and float(np.median(own - gaps[best])) > 0
        for name, own in gaps.items()
        if name != best
    }


def kept_on(cell: Mapping[str, Any]) -> int | None:
    """Return on how many instances the whole interval of the indicator is within the promise."""
    ends = _ends(cell)
    return None if ends is None else int((ends[1] <= TOLERANCE).sum())


def broken_on(cell: Mapping[str, Any]) -> int | None:
    """Return on how many instances the whole interval of the indicator is beyond the promise."""
    ends = _ends(cell)
    return None if ends is None else int((ends[0] > TOLERANCE).sum())


def _ends(cell: Mapping[str, Any]) -> tuple[Floats, Floats] | None:
    """Return both ends of what the indicator is above its bound, shares of it, by instance."""
    if "excess" not in cell:
        return None
    mean, half_width = np.array(cell["excess"]), np.array(cell["excess_half_width"])
    return mean - half_width, mean + half_width


def _share(samples: Floats) -> Share:
    mean, half_width = t_interval(samples)
    return Share(mean=round(float(mean), DIGITS), half_width=round(float(half_width), DIGITS))
