"""What holds the revenue back: capacities, promises and penalties, in sentences."""

from collections.abc import Iterator, Sequence

from gnr.facts import (
    FULL,
    HOUR,
    gpu_gain,
    money,
    request_gain,
    served_share,
)
from gnr.promise_facts import holds_back, lost_revenue
from gnr.rates import rates_of
from gnr.result import Solution


def bottleneck(solution: Solution) -> str:
    """Return in one sentence what holds the revenue back and what one more GPU would earn."""
    if solution.totals is None:
        return _without_plan(solution)
    gain, scale = gpu_gain(solution), _negligible(solution)
    worth = f"one more GPU would earn {money(gain)} money/s ({money(gain * HOUR)} per hour)"
    slots, held = _short_slots(solution), list(_promises_and_penalties(solution))
    if solution.marginals["prefill_capacity"] is None and (slots or not held):
        mixed = solution.marginals["mixed_decode_capacity"] or 0.0
        what = "prefill and decode both bind" if mixed > scale else "prefill binds"
        more = f", and {_listed(held)} {_hold(held)} the revenue back too" if held else ""
        return f"Every GPU prefills: {what}{more}; {worth}."
    if slots and held:
        return f"{_listed([slots, *held])} hold the revenue back; {worth}."
    if slots:
        return f"{slots} are the bottleneck; {worth}."
    if held:
        return f"No capacity is short: {_listed(held)} {_hold(held)} the revenue back; {worth}."
    if served_share(solution) < 1 - FULL:
        return "More capacity earns nothing: who is not served pays nothing for it."
    return "Nothing binds: the demand is served with room to spare, one more GPU earns nothing."


def below_nothing(solution: Solution) -> list[str]:
    """Return why, under promises and penalties, one more of something may cost money."""
    gains = [request_gain(solution, each) or 0.0 for each in solution.classes]
    largest = float(rates_of(solution.instance).reward.max())
    costs = " and ".join(
        word
        for word, some in (
            ("the promises are harder to keep with it", _hard(solution)),
            ("it adds to the penalties", _soft(solution)),
        )
        if some
    )
    told = []
    if costs and min(gains, default=0.0) < -FULL * largest:
        told.append(f"A request that earns less than nothing costs more than it pays: {costs}.")
    if costs and gpu_gain(solution) < -_negligible(solution):
        told.append(
            "One more GPU earns less than nothing: promises and penalties count per GPU, and it "
            "has its own to keep and to pay."
        )
    return told


def _negligible(solution: Solution) -> float:
    """Return the price up to which a capacity is not short, money/s per unit."""
    return abs(solution.revenue_rate or 0.0) * FULL


def _short_slots(solution: Solution) -> str:
    """Return which decode slots have a price, in words; nothing if none has."""
    short = [
        group
        for group in ("mixed", "solo")
        if (solution.marginals[f"{group}_decode_capacity"] or 0.0) > _negligible(solution)
    ]
    if len(short) == 1 and solution.promises and not solution.disaggregated:
        return f"Decode slots on {short[0]} GPUs"
    return "Decode slots" if short else ""


def _promises_and_penalties(solution: Solution) -> Iterator[str]:
    """Yield the promises that cost revenue and the penalties, if any revenue is lost, in words."""
    lost = lost_revenue(solution) > 0
    hard = [
        each.name
        for each in solution.promises
        if each.bound is not None
        and (holds_back(solution, each) or (lost and each.planned is None))
    ]
    soft = _soft(solution) if lost else []
    for what, names in (("promise", hard), ("penalty on", soft)):
        if names:
            yield f"the {what}{'s' * (names is hard and len(names) > 1)} {_listed(names)}"


def _hard(solution: Solution) -> list[str]:
    return [each.name for each in solution.promises if each.bound is not None]


def _soft(solution: Solution) -> list[str]:
    return [each.name for each in solution.promises if each.bound is None]


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _hold(held: Sequence[str]) -> str:
    return "hold" if len(held) > 1 or held[0].startswith("the promises") else "holds"


def _without_plan(solution: Solution) -> str:
    if solution.conflict is None:
        return f"no plan ({solution.status})"
    return f"no plan, promises in conflict: {', '.join(solution.conflict.promises)}"
