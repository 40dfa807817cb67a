"""The batch at which a plan and the law of the iteration time agree.

The optimal plan says how many requests a GPU decodes at a time, that batch says how long an
iteration takes, and on that the plan depends. The iteration goes from plan to batch and back, in
ever shorter steps where it circles, from an empty, a half-full and a full batch, and from more
where it does not settle. Slower iterations keep requests longer, so that more of them decode at a
time, and make a plan choose other requests: there can be several points, each with its own regime.

None need be found: the plan that is reported jumps where two are equally good, and the iteration
can circle around such a jump. The batch where the steps became too short is then returned, and said
not to be settled.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.batch_law import BatchLaw
from gnr.calibration_result import OperatingPoint
from gnr.errors import NoOptimumError, Problem
from gnr.instance import Instance, IterationTime
from gnr.models.steady_state import solve
from gnr.result import Solution

TOLERANCE = 1e-9
"""Relative change of the iteration times at which the iteration has arrived."""

SAME_POINT = 1e-6
"""Relative difference of iteration times below which two points are one."""

MOST_STEPS = 200
"""Most programs solved from one start."""

LEAST_DAMPING = 2.0**-20
"""Smallest step, as a share of the way to the next batch."""

STARTS = {
    "an empty batch": (0.0, 0.0),
    "a half-full batch": (0.5, 0.5),
    "a full batch": (1.0, 1.0),
}
"""Shares of the decode slots that are taken beside a prefill and elsewhere, to begin with."""

MORE_STARTS = {
    f"{mixed:.0%} of the slots taken beside a prefill, {solo:.0%} elsewhere": (mixed, solo)
    for mixed in (0.0, 0.25, 0.75, 1.0)
    for solo in (0.0, 0.25, 0.75, 1.0)
    if (mixed, solo) not in STARTS.values()
}
"""Where else it begins if it did not settle from one of these."""


@dataclass(frozen=True)
class Batch:
    """What a GPU processes in an iteration, on average.

    Attributes
    ----------
    mixed, solo
        Decodes of a GPU with a prefill and of one without, and the tokens of context they read.
    prefix
        Prompt tokens before the chunk.
    """

    mixed: tuple[float, float]
    solo: tuple[float, float]
    prefix: float

    def towards(self, other: "Batch", share: float) -> "Batch":
        """Return the batch on the way to another."""
        here, there = self._numbers(), other._numbers()
        a, b, c, d, e = here + share * (there - here)
        return Batch((a, b), (c, d), e)

    def _numbers(self) -> Floats:
        return np.array([*self.mixed, *self.solo, self.prefix])


def operating_points(
    instance: Instance, law: BatchLaw, variation: float = 1.0
) -> tuple[OperatingPoint, ...]:
    """Return the points where plan and law agree, the fastest first.

    If the iteration settles nowhere, the one point at which it came nearest to agreement.

    Parameters
    ----------
    instance
        Classes, prices, slots and chunk; its iteration time is not used.
    law
        The iteration time by batch.
    variation
        Squared coefficient of variation of prompt and output lengths: 1 for the exponential ones
        of the model. It says how much context a decode reads on average.

    Raises
    ------
    NoOptimumError
        If no plan exists at an iteration time on the way.
    """
    tried = [_settle(instance, law, variation, *start) for start in STARTS.items()]
    if not all(each.settled for each in tried):
        tried += [_settle(instance, law, variation, *start) for start in MORE_STARTS.items()]
    settled = [each for each in tried if each.settled]
    if not settled:
        return (min(tried, key=lambda each: each.change),)
    found: list[OperatingPoint] = []
    for point in settled:
        if all(_apart(each, point) >= SAME_POINT for each in found):
            found.append(point)
    return tuple(sorted(found, key=lambda each: each.mixed_time))


def _apart(one: OperatingPoint, other: OperatingPoint) -> float:
    return max(
        abs(one.mixed_time / other.mixed_time - 1),
        abs(one.iteration_time.decode_only / other.iteration_time.decode_only - 1),
    )


def _settle(
    instance: Instance, law: BatchLaw, variation: float, start: str, shares: tuple[float, float]
) -> OperatingPoint:
    """Follow plan and batch from one start until they agree, in shorter steps if they circle."""
    batch, damping, before = _filled(instance, variation, *shares), 1.0, np.zeros(2)
    for step in range(1, MOST_STEPS + 1):
        line = _line(instance, law, batch)
        solution = _solved(instance, line)
        planned = _batch_of(solution, variation)
        times, next_times = _times(instance, law, batch), _times(instance, law, planned)
        move = np.log(next_times / times)
        change = float(np.max(np.abs(move)))
        arrived = change < TOLERANCE
        if arrived or step == MOST_STEPS or damping < LEAST_DAMPING:
            return _point(instance, planned, line, solution, start, step, change)
        if move @ before < 0:  # it has gone too far, or circles
            damping /= 2
        before = move
        batch = batch.towards(planned, damping)
    raise AssertionError("the last step returns")


def _line(instance: Instance, law: BatchLaw, batch: Batch) -> IterationTime:
    return law.line_at(instance.gpu.chunk_tokens, batch.prefix, batch.mixed, batch.solo)


def _times(instance: Instance, law: BatchLaw, batch: Batch) -> Floats:
    line = _line(instance, law, batch)
    mixed = line.base + line.per_chunk_token * instance.gpu.chunk_tokens
    return np.array([mixed, line.decode_only])


def _solved(instance: Instance, line: IterationTime) -> Solution:
    gpu = instance.gpu.model_copy(update={"iteration_time": line})
    solution = solve(instance.model_copy(update={"gpu": gpu}))
    if solution.status != "optimal":
        message = (
            f"no plan exists at iteration times of {line.decode_only:.4g} s alone and "
            f"{line.base + line.per_chunk_token * gpu.chunk_tokens:.4g} s beside a prefill"
        )
        remedy = "lower the rates, loosen the promises, or give every class a patience above 0"
        raise NoOptimumError([Problem("operating-point", instance.name, "", message, remedy)])
    return solution


def _contexts(instance: Instance, variation: float) -> Floats:
    """Return the mean context of a decoding request by class, tokens.

    A request is seen in proportion to its output length, and half-way through it on average.
    """
    longer = (1 + variation) / 2
    return np.array([each.prompt_tokens + longer * each.output_tokens for each in instance.classes])


def _prefixes(instance: Instance, variation: float) -> Floats:
    """Return by class the prompt tokens before a chunk, on average over the chunks."""
    chunk, longer = instance.gpu.chunk_tokens, (1 + variation) / 2
    half = [(longer * each.prompt_tokens - chunk / 2) for each in instance.classes]
    return np.array([max(each, 0.0) for each in half])


def mean_context(instance: Instance, variation: float) -> float:
    """Return the context of a decoding request where all classes are served alike, tokens."""
    weights = np.array([each.arrival_rate * each.output_tokens for each in instance.classes])
    return float(weights @ _contexts(instance, variation) / weights.sum())


def _filled(instance: Instance, variation: float, mixed: float, solo: float) -> Batch:
    """Return batches with shares of the decode slots taken, of all classes alike."""
    slots = instance.gpu.batch_slots
    context = mean_context(instance, variation)
    work = np.array([each.arrival_rate * each.prompt_tokens for each in instance.classes])
    prefix = float(work @ _prefixes(instance, variation) / work.sum())
    here, there = mixed * (slots - 1), solo * slots
    return Batch((here, here * context), (there, there * context), prefix)


def _batch_of(solution: Solution, variation: float) -> Batch:
    """Return the batch of a plan; where it has no GPU of a kind, that of a full one."""
    instance, slots = solution.instance, solution.instance.gpu.batch_slots
    contexts, full = _contexts(instance, variation), _filled(instance, variation, 1.0, 1.0)
    rows = solution.classes
    prefill = np.array([each.prefill for each in rows])
    mixed_gpus = float(prefill.sum())

    def decoding(each: Iterator[float], gpus: float, most: float) -> tuple[float, float] | None:
        if gpus <= 0:
            return None
        held = np.array(list(each)) / gpus
        held *= min(1.0, most / held.sum()) if held.sum() > 0 else 1.0
        return float(held.sum()), float(held @ contexts)

    mixed = decoding((each.mixed_decode for each in rows), mixed_gpus, slots - 1)
    solo = decoding((each.solo_decode for each in rows), 1 - mixed_gpus, slots)
    prefix = (
        float(prefill @ _prefixes(instance, variation) / mixed_gpus) if mixed_gpus > 0 else None
    )
    return Batch(
        full.mixed if mixed is None else mixed,
        full.solo if solo is None else solo,
        full.prefix if prefix is None else prefix,
    )


def _point(
    instance: Instance,
    batch: Batch,
    line: IterationTime,
    solution: Solution,
    start: str,
    steps: int,
    change: float,
) -> OperatingPoint:
    mixed_time = line.base + line.per_chunk_token * instance.gpu.chunk_tokens
    return OperatingPoint(
        iteration_time=line,
        mixed_time=mixed_time,
        speed_ratio=mixed_time / line.decode_only,
        mixed_decodes=batch.mixed[0],
        mixed_context_tokens=batch.mixed[1],
        solo_decodes=batch.solo[0],
        solo_context_tokens=batch.solo[1],
        prefix_tokens=batch.prefix,
        revenue_rate=float(solution.revenue_rate or 0.0),
        mixed_gpus=float(sum(each.prefill for each in solution.classes)),
        started_from=start,
        steps=steps,
        change=change,
        settled=change < SAME_POINT,
    )
