"""What promises and penalties mean for a planner, in numbers and sentences; no layout here."""

import math
import re
from collections.abc import Iterable

from gnr.facts import FULL, HOUR, money
from gnr.result import KeepablePromise, PlannedPromise, Solution

SOME_STEP = 0.01
"""Step that is priced where the bound itself is 0."""


def slope_of(solution: Solution, promise: PlannedPromise) -> float:
    """Return what a promise that is looser by a unit would earn at first, money/s per GPU.

    Of a penalty its weight: what a unit less would save.
    """
    ends = None if solution.unique is None else solution.unique.ranges.marginals.get(promise.name)
    if ends is None:
        return abs(promise.price)
    right, left = ends
    return abs((right if promise.direction == "at_most" else left) or 0.0)


def holds_back(solution: Solution, promise: PlannedPromise) -> bool:
    """Whether the plan would earn more if a promise were a little looser."""
    gain = slope_of(solution, promise) * _step(promise)
    return promise.bound is not None and gain > FULL * abs(solution.revenue_rate or 0.0)


def promised(promise: PlannedPromise) -> str:
    """Return the bound of a promise in words."""
    if promise.bound is None:
        return "penalty"
    return f"{promise.direction.replace('_', ' ')} {promise.bound:.6g}"


def price_sentences(solution: Solution) -> list[str]:
    """Return what a looser promise would earn at first, and what penalties come to."""
    told, sloped = [], False
    for each in solution.promises:
        if each.bound is None:
            weight = f"{money(each.penalty)} money/s per GPU ({money(each.penalty * HOUR)} per"
            told.append(f"{each.name}: the penalty comes to {weight} GPU-hour).")
        elif holds_back(solution, each):
            step = _step(each)
            gain = slope_of(solution, each) * step
            told.append(
                f"{each.name}: looser, it earns at first {money(gain)} money/s per GPU "
                f"({money(gain * HOUR)} per GPU-hour) for each {quantity(step, each.unit)}."
            )
            sloped = True
    if sloped:
        told.append("How far that holds is traced by `gnr frontier`.")
    return told


def lost_revenue(solution: Solution) -> float:
    """Return what promises and penalties cost in revenue, money/s per GPU; 0 up to rounding."""
    free, kept = solution.unpromised_revenue_rate, solution.revenue_rate
    if free is None or kept is None or free - kept <= FULL * abs(free):
        return 0.0
    return free - kept


def asked_for(penalised: Iterable[bool]) -> str:
    """Return what there is, promises or penalties or both, in words."""
    kinds = set(penalised)
    return " and ".join(name for name, soft in (("promises", False), ("penalties", True))
                        if soft in kinds)  # fmt: skip


def cost_sentences(solution: Solution) -> list[str]:
    """Return what is left after penalties, and what the plan would earn with nothing to keep."""
    told, kept = [], solution.revenue_rate or 0.0
    if solution.penalty:
        left = kept - solution.penalty
        told.append(
            f"After penalties it leaves {money(left)} money/s per GPU, {money(left * HOUR)} per "
            "GPU-hour; no other plan leaves more."
        )
    if solution.unpromised_revenue_rate is None:
        return told
    what = asked_for(each.bound is None for each in solution.promises)
    lost = lost_revenue(solution)
    if not lost:
        told.append(f"Without its {what} it would earn no more.")
    else:
        share = f" ({lost / kept:.1%} more)" if kept > 0 else ""
        free = money(solution.unpromised_revenue_rate)
        told.append(f"Without its {what} it would earn {free} money/s per GPU{share}.")
    return told


def quantity(value: float, unit: str) -> str:
    """Return a value with its unit; times below a second in ms, fractions *of* something."""
    if unit == "s" and abs(value) < 1:
        return with_unit(f"{1e3 * value:.6g}", "ms")
    return with_unit(f"{value:.6g}", unit)


def with_unit(number: str, unit: str) -> str:
    """Return a number with its unit, one request and several requests, fractions *of* something."""
    for noun in ("request", "token") if number == "1" else ():
        unit = re.sub(f"^{noun}s\\b", noun, unit)
    return f"{number} {unit.removeprefix('fraction ')}"


def conflict_sentences(solution: Solution) -> list[str]:
    """Return which promises cannot be kept, and what could be promised instead."""
    conflict = solution.conflict
    if conflict is None:
        return []
    *others, last = conflict.promises
    if not others:
        told = [f"No plan exists: the promise {last} cannot be kept."]
    else:
        told = [
            f"No plan exists: {', '.join(others)} and {last} cannot be kept together; any fewer "
            "of them can."
        ]
    told.append("What can be kept, all else in the file as it is:")
    told += [f"  {_way_out(each)}" for each in conflict.keepable]
    if conflict.penalties:
        told.append(
            f"Penalising {' and '.join(conflict.penalties)} comes with an empty decode buffer "
            "(eqs. P43, P45); without that the promises can be kept."
        )
    return told


def planned_words(solution: Solution) -> str:
    """Return in one line what the plan attains of each promise and penalty."""
    told = [
        f"{each.name} {_bound(each)} (planned "
        f"{'-' if each.planned is None else quantity(each.planned, each.unit)})"
        for each in solution.promises
    ]
    return f"Promises: {'; '.join(told)}."


def _bound(promise: PlannedPromise) -> str:
    if promise.bound is None:
        return "penalised"
    return f"{promise.direction.replace('_', ' ')} {quantity(promise.bound, promise.unit)}"


def _step(promise: PlannedPromise) -> float:
    """Return a round step of some percent of the bound."""
    bound = abs(promise.bound or 0.0)
    return 10.0 ** (math.floor(math.log10(bound)) - 1) if bound else SOME_STEP


def _way_out(one: KeepablePromise) -> str:
    if one.clashing_without:
        *others, last = one.clashing_without
        clash = f"{', '.join(others)} and {last} cannot be kept together"
        rest = clash if others else f"{last} cannot be kept"
        return f"{one.name}: leaving it out does not help, {rest} either"
    if one.nearest is None:
        return f"{one.name}: leave it out; no bound of it can be kept beside the others"
    return (
        f"{one.name}: {one.direction} = {one.nearest:.12g} instead of {one.bound:.12g} ({one.unit})"
    )
