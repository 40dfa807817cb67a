"""Which kind of instance one is, and what figures of it comparison runs can be held against."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from gnr.rates import rates_of
from gnr.recommendation import Kind
from gnr.result import Solution

AT_BOUND = 1e-9
"""Share of a class's largest prefill occupancy within which it counts as at a bound."""

MOSTLY = 0.5
"""Share of mixed GPUs above which the plan keeps most GPUs mixed."""

TITLES: Mapping[Kind, str] = MappingProxyType(
    {
        "light": "everybody can be served",
        "mostly_solo": "overload, most GPUs only decode",
        "mostly_mixed": "overload, most GPUs prefill",
        "two_marginal": "overload, two classes partly turned away",
        "slow_solo": "overload, solo decodes too slow for the theory, kappa < (B-1)/B",
        "separate_prefill": "overload, separate pricing, prompts worth more than the slots they "
        "take",
        "separate_decode": "overload, separate pricing, prompts worth less than the slots they "
        "take",
        "mean_tpot": "a promised mean_tpot",
        "token_tpot": "a promised token_tpot",
        "other_promises": "other promises or penalties",
    }
)
"""Every kind in words."""


def kind_of(solution: Solution) -> Kind:
    r"""Return the kind of an instance that has an optimum; the first that fits, in this order.

    With penalties, or promises that cost something, they tell. A plan that serves everybody comes
    next. Under separate pricing it is asked whether :math:`c_pC>c_d(\kappa B-(B-1))` (THEORY 12);
    where :math:`\kappa<(B-1)/B` the theory ends (Proposition 3.2). Else the plan tells: how many
    classes it serves in part, and which share of the GPUs it mixes.
    """
    rates = rates_of(solution.instance)
    if any(each.bound is None or each.price != 0 for each in solution.promises):
        return _promised_kind(solution)
    if serves_everybody(solution):
        return "light"
    if solution.scheme == "separate":
        pays = rates.prompt_price * rates.chunk_tokens > rates.output_price * rates.mixing_cost
        return "separate_prefill" if pays else "separate_decode"
    if rates.mixing_cost < 0:
        return "slow_solo"
    if partly_served(solution) > 1:
        return "two_marginal"
    return "mostly_mixed" if mixed_share(solution) > MOSTLY else "mostly_solo"


def _promised_kind(solution: Solution) -> Kind:
    if solution.scheme == "separate" or len(solution.instance.slis) > 1:
        return "other_promises"
    (promise,) = solution.instance.slis
    if promise.at_most is None or promise.class_name is not None:
        return "other_promises"
    if promise.kind == "mean_tpot":
        return "mean_tpot"
    return "token_tpot" if promise.kind == "token_tpot" else "other_promises"


def serves_everybody(solution: Solution) -> bool:
    """Tell whether the plan turns nobody away, before prefill or before decode."""
    largest = rates_of(solution.instance).full_prefill
    waiting = sum(each.decode_queue for each in solution.classes)
    prefill = np.array([each.prefill for each in solution.classes])
    return bool(np.all(prefill >= (1 - AT_BOUND) * largest)) and waiting <= AT_BOUND


def partly_served(solution: Solution) -> int:
    """Return how many classes the plan neither admits in full nor shuts out."""
    shares = [
        each.prefill / largest
        for each, largest in zip(
            solution.classes, rates_of(solution.instance).full_prefill, strict=True
        )
    ]
    return sum(AT_BOUND < share < 1 - AT_BOUND for share in shares)


def mixed_share(solution: Solution) -> float:
    """Return the share of the GPUs that the plan mixes, X."""
    return sum(each.prefill for each in solution.classes)


def figures_of(solution: Solution) -> dict[str, float]:
    """Return the figures of an instance by which it may lie outside of what was measured.

    Batch slots, classes, kappa, the planned share of mixed GPUs, and the load: the larger of
    prefill and decode load with everybody served, shares of what there is.
    """
    rates = rates_of(solution.instance)
    return {
        "batch_slots": float(rates.batch_slots),
        "classes": float(rates.classes),
        "speed_ratio": float(rates.speed_ratio),
        "mixed_share": mixed_share(solution),
        "load": float(max(rates.prefill_load, rates.decode_load)),
    }
