"""Fit the law of the iteration time by batch, robustly and by relative error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from gnr.arrays import Floats
from gnr.batch_law import BatchLaw
from gnr.measure.iteration_times import IterationTimes

Mask = NDArray[np.bool_]

THRESHOLDS = np.concatenate([np.arange(0.0, 128.0, 8.0), np.arange(128.0, 641.0, 32.0)])
"""Thresholds b_0 that are tried, tokens."""

FAR_OFF = np.log(1.5)
"""Least distance from the law, in logarithms, at which a row can be an outlier."""

FAR_OFF_DEVIATIONS = 6.0
"""The same in robust standard deviations of the other rows."""

STEPS = 60
"""Most steps of the robust fit."""

SAME_DIRECTION = 1e-9
"""Relative size below which what a column adds to the others is rounding."""


@dataclass(frozen=True)
class LawFit:
    """A fitted law with its errors.

    Attributes
    ----------
    law
        The law, s.
    errors
        Law over measurement less 1, by row; also of outliers.
    outliers
        Rows that are set aside: further off than `FAR_OFF` and `FAR_OFF_DEVIATIONS`.
    told_apart
        Terms of the law that the rows can tell from the others; the rest is 0.
    """

    law: BatchLaw
    errors: Floats
    outliers: Mask
    told_apart: frozenset[str]


def fit_law(times: IterationTimes) -> LawFit:
    """Return the law that fits best by relative error, terms not negative.

    First the decode-only rows give c_0, c_1 and c_2, then the mixed rows what a chunk adds. Each
    part is a least-squares fit of relative errors without outliers, which are found from a fit of
    absolute relative errors.

    Parameters
    ----------
    times
        Rows with and without a chunk; at least three different batches without.
    """
    solo = ~times.mixed
    errors, outliers = np.zeros(len(times)), np.zeros(len(times), bool)
    rest = times[solo]
    columns = {
        "base": np.ones(len(rest)),
        "per_decode": rest.decodes,
        "per_context_token": rest.total_context,
    }
    terms, fitted, outliers[solo] = _robust(columns, np.zeros(len(rest)), rest.seconds)
    errors[solo] = fitted / rest.seconds - 1
    law, told = BatchLaw(**terms), frozenset(columns) & _told_apart(columns)
    if times.mixed.any():
        rest = times[times.mixed]
        extra, fitted, out, more = _fit_chunk(law, rest)
        law, told = law.model_copy(update=extra), told | more
        errors[times.mixed], outliers[times.mixed] = fitted / rest.seconds - 1, out
    return LawFit(law, errors, outliers, told)


def fit_decode_only(times: IterationTimes) -> BatchLaw:
    """Return the decode-only part of the law by least squares, all rows taken."""
    columns = {
        "base": np.ones(len(times)),
        "per_decode": times.decodes,
        "per_context_token": times.total_context,
    }
    terms, _ = _least_squares(columns, np.zeros(len(times)), times.seconds)
    return BatchLaw(**terms)


def _fit_chunk(
    law: BatchLaw, times: IterationTimes
) -> tuple[dict[str, float], Floats, Mask, frozenset[str]]:
    """Return what a chunk adds: the terms, the fitted times, the outliers, terms told apart."""
    known = law.solo_time(times.decodes, times.total_context)

    def columns(threshold: float) -> dict[str, Floats]:
        trial = BatchLaw(base=0.0, free_tokens=threshold)
        return {
            "with_chunk": np.ones(len(times)),
            "per_chunk_token": trial.tokens_above(times.chunk, times.decodes),
            "per_token_pair": times.chunk * (times.prefix + times.chunk / 2),
            "per_context_token_with_chunk": times.total_context,
        }

    _, _, outliers = _robust(columns(THRESHOLDS[len(THRESHOLDS) // 3]), known, times.seconds)
    kept = times[~outliers]

    def loss(threshold: float) -> float:
        chosen = {name: each[~outliers] for name, each in columns(threshold).items()}
        _, fitted = _least_squares(chosen, known[~outliers], kept.seconds)
        return float(np.sum((fitted / kept.seconds - 1) ** 2))

    best = min(THRESHOLDS, key=loss)
    terms, fitted, outliers = _robust(columns(best), known, times.seconds)
    return terms | {"free_tokens": float(best)}, fitted, outliers, _told_apart(columns(best))


def _robust(
    columns: dict[str, Floats], known: Floats, seconds: Floats
) -> tuple[dict[str, float], Floats, Mask]:
    """Return terms, fitted times and outliers of `seconds` = `known` + terms times columns.

    Relative errors are first made small in absolute value, by reweighted least squares, which an
    outlier hardly moves; what is then far off is left out of the least-squares fit.
    """
    weights = np.ones(len(seconds))
    off = np.zeros(len(seconds))
    for _ in range(STEPS):
        _, fitted = _least_squares(columns, known, seconds, weights)
        before, off = off, np.log(np.maximum(fitted, 1e-12) / seconds)
        if np.max(np.abs(off - before)) < 1e-6:
            break
        scale = max(float(np.median(np.abs(off))), 1e-6)
        weights = 1 / np.sqrt(np.maximum(np.abs(off) / scale, 0.1))
    outliers = far_off(off, FAR_OFF, FAR_OFF_DEVIATIONS)
    kept = ~outliers
    terms, _ = _least_squares(
        {name: each[kept] for name, each in columns.items()}, known[kept], seconds[kept]
    )
    fitted = known + sum(terms[name] * each for name, each in columns.items())
    return terms, fitted, outliers


def far_off(off: Floats, least: float, deviations: float) -> Mask:
    """Return which values are further from 0 than `least` and so many robust deviations."""
    deviation = 1.4826 * float(np.median(np.abs(off))) if len(off) else 0.0
    return np.abs(off) > max(least, deviations * deviation)


def _least_squares(
    columns: dict[str, Floats], known: Floats, seconds: Floats, weights: Floats | None = None
) -> tuple[dict[str, float], Floats]:
    """Return the terms, not negative, with the least squared relative error; the fitted times.

    The times that are known are not fitted. Columns are scaled to one size, and brought to a
    square system first, since there can be very many rows.
    """
    names = [name for name in columns if name in _told_apart(columns)]
    scale = (1.0 if weights is None else weights) / seconds
    design = np.stack([columns[name] * scale for name in names], axis=1)
    sizes = np.linalg.norm(design, axis=0)
    square, factor = np.linalg.qr(np.column_stack([design / sizes, (seconds - known) * scale]))
    del square
    values, _ = nnls(factor[:, :-1], factor[:, -1])
    terms = dict.fromkeys(columns, 0.0)
    terms |= {name: float(v) for name, v in zip(names, values / sizes, strict=True)}
    return terms, known + sum(terms[name] * columns[name] for name in columns)


def _told_apart(columns: dict[str, Floats]) -> frozenset[str]:
    """Return the columns, in order, that are not combinations of the ones before."""
    kept: list[str] = []
    basis: list[Floats] = []
    for name, column in columns.items():
        size = float(np.linalg.norm(column))
        rest = column / size if size > 0 else column
        for direction in basis:
            rest = rest - direction * (direction @ rest)
        length = float(np.linalg.norm(rest))
        if size > 0 and length > SAME_DIRECTION:
            kept.append(name)
            basis.append(rest / length)
    return frozenset(kept)
