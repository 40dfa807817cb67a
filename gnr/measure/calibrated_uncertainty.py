"""How uncertain iteration times are, by a document of `gnr calibrate`."""

import math
from pathlib import Path

import numpy as np

from gnr.calibration_result import Calibration
from gnr.demand import Demand
from gnr.instance import Instance
from gnr.measure.line_fit import LEAST_POINTS, fit_line
from gnr.measure.uncertain_documents import Reading, Told, read_document, reading_of
from gnr.rates import mixed_iteration_time


def read_calibration(path: Path, instance: Instance, demand: Demand) -> Reading:
    """Return how uncertain the iteration times are.

    The mixed time is varied as a whole, at the chunk of the instance: errors of alpha and beta go
    together. Its half-width is that of the line there, by the jackknife over the points of the
    curve that the document has or, if larger, the largest error of the line at a point; where the
    times were taken from the law at an operating point, the error that 95 % of its batches stay
    below. The decode-only time has the half-width of the document. Both are taken as independent.

    Raises
    ------
    InputError
        If the file cannot be read or is not such a document.
    """
    told = _iteration_times(read_document(path, Calibration, "calibrate"), instance)
    return reading_of(path, told, instance, demand, "calibrate")


def _iteration_times(found: Calibration, instance: Instance) -> list[Told]:
    chunk = float(instance.gpu.chunk_tokens)
    base, slope = found.line.base.value, found.line.per_chunk_token.value
    solo, half_width = found.decode_only.value, found.decode_only.half_width
    solo_share = None if half_width is None or solo == 0 else abs(half_width / solo)
    warnings: tuple[str, ...] = ()
    if found.operating_points:
        time = found.iteration_time
        base, slope, solo = time.base, time.per_chunk_token, time.decode_only
    elif not found.line.chunk_tokens[0] <= chunk <= found.line.chunk_tokens[1]:
        low, high = found.line.chunk_tokens
        warnings = (f"the line holds from C = {low:g} to {high:g}, and C is {chunk:g}",)
    mixed = float(mixed_iteration_time(base, slope, chunk))
    return [
        Told(("mixed_time", None), mixed, _mixed_share(found, chunk), warnings),
        Told(("decode_only", None), solo, solo_share),
    ]


def _mixed_share(found: Calibration, chunk: float) -> float | None:
    """Return the relative half-width of the mixed iteration time at a chunk."""
    low, high = found.line.chunk_tokens
    points = [
        (each.chunk_tokens - chunk, each.seconds)
        for each in found.curve
        if low <= each.chunk_tokens <= high and not each.outlier and 0 < each.seconds < math.inf
    ]
    if len(points) < LEAST_POINTS:
        return None
    # Seen from this chunk the base of the line is the time there.
    line = fit_line(*np.array(points).T)
    error = found.law_errors.p95 if found.operating_points else found.line.max_error
    return max(abs(line.base_half_width / line.base), abs(error))
