"""Which policy to run: the one that did best in the comparison runs on instances of this kind.

The rule. The instance is of one kind (`gnr.models.situation`). Of the runs on random instances of
that kind at the cluster size nearest to n by ratio, the policy with the smallest mean gap is named,
under promises of those that broke them least often. It is clearly best if every other policy is
clearly worse, by sign tests over the instances; nothing is if the others come within 0.1 % of the
optimum; else it is undecided. It is undecided, too, if it did not keep a promise everywhere, and
wherever this cluster lies outside of what was simulated.
"""

import math
from functools import cache
from importlib.resources import files

from gnr.models.recommendation_words import extrapolations, pricing_of, reasons
from gnr.models.situation import TITLES, kind_of
from gnr.recommendation import (
    Clear,
    Evidence,
    KindRecord,
    PolicyRecord,
    Recommendation,
    SizeRecord,
)
from gnr.result import Solution

NO_ACCOUNT = 0.001
"""Share of the optimum below which a difference is of no account."""


@cache
def evidence() -> Evidence:
    """Return the table of the comparison runs that come with the package."""
    text = files("gnr.models").joinpath("recommendation.json").read_text(encoding="utf-8")
    return Evidence.model_validate_json(text)


def recommend(
    solution: Solution, gpus: int, table: Evidence | None = None
) -> Recommendation | None:
    """Return which policy to run on `gpus` GPUs, and why.

    Parameters
    ----------
    solution
        The optimum of the instance.
    gpus
        n, at least 1.
    table
        The runs to go by; by default those that come with the package.

    Returns
    -------
    Recommendation or None
        None for a plan without decodes on prefilling GPUs: one policy alone follows it.

    Raises
    ------
    ValueError
        If the status is not optimal.
    """
    if solution.revenue_rate is None:
        raise ValueError(f"{solution.instance.name}: no plan, the status is {solution.status}")
    if solution.disaggregated:
        return None
    kind = kind_of(solution)
    table = table or evidence()
    record = next(each for each in table.kinds if each.kind == kind)
    return _recommended(solution, gpus, record, table.source)


def _recommended(solution: Solution, gpus: int, record: KindRecord, source: str) -> Recommendation:
    size = nearest_size(record, gpus)
    best, runner_up = size.policies[:2]
    outside = extrapolations(solution, gpus, record)
    rivals = rivals_of(size)
    clear: Clear = "undecided" if outside else verdict(size, record.instances)
    return Recommendation(
        policy=best.policy,
        plans_for=pricing_of(solution, best),
        clear=clear,
        kind=record.kind,
        situation=TITLES[record.kind],
        why=reasons(solution, record, size, rivals, outside),
        measured_gpus=size.gpus,
        instances=record.instances,
        source=source,
        expected=best,
        runner_up=runner_up,
        rivals=tuple(each.policy for each in rivals),
        extrapolated=outside,
    )


def nearest_size(record: KindRecord, gpus: int) -> SizeRecord:
    """Return the runs at the cluster size nearest to `gpus`, by ratio."""
    return min(record.sizes, key=lambda each: abs(math.log(each.gpus / gpus)))


def rivals_of(size: SizeRecord) -> tuple[PolicyRecord, ...]:
    """Return the policies that the best one is not shown to be better than."""
    return tuple(each for each in size.policies if each.clearly_worse is False)


def verdict(size: SizeRecord, instances: int) -> Clear:
    """Return whether the best policy is clearly best."""
    if size.policies[0].kept_on not in (None, instances):
        return "undecided"
    behind = [each.behind for each in rivals_of(size) if each.behind is not None]
    if not behind:
        return "yes"
    alike = all(each.mean + each.half_width <= NO_ACCOUNT for each in behind)
    return "no" if alike else "undecided"
