r"""The group size and class limits that earn most at this n, as far as the model can tell.

Two decisions. **M**, the GPUs that may prefill. **The limit** :math:`t\le M` of the last rank, the
marginal classes: :math:`M-t` prefill slots are kept for classes whose next request is worth
something. (A limit below M on one of those cannot pay to first order, since all of its requests are
wanted; limits of single marginal classes are all the same t.)

The optimum over M is exact for the predicted revenue :math:`\hat R(M,t)\wedge U(M)`, by branch
and bound. U(M) is what no policy on the partition can exceed (per-GPU accounting). Let
:math:`m=M/n`. A GPU of the mixed group decodes at :math:`(B-1)/\tau` while it prefills and at most
at :math:`(B-1)\gamma` otherwise, so that long-run decode work obeys, with :math:`z_i\le x_i` the
part of the prefills that is decoded,

.. math:: \sum_iC\phi_iz_i+(\kappa-1)^+(B-1)\sum_iz_i\le\kappa B(1-m)+\max(\kappa,1)(B-1)m

and :math:`\sum_iz_i\le m`, :math:`0\le z_i\le\lambda_i/\mu_{p,i}`. U is the optimum of
:math:`\sum_iw_i\mu_{p,i}z_i` under both rows, (D4) with the group size given; by weak duality every
multiplier of the first row bounds it from above, and the least of these bounds is its value. U is
concave in M, so that the sizes with U(M) above the best prediction are an interval, found by
bisection, and all other sizes are ruled out. An interval of many sizes (clusters of some thousand
GPUs) is searched on ever finer grids, which assumes one peak. For each size the reserve M - t grows
from 0 as long as one slot more pays 0.01 %.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from gnr.plan import Plan, with_mixed_gpus
from gnr.rates import Rates
from gnr.validation.partition_model import predict

MOST_SIZES = 32
"""Group sizes that are tried one by one."""

WORTH_A_SLOT = 1e-4
"""Share of the revenue that a slot must add to be kept from the marginal classes."""

GRID = 9
"""Group sizes of a grid, where there are more."""


@dataclass(frozen=True)
class Predicted:
    """A plan and what it is predicted to earn.

    Attributes
    ----------
    plan
        With its group size and limits.
    revenue_rate
        Money/s per GPU: the model's figure, never above `bound`.
    bound
        U(M), money/s per GPU.
    """

    plan: Plan
    revenue_rate: float
    bound: float


def revenue_bound(rates: Rates, mixed_share: float) -> float:
    """Return U, which no policy earns more than on a partition; money/s per GPU.

    `mixed_share` is m = M / n, in [0, 1].
    """
    slots, ratio = float(rates.batch_slots), float(rates.speed_ratio)
    most, profit = np.asarray(rates.full_prefill), np.asarray(rates.reward * rates.prefill)
    work = np.asarray(rates.decode_work) + max(ratio - 1, 0.0) * (slots - 1)
    room = ratio * slots * (1 - mixed_share) + max(ratio, 1.0) * (slots - 1) * mixed_share

    def dual(price: float) -> float:
        """Return the bound of a multiplier: the best prefills for the profit that it leaves."""
        worth = profit - price * work
        order = np.argsort(-worth)
        filled = np.minimum(np.cumsum(most[order]), mixed_share)
        taken = np.diff(filled, prepend=0.0)
        return price * room + float(np.maximum(worth[order], 0.0) @ taken)

    highest = float((profit / work).max())
    if highest == 0:
        return 0.0
    least = optimize.minimize_scalar(
        dual, bounds=(0.0, highest), method="bounded", options={"xatol": 1e-9 * highest}
    )
    return min(dual(0.0), dual(highest), float(least.fun))


def predicted_plans(rates: Rates, plan: Plan) -> list[Predicted]:
    """Return the best plan of each group size that was tried, the best of all first.

    Parameters
    ----------
    rates
        Rates of the instance.
    plan
        A bundled plan for n GPUs, whose ranks and targets are kept.

    Returns
    -------
    list of Predicted
        No other group size is predicted to earn more than the first.
    """
    if not any(each.admitted for each in plan.classes):
        return [Predicted(plan, 0.0, 0.0)]
    tried: dict[int, Predicted] = {}

    def bound(size: int) -> float:
        return revenue_bound(rates, size / plan.gpus)

    def attempt(size: int) -> float:
        if size not in tried:
            tried[size] = best_limit(rates, plan, size)
        return tried[size].revenue_rate

    start = max(plan.mixed_gpus, 1)
    beside = min(start + math.isqrt(start), plan.gpus)
    best = max(attempt(start), attempt(beside))
    first = _first(lambda size: bound(size) >= best, 1, start)
    last = -_first(lambda size: bound(-size) >= best, -plan.gpus, -start)
    _search(attempt, first, last)
    return sorted(tried.values(), key=lambda each: (-each.revenue_rate, each.plan.mixed_gpus))


def best_partition(rates: Rates, plan: Plan) -> Plan:
    """Return `plan` with the group size and the limits that are predicted to earn most."""
    return predicted_plans(rates, plan)[0].plan


def best_limit(rates: Rates, plan: Plan, mixed_gpus: int) -> Predicted:
    """Return the best plan of a group size of at least one GPU."""
    ranks = {each.rank for each in plan.classes if each.rank is not None}
    best = predicted(rates, with_reserve(plan, mixed_gpus, 0, int(rates.batch_slots)))
    for reserve in range(1, mixed_gpus if len(ranks) > 1 else 1):
        rival = predicted(rates, with_reserve(plan, mixed_gpus, reserve, int(rates.batch_slots)))
        if rival.revenue_rate <= (1 + WORTH_A_SLOT) * best.revenue_rate:
            break
        best = rival
    return best


def predicted(rates: Rates, plan: Plan) -> Predicted:
    """Return a plan with what it is predicted to earn, and what no other policy can exceed."""
    bound = revenue_bound(rates, plan.mixed_gpus / plan.gpus)
    return Predicted(plan, min(predict(rates, plan).revenue_rate, bound), bound)


def with_reserve(plan: Plan, mixed_gpus: int, reserve: int, batch_slots: int) -> Plan:
    """Return `plan` with M mixed GPUs, `reserve` of their prefill slots kept from the last rank."""
    resized = with_mixed_gpus(plan, mixed_gpus, batch_slots)
    last = max((each.rank for each in plan.classes if each.rank is not None), default=None)
    limit = mixed_gpus - reserve if reserve else None
    classes = tuple(
        each.model_copy(update={"prefill_limit": limit if each.rank == last else None})
        for each in resized.classes
    )
    return resized.model_copy(update={"classes": classes})


def _first(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least number from `low` to `high` for which a monotone claim holds."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _search(attempt: Callable[[int], float], first: int, last: int) -> None:
    """Try every size from `first` to `last`, or ever finer grids where there are too many."""
    most = MOST_SIZES
    while last - first + 1 > most:
        grid = [int(each) for each in np.unique(np.linspace(first, last, GRID).round())]
        place = int(np.argmax([attempt(size) for size in grid]))
        first, last, most = grid[max(place - 1, 0)], grid[min(place + 1, len(grid) - 1)], GRID
    for size in range(first, last + 1):
        attempt(size)
