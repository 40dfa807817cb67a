"""Draws of uncertain inputs, and the demands they make."""

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.rates import parameters_of
from gnr.size_band import CONFIDENCE, Quantity, UncertainInput

FIELDS: dict[Quantity, tuple[str, ...]] = {
    "demand": ("arrival_rate",),
    "prompt_tokens": ("prompt_tokens",),
    "output_tokens": ("output_tokens",),
    "patience": ("patience_rate",),
    "mixed_time": ("base", "per_chunk_token"),
    "decode_only": ("decode_only",),
    "iteration_time": ("base", "per_chunk_token", "decode_only"),
}
"""Fields of an instance that a quantity multiplies; a patience divides its rate."""

CLASS_FIELDS = ("prompt_tokens", "output_tokens", "arrival_rate", "patience_rate")
TIME_FIELDS = ("base", "per_chunk_token", "decode_only")

SHORTEST = {"prompt_tokens": 1.0, "output_tokens": 1.0}
"""Least values, as in an instance file."""

Parameters = dict[str, Any]
"""Arguments of `gnr.rates.compute_rates`."""


def factors(inputs: Sequence[UncertainInput], draws: int, seed: int) -> Floats:
    """Return lognormal factors with median 1, shape ``(draws, inputs)``: a Latin hypercube.

    Those of an input depend on its name alone: neither the order of the inputs nor what else is
    uncertain changes them.
    """
    quantile = float(special.ndtri((1 + CONFIDENCE) / 2))
    middles = special.ndtri((np.arange(draws) + 0.5) / draws) / quantile
    columns = [
        np.random.default_rng([seed, zlib.crc32(each.label.encode())]).permutation(middles)
        * math.log1p(each.share)
        for each in inputs
    ]
    return np.exp(np.stack(columns, axis=1))


def drawn(
    instance: Instance, inputs: Sequence[UncertainInput], drawn_factors: Floats
) -> Parameters:
    """Return the parameters of an instance under factors of shape ``(draws, inputs)``.

    Class parameters have shape ``(draws, classes)``, iteration times ``(draws, 1)``.
    """
    draws = len(drawn_factors)
    found = dict(parameters_of(instance))
    for field in (*CLASS_FIELDS, *TIME_FIELDS):
        found[field] = np.tile(np.atleast_1d(found[field]), (draws, 1))
    names = [each.name for each in instance.classes]
    for each, column in zip(inputs, drawn_factors.T, strict=True):
        by = 1 / column if each.quantity == "patience" else column
        place = slice(None) if each.class_name is None else [names.index(each.class_name)]
        for field in FIELDS[each.quantity]:
            found[field][:, place] *= by[:, None]
    for field, least in SHORTEST.items():
        found[field] = np.maximum(found[field], least)
    return found


def instance_of(instance: Instance, parameters: Parameters, draw: int) -> Instance:
    """Return the instance with the parameters of one draw."""
    classes = tuple(
        each.model_copy(update={field: float(parameters[field][draw, k]) for field in CLASS_FIELDS})
        for k, each in enumerate(instance.classes)
    )
    times = {field: float(parameters[field][draw, 0]) for field in TIME_FIELDS}
    time = instance.gpu.iteration_time.model_copy(update=times)
    gpu = instance.gpu.model_copy(update={"iteration_time": time})
    return instance.model_copy(update={"classes": classes, "gpu": gpu})
