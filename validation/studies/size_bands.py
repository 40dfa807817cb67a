"""What uncertain inputs make of a size: the range of n, and which of them widens it most.

n is taken to change in proportion to the size by square-root staffing, prefilling and other GPUs
each by itself. That size is computed for some draws of the inputs. For many more, and again with
each input known, it is read off a quadratic surface in what the staffing depends on: loads of the
two stations, patience, and what promises on first tokens leave for waiting. The surface also levels
the steps from one whole GPU to the next. Whether promises can be kept at all is computed exactly.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.latency_promise import LatencyPromise
from gnr.models.fewest_gpus import fewest_gpus
from gnr.rates import Rates, compute_rates, rates_of
from gnr.size_band import CONFIDENCE, UNITS, InputEffect, SizeBand, UncertainInput
from gnr.validation.studies.drawn_inputs import drawn, factors, instance_of
from gnr.validation.studies.first_guess import first_guess
from gnr.validation.studies.response_surface import Surface, fit_surface
from gnr.validation.studies.size_search import Vector
from gnr.validation.studies.trials import ABANDONMENT, Size, Task
from gnr.validation.studies.unhindered import spare

DRAWS = 20_020
"""Draws of the inputs: an odd multiple of 20, so that 2.5 % and 97.5 % are points of them."""

STAFFED = 160
"""Draws for which the size is computed."""

SEED = 1

ROUNDING = 1e-6
"""Part of a GPU that is an error of rounding."""

MEANING = (
    "inputs are lognormal and independent of each other; n changes as square-root staffing does; "
    "what single inputs take from the range does not add up; the confidence of the simulation is "
    "not in it"
)


def band_of(
    task: Task,
    found: Size,
    inputs: Sequence[UncertainInput],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> SizeBand:
    """Return the range of n that uncertain inputs leave, and what each of them does to it.

    Parameters
    ----------
    task
        What was sized.
    found
        The cluster that was found for it.
    inputs
        What is uncertain, at least one, each name once; medians are the values sized for.
    draws, seed
        Number and seed of the draws.
    """
    response = _response(task, found, inputs, seed)
    many = factors(inputs, draws, seed)
    sizes = response.sizes(inputs, many)
    low, high = _ends(sizes)
    effects = []
    for place, each in enumerate(inputs):
        without = many.copy()
        without[:, place] = 1.0
        effects.append(_effect(each, response.sizes(inputs, without), high - low))
    effects.sort(key=lambda each: (_or_infinite(each.width_without), each.unkeepable_without))
    return SizeBand(
        gpus=found.gpus,
        low=max(1, math.floor(low + ROUNDING)),
        high=math.ceil(high - ROUNDING) if math.isfinite(high) else None,
        width=_or_none(high - low),
        unkeepable=_unkeepable(sizes),
        analytic=sum(response.nominal),
        surface_error=response.surface.error,
        inputs=tuple(effects),
        draws=draws,
        seed=seed,
        meaning=MEANING,
        warnings=(
            *dict.fromkeys(text for each in inputs for text in each.warnings),
            *response.warnings(),
        ),
    )


@dataclass(frozen=True)
class _Response:
    """n in dependence on the inputs.

    Attributes
    ----------
    task
        What was sized.
    promises
        Promises on percentiles that this model can keep at the values sized for. Others are left
        out, as from first guesses: the simulation knows better.
    nominal
        The size by square-root staffing at these values.
    surface
        Logarithm of n in the coordinates of `_coordinates`.
    without_program
        Share of the other draws for which the fluid program has no answer.
    """

    task: Task
    promises: tuple[LatencyPromise, ...]
    nominal: Vector
    surface: Surface
    without_program: float

    def warnings(self) -> Iterator[str]:
        """Yield what speaks against the range."""
        if self.without_program > 0:
            yield (
                f"for {self.without_program:.1%} of the draws the linear program keeps its "
                "promises with no number of GPUs: the range is that of the others"
            )

    def sizes(self, inputs: Sequence[UncertainInput], drawn_factors: Floats) -> Floats:
        """Return n by draw, shape ``(draws,)``; infinite where no number of GPUs is enough."""
        rates = compute_rates(**drawn(self.task.demanded, inputs, drawn_factors))
        sizes = np.exp(self.surface.at(_coordinates(self.task, self.promises, rates)))
        return np.where(_keepable(self.task, self.promises, rates), sizes, np.inf)


def _response(task: Task, found: Size, inputs: Sequence[UncertainInput], seed: int) -> _Response:
    here = rates_of(task.demanded)
    promises = tuple(each for each in task.percentiles if _keepable(task, (each,), here))
    nominal = _staffed(task, task.demanded)
    assert nominal is not None  # or no size had been found
    tried = np.vstack([np.ones(len(inputs)), factors(inputs, STAFFED, seed + 1)])
    parameters = drawn(task.demanded, inputs, tried)
    rates = compute_rates(**parameters)
    keepable = np.flatnonzero(_keepable(task, promises, rates))
    staffed = {
        draw: _staffed(task, instance_of(task.demanded, parameters, draw))
        for draw in keepable.tolist()
    }
    known = {draw: vector for draw, vector in staffed.items() if vector is not None}
    values = [math.log(_in_proportion(found, vector, nominal)) for vector in known.values()]
    points = _coordinates(task, promises, rates)[list(known)]
    return _Response(
        task,
        promises,
        nominal,
        fit_surface(points, np.array(values)),
        without_program=1 - len(known) / len(staffed),
    )


def _staffed(task: Task, demanded: Instance) -> Vector | None:
    """Return the size by square-root staffing; None where the fluid program has no answer."""
    fluid = None
    if not task.partitioned or any(each.kind != ABANDONMENT for each in task.promises):
        fluid = fewest_gpus(demanded, task.promises, disaggregated=task.policy.disaggregated)
        if fluid is None:
            return None
    return first_guess(replace(task, demanded=demanded), fluid)


def _in_proportion(found: Size, staffed: Vector, nominal: Vector) -> float:
    """Return n, each part of the cluster found changed as the same part of the staffing."""
    prefill = found.prefill_gpus
    parts = (found.gpus,) if prefill is None else (prefill, found.gpus - prefill)
    return math.fsum(
        part * now / before for part, now, before in zip(parts, staffed, nominal, strict=True)
    )


def _keepable(task: Task, promises: Sequence[LatencyPromise], rates: Rates) -> NDArray[np.bool_]:
    """Return whether the promises could be kept if nobody waited, shape ``(...)``."""
    names = [each.name for each in task.demanded.classes]
    spares = [spare(rates, each, names) > 0 for each in promises]
    return np.asarray(np.all([np.ones(rates.prefill.shape[:-1], bool), *spares], axis=0))


def _coordinates(task: Task, promises: Sequence[LatencyPromise], rates: Rates) -> Floats:
    """Return what the staffing depends on, in logarithms, shape ``(..., coordinates)``."""
    names = [each.name for each in task.demanded.classes]
    arrivals = rates.arrival_rate
    total = arrivals.sum(axis=-1)
    numbers = [
        (arrivals / rates.prefill).sum(axis=-1),
        (arrivals / rates.solo_decode).sum(axis=-1),
        total,
        np.broadcast_to(rates.speed_ratio, rates.prefill.shape)[..., 0],
        (arrivals * rates.patience_rate).sum(axis=-1) / total,
        *(spare(rates, each, names) for each in promises if each.latency == "ttft"),
    ]
    return np.asarray(np.log(np.maximum(np.stack(numbers, axis=-1), np.finfo(float).tiny)))


def _effect(uncertain: UncertainInput, without: Floats, width: float) -> InputEffect:
    value = 1.0 if uncertain.value is None else uncertain.value
    low, high = _ends(without)
    left = high - low
    return InputEffect(
        name=uncertain.label,
        in_words=uncertain.in_words,
        value=uncertain.value,
        low=value / (1 + uncertain.share),
        high=value * (1 + uncertain.share),
        unit="" if uncertain.value is None else UNITS[uncertain.quantity],
        source=uncertain.source,
        width_without=_or_none(left),
        vanishing=1 - left / width if width > 0 and math.isfinite(width) else None,
        unkeepable_without=_unkeepable(without),
    )


def _ends(sizes: Floats) -> tuple[float, float]:
    """Return the 2.5 % and the 97.5 % point."""
    ordered = np.sort(sizes)
    below = int((1 - CONFIDENCE) / 2 * (len(sizes) - 1))
    return float(ordered[below]), float(ordered[-1 - below])


def _unkeepable(sizes: Floats) -> float:
    return float(np.isinf(sizes).mean())


def _or_none(width: float) -> float | None:
    return width if math.isfinite(width) else None


def _or_infinite(width: float | None) -> float:
    return math.inf if width is None else width
