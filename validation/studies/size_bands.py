"""What uncertain inputs make of a size: the range of n, and which of them widens it most."""

import math
from collections.abc import Sequence

import numpy as np

from gnr.arrays import Floats
from gnr.size_band import CONFIDENCE, UNITS, InputEffect, SizeBand, UncertainInput
from gnr.validation.studies.drawn_inputs import factors
from gnr.validation.studies.size_response import response_of
from gnr.validation.studies.trials import Size, Task

DRAWS = 20_020
"""Draws of the inputs: an odd multiple of 20, so that 2.5 % and 97.5 % are points of them."""

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
    response = response_of(task, found, inputs, seed)
    many = factors(inputs, draws, seed)
    sizes = response.sizes(many)
    low, high = _ends(sizes)
    effects = []
    for place, each in enumerate(inputs):
        without = many.copy()
        without[:, place] = 1.0
        effects.append(_effect(each, response.sizes(without), high - low))
    effects.sort(key=lambda each: (_or_infinite(each.width_without), each.unkeepable_without))
    return SizeBand(
        gpus=found.gpus,
        low=max(1, math.floor(low + ROUNDING)) if math.isfinite(low) else None,
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
