"""Which policy earns more, and how sure that is: pairs of policies on common random numbers."""

from collections.abc import Collection, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Literal

from gnr.arrays import Floats
from gnr.comparison import Best, Condition, PolicyPair
from gnr.simulation import Estimate, Kept
from gnr.validation.statistics import Interval, correlation, holm_intervals

ALPHA = 0.05
"""Probability, at most, of any wrong `better` or `worse` among all pairs of a document."""

ISOLATES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("gate-immediate", "fcfs-immediate"): "the gate",
        ("gate-and-route", "gate-immediate"): "decoupling",
        ("gate-and-route", "gate-prefill-first"): "decode first",
        ("gate-and-route", "fcfs-route"): "the gate under a static partition",
        ("price-index-fill", "price-index-in-place"): "filling the holes of mixed GPUs",
        ("disaggregated", "gate-and-route"): "keeping decodes off mixed GPUs",
    }
)
"""What a pair isolates: the first policy has it, the second has not (Algorithms 8 to 10)."""

Shares = Mapping[Condition, Mapping[str, Floats]]
"""Revenue of each policy as a share of the LP value, shape ``(runs,)``; run k of all policies met
the same random numbers."""


def policy_pairs(
    shares: Shares,
    lp_revenue_rate: float | None = None,
    alpha: float = ALPHA,
    unsettled: Collection[tuple[Condition, str]] = (),
) -> tuple[PolicyPair, ...]:
    """Return every pair of policies at every condition, corrected for all of them together.

    Parameters
    ----------
    shares
        The samples.
    lp_revenue_rate
        Money/s per GPU of a share of 1; None where it is not the same for all runs.
    alpha
        Family-wise level, in (0, 1).
    unsettled
        Cells whose runs are known to remember their start: nothing is decided by them.

    Raises
    ------
    ValueError
        If a sample has a value that is not finite, or two of a condition differ in length.
    """
    met = [
        (condition, *_turned(*names), samples)
        for condition, samples in shares.items()
        for names in combinations(samples, 2)
    ]
    found = holm_intervals([each[first] - each[second] for _, first, second, each in met], alpha)
    return tuple(
        PolicyPair(
            first=first,
            second=second,
            gpus=condition.gpus,
            lengths=condition.lengths,
            difference=_times(interval, 1.0),
            money=None if lp_revenue_rate is None else _times(interval, lp_revenue_rate),
            confidence=interval.confidence,
            correlation=correlation(samples[first], samples[second]),
            verdict="undecided"
            if {(condition, first), (condition, second)} & set(unsettled)
            else _verdict(interval),
            isolates=ISOLATES.get((first, second)),
        )
        for (condition, first, second, samples), interval in zip(met, found, strict=True)
    )


def best_policies(
    gaps: Mapping[Condition, Mapping[str, Estimate]],
    pairs: tuple[PolicyPair, ...],
    keeping: Mapping[tuple[Condition, str], Kept | None] | None = None,
) -> tuple[Best, ...]:
    """Return the policy of the smallest mean gap at each condition, and whom it beats.

    `keeping` says which policies keep every promise; by default there are none to keep.
    """
    return tuple(_best(condition, named, pairs, keeping or {}) for condition, named in gaps.items())


def _best(
    condition: Condition,
    gaps: Mapping[str, Estimate],
    pairs: tuple[PolicyPair, ...],
    keeping: Mapping[tuple[Condition, str], Kept | None],
) -> Best:
    name = min(gaps, key=lambda each: gaps[each].mean)
    keepers = [each for each in gaps if keeping.get((condition, each)) == "yes"]
    beaten: dict[str, bool] = {}
    for pair in pairs:
        if pair.condition == condition and name in (pair.first, pair.second):
            first = pair.first == name
            beaten[pair.second if first else pair.first] = pair.verdict == (
                "better" if first else "worse"
            )
    return Best(
        gpus=condition.gpus,
        lengths=condition.lengths,
        policy=name,
        gap=gaps[name],
        better_than=tuple(each for each in gaps if beaten.get(each, False)),
        undecided=tuple(each for each in gaps if each != name and not beaten.get(each, False)),
        keeps_promises=keeping.get((condition, name)),
        best_keeping=min(keepers, key=lambda each: gaps[each].mean, default=None),
    )


def _turned(first: str, second: str) -> tuple[str, str]:
    """Return the pair with the policy first that has what the pair isolates."""
    return (second, first) if (second, first) in ISOLATES else (first, second)


def _verdict(interval: Interval) -> Literal["better", "worse", "undecided"]:
    if not interval.outside(0.0, 0.0):
        return "undecided"
    return "better" if interval.mean > 0 else "worse"


def _times(interval: Interval, factor: float) -> Estimate:
    return Estimate(mean=interval.mean * factor, half_width=interval.half_width * factor)
