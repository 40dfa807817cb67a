"""Fit the straight line of (P3) to mixed iteration times, and say where it is good."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from gnr.arrays import Floats
from gnr.batch_law import BatchLaw
from gnr.measure.iteration_times import IterationTimes
from gnr.measure.law_fit import LawFit, far_off, fit_decode_only

Solve = Callable[[Floats, Floats], tuple[float, float]]
"""Base and slope of a line through points."""

CONFIDENCE = 0.95
"""Of all intervals."""

WINDOW = np.log(2) / 2
"""How far, in logarithms, a batch may be from the one asked for to be moved there by the law."""

LEAST_POINTS = 4
"""Chunk sizes that a line is fitted to, at least: any two are on one."""

MOST_POINTS = 64
"""Chunk sizes that are kept apart; more are gathered in bins."""

SPIKE, SPIKE_DEVIATIONS = np.log(1.15), 5.0
"""How far a point must be from the line between its neighbours to be taken for an outlier."""

FLAT = 0.05
"""Slope, relative to time over chunk, below which a curve is flat and has no bend."""

HALF_AN_OCTAVE = 1.43
"""Ratio of neighbouring chunk sizes up to which a change is a step, not the shape."""

LEAST_LEFT_OUT = 6
"""Measured batches below which `solo_time_at` has no interval."""

MOST_LEFT_OUT = 200
"""Measured batches that are left out in turn for an interval, the closest ones."""

NEAR = 0.1
"""Distance, in logarithms, within which measured batches count alike in `solo_time_at`."""


@dataclass(frozen=True)
class Curve:
    """Mixed iteration times by chunk at one batch; arrays of shape ``(points,)``.

    Attributes
    ----------
    chunk
        Chunk sizes, tokens, rising.
    seconds
        Median iteration times, s.
    prefix
        Prompt tokens before the chunk.
    moved
        Points with a measurement that the law moved to this batch.
    spikes
        Chunk sizes and times of what was set aside.
    """

    chunk: Floats
    seconds: Floats
    prefix: float
    moved: int
    spikes: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """alpha + beta C over a range of chunks; half-widths are of 95 % intervals.

    Attributes
    ----------
    base, per_chunk_token
        alpha, s, and beta, s/token.
    base_half_width, per_chunk_token_half_width
        Their uncertainty.
    r_squared
        Share of the variance of the times that the line explains; None where they do not vary.
    errors
        Line over measurement less 1, by point.
    chunk
        The points' chunk sizes.
    """

    base: float
    per_chunk_token: float
    base_half_width: float
    per_chunk_token_half_width: float
    r_squared: float | None
    errors: Floats
    chunk: Floats

    @property
    def worst(self) -> tuple[float, float]:
        """Return the largest relative error and the chunk it is at."""
        place = int(np.argmax(np.abs(self.errors)))
        return float(abs(self.errors[place])), float(self.chunk[place])


def measured_batches(times: IterationTimes) -> list[tuple[float, float, int]]:
    """Return decodes, context of each and number of chunk sizes of every batch, most first.

    Of those with as many the one in the middle, by the context that all decodes read, comes first.
    """
    mixed = times[times.mixed & (times.decodes > 0)]
    batches = np.stack([mixed.decodes, mixed.context], axis=1)
    found = []
    for batch in np.unique(batches, axis=0):
        same = (batches == batch).all(axis=1)
        found.append((float(batch[0]), float(batch[1]), len(np.unique(mixed.chunk[same]))))
    found.sort(key=lambda each: (-each[2], each[0] * each[1]))
    most = sum(each[2] == found[0][2] for each in found) if found else 0
    return found[most // 2 : most] + found[: most // 2] + found[most:]


def curve_at(
    times: IterationTimes, fit: LawFit, decodes: float, context: float, prefix: float
) -> Curve:
    """Return the mixed iteration times by chunk at a batch.

    Rows measured at it are taken or, where these have too few chunk sizes, rows within `WINDOW` of
    it, moved there by the ratio of the law between the two; of the chunks with the prefix nearest
    to `prefix`.
    """
    mixed = times.mixed & ~fit.outliers
    distance = _distance(times, decodes, context)
    rows = times[mixed & (distance == 0)]
    if len(np.unique(rows.chunk)) < LEAST_POINTS:
        rows = times[mixed & (distance <= WINDOW)]
    nearest = prefix
    if len(rows):
        nearest = float(rows.prefix[np.argmin(np.abs(rows.prefix - prefix))])
        rows = rows[rows.prefix == nearest]
    here = fit.law.mixed_time(rows.chunk, rows.prefix, decodes, decodes * context)
    there = fit.law.mixed_time(rows.chunk, rows.prefix, rows.decodes, rows.total_context)
    exact = (rows.decodes == decodes) & (rows.context == context)
    chunk, seconds, moved = _by_chunk(rows.chunk, rows.seconds * here / there, ~exact)
    chunk, seconds, spikes = _without_spikes(chunk, seconds)
    return Curve(chunk, seconds, nearest, moved, spikes)


def _distance(times: IterationTimes, decodes: float, context: float) -> Floats:
    """Return how far batches are from one, in logarithms; without decodes context is nothing."""
    apart = np.abs(np.log(np.maximum(times.decodes, 0.5) / max(decodes, 0.5)))
    if decodes > 0:
        far = np.abs(np.log(np.maximum(times.context, 1.0) / max(context, 1.0)))
        apart = np.maximum(apart, far)
    return apart


def _by_chunk(
    chunk: Floats, seconds: Floats, moved: NDArray[np.bool_]
) -> tuple[Floats, Floats, int]:
    """Return medians by chunk size, or by bins of it where there are very many sizes."""
    sizes = np.unique(chunk)
    if len(sizes) <= MOST_POINTS:
        member = np.searchsorted(sizes, chunk)
    else:
        edges = np.geomspace(sizes[0], sizes[-1], MOST_POINTS + 1)[1:-1]
        member = np.searchsorted(edges, chunk)
    found = [member == each for each in np.unique(member)]
    return (
        np.array([np.median(chunk[each]) for each in found]),
        np.array([np.median(seconds[each]) for each in found]),
        sum(bool(moved[each].any()) for each in found),
    )


def _without_spikes(
    chunk: Floats, seconds: Floats
) -> tuple[Floats, Floats, tuple[tuple[float, float], ...]]:
    """Set aside single points far from the line between their neighbours, the furthest first."""
    spikes = []
    while len(chunk) > LEAST_POINTS:
        inside = np.array(
            [
                np.interp(chunk[k], chunk[[k - 1, k + 1]], seconds[[k - 1, k + 1]])
                for k in range(1, len(chunk) - 1)
            ]
        )
        off = np.log(seconds[1:-1] / inside)
        far = far_off(off, SPIKE, SPIKE_DEVIATIONS)
        if not far.any():
            break
        worst = 1 + int(np.argmax(np.abs(off)))
        spikes.append((float(chunk[worst]), float(seconds[worst])))
        chunk, seconds = np.delete(chunk, worst), np.delete(seconds, worst)
    return chunk, seconds, tuple(sorted(spikes))


def fit_line(chunk: Floats, seconds: Floats) -> Line:
    """Return the line with the least squared relative error; intervals by the jackknife.

    What is off the line is not noise but the shape of the curve: the interval tells how much the
    line depends on which chunk sizes were measured.
    """
    return _with_intervals(chunk, seconds, _solve)


def ordinary_line(chunk: Floats, seconds: Floats) -> Line:
    """Return the line with the least squared error, as the paper fits it (THEORY 9.1)."""
    return _with_intervals(chunk, seconds, _ordinary)


def _with_intervals(chunk: Floats, seconds: Floats, solve: Solve) -> Line:
    base, slope = solve(chunk, seconds)
    kept = [np.arange(len(chunk)) != k for k in range(len(chunk))]
    without = np.array([solve(chunk[each], seconds[each]) for each in kept])
    points = len(chunk)
    spread = np.sqrt((points - 1) / points * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    half = student.ppf((1 + CONFIDENCE) / 2, points - 2) * spread
    fitted = base + slope * chunk
    variance = float(np.sum((seconds - seconds.mean()) ** 2))
    unexplained = float(np.sum((seconds - fitted) ** 2))
    return Line(
        base,
        slope,
        float(half[0]),
        float(half[1]),
        1 - unexplained / variance if variance > 0 else None,
        fitted / seconds - 1,
        chunk,
    )


def _ordinary(chunk: Floats, seconds: Floats) -> tuple[float, float]:
    slope, base = np.polyfit(chunk, seconds, 1)
    return float(base), float(slope)


def _solve(chunk: Floats, seconds: Floats) -> tuple[float, float]:
    design = np.stack([np.ones(len(chunk)), chunk], axis=1) / seconds[:, None]
    values = np.linalg.lstsq(design, np.ones(len(chunk)), rcond=None)[0]
    return float(values[0]), float(values[1])


def good_range(chunk: Floats, seconds: Floats, tolerance: float) -> tuple[int, int] | None:
    """Return the first and the last point of the widest range where a line is good enough.

    Widest in tokens: by ratio the flat part of short chunks would win, where nobody works. Nothing
    if no range of `LEAST_POINTS` points has a line within `tolerance`, a relative error.
    """
    best, place = 0.0, None
    for first in range(len(chunk)):
        for last in range(first + LEAST_POINTS - 1, len(chunk)):
            size = float(chunk[last] - chunk[first])
            if size <= best:
                continue
            part = slice(first, last + 1)
            base, slope = _solve(chunk[part], seconds[part])
            errors = (base + slope * chunk[part]) / seconds[part] - 1
            if np.max(np.abs(errors)) <= tolerance:
                best, place = size, (first, last)
    return place


def solo_time_at(
    times: IterationTimes, fit: LawFit, decodes: float, context: float
) -> tuple[float, float | None]:
    """Return the decode-only iteration time at a batch, s, and the half-width of its interval.

    The law there times what measurements nearby are above it. The interval is the error that the
    same makes at measured batches that are left out in turn, of law and surroundings: 95 % of them
    were closer. None with fewer than `LEAST_LEFT_OUT` batches: too few to tell.
    """
    rows = times[~times.mixed & ~fit.outliers & (times.decodes > 0)]
    place = np.log(np.stack([rows.decodes, np.maximum(rows.context, 1.0)], axis=1))
    target = np.log([decodes, max(context, 1.0)])
    found = _solo_near(fit.law, rows, place, target)
    if len(rows) < LEAST_LEFT_OUT:
        return found, None
    missed = []
    for k in _closest(place, target):
        kept = np.arange(len(rows)) != k
        law = fit_decode_only(rows[kept])
        missed.append(abs(_solo_near(law, rows[kept], place[kept], place[k]) / rows.seconds[k] - 1))
    return found, float(found * np.quantile(missed, CONFIDENCE, method="higher"))


def _solo_near(law: BatchLaw, rows: IterationTimes, place: Floats, target: Floats) -> float:
    """Return the law at a place times what rows nearby are above it, s."""
    above = np.log(rows.seconds / law.solo_time(rows.decodes, rows.total_context))
    decodes, context = np.exp(target)
    return float(
        law.solo_time(decodes, decodes * context) * np.exp(_mean_near(place, above, target))
    )


def _closest(place: Floats, target: Floats) -> NDArray[np.intp]:
    return np.argsort(((place - target) ** 2).sum(axis=1))[:MOST_LEFT_OUT]


def _mean_near(place: Floats, values: Floats, target: Floats) -> float:
    """Return the mean of values weighted by closeness to a place."""
    weights = 1 / (((place - target) ** 2).sum(axis=1) + NEAR**2) ** 2
    return float(weights @ values / weights.sum())


def steps(chunk: Floats, errors: Floats, least: float) -> list[tuple[float, float, float]]:
    """Return jumps of the curve against a line: chunk before, chunk after, size.

    A jump is a change of the relative error by more than `least` between two chunk sizes at most
    half an octave apart: what tiles and waves of a kernel leave.
    """
    above = 1 / (1 + errors) - 1
    found = []
    for k, (low, high) in enumerate(pairwise(chunk)):
        change = float(above[k + 1] - above[k])
        if high <= low * HALF_AN_OCTAVE and abs(change) > least:
            found.append((float(low), float(high), change))
    return found


def slope_change(chunk: Floats, seconds: Floats) -> float | None:
    """Return by what share the slope of the upper half of a curve is above that of the lower."""
    half = len(chunk) // 2
    if half < LEAST_POINTS - 1:
        return None
    low = np.polyfit(chunk[: half + 1], seconds[: half + 1], 1)[0]
    high = np.polyfit(chunk[half:], seconds[half:], 1)[0]
    flat = FLAT * float(np.median(seconds) / np.median(chunk))
    return float(high / low - 1) if low > flat else None
