"""A serving engine with one GPU, step by step, written without the package.

It schedules as engines with chunked prefill do: every step all decodes emit one token, and what is
left of a budget of tokens goes to prompts, first come, first served. Single habits can be left out,
to see what each of them is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

StepTime = Callable[[int, float, int, float], float]
"""Time of a step, s: chunk tokens, prefix, decodes, context of all decodes."""


@dataclass(frozen=True)
class Habits:
    """How an engine schedules.

    Attributes
    ----------
    slots, budget
        Most requests that run; most tokens of a step.
    several_prompts
        Whether a step may process more than one prompt.
    shared_budget
        Whether decodes count towards the budget.
    late_slots
        Steps that a slot stays empty after its request has ended.
    """

    slots: int = 128
    budget: int = 2048
    several_prompts: bool = True
    shared_budget: bool = True
    late_slots: int = 0


@dataclass
class _Running:
    number: int
    done: int = 0


def serve(
    arrival: Floats, prompt: Floats, output: Floats, step_time: StepTime, habits: Habits
) -> tuple[Floats, Floats]:
    """Return when the first and the last token of each request come, s; arrays ``(requests,)``."""
    first, last = np.full(len(arrival), np.nan), np.full(len(arrival), np.nan)
    now, coming, ended = 0.0, 0, 0
    waiting: list[int] = []
    prefilling: list[_Running] = []
    decoding: list[_Running] = []
    empty: list[int] = []
    while ended < len(arrival):
        while coming < len(arrival) and arrival[coming] <= now:
            waiting.append(coming)
            coming += 1
        budget = habits.budget - (len(decoding) if habits.shared_budget else 0)
        chunks: list[tuple[_Running, int]] = []
        for one in prefilling:
            take = min(int(prompt[one.number]) - one.done, budget)
            if take > 0:
                chunks.append((one, take))
                budget -= take
        while (
            waiting
            and budget > 0
            and len(decoding) + len(prefilling) + len(empty) < habits.slots
            and (habits.several_prompts or not prefilling)
        ):
            one = _Running(waiting.pop(0))
            prefilling.append(one)
            take = min(int(prompt[one.number]), budget)
            chunks.append((one, take))
            budget -= take
        empty = [left - 1 for left in empty if left > 1]
        if not decoding and not chunks:
            now = float(arrival[coming])
            continue
        chunk = sum(take for _, take in chunks)
        pairs = sum(take * (one.done + take / 2) for one, take in chunks)
        prefix = max(pairs / chunk - chunk / 2, 0.0) if chunk else 0.0
        context = float(sum(prompt[one.number] + one.done for one in decoding))
        now += step_time(chunk, prefix, len(decoding), context)
        for one in decoding:
            one.done += 1
        for one, take in chunks:
            one.done += take
            if one.done >= prompt[one.number]:
                prefilling.remove(one)
                first[one.number], one.done = now, 1
                decoding.append(one)
        for one in [each for each in decoding if each.done >= output[each.number]]:
            decoding.remove(one)
            last[one.number] = now
            ended += 1
            if habits.late_slots:
                empty.append(habits.late_slots)
    return first, last
