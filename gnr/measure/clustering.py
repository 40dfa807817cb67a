"""Classes of requests: weighted k-means on the logarithms of prompt and output length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats

STARTS = 8
"""Starts of each number of classes; the best end is kept."""

ROUNDS = 300
"""Most rounds of one start."""

COARSE = 3_000
"""Points above which starts are tried on a coarser grid first."""

COARSE_WIDTH = 0.04
"""Width of that grid, in logarithms."""

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Clusters:
    """Points in k classes.

    Attributes
    ----------
    labels
        Class of each point, shape ``(points,)``.
    centres
        Weighted means, shape ``(k, 2)``.
    scatter
        Weighted sum of squared distances to the centres.
    """

    labels: Labels
    centres: Floats
    scatter: float


def cluster(points: Floats, weights: Floats, classes: int, seed: int) -> Clusters:
    """Return the best of several seeded starts.

    Parameters
    ----------
    points
        Logarithms of lengths, shape ``(points, 2)``, all different.
    weights
        Requests at each, shape ``(points,)``, positive.
    classes
        k, at most the number of points.
    seed
        Seed of the starts.
    """
    random = np.random.default_rng([seed, classes])
    coarse, coarse_weights = points, weights
    if len(points) > COARSE:
        merged, merged_weights = _coarser(points, weights)
        if len(merged) >= classes:
            coarse, coarse_weights = merged, merged_weights
    found = [
        _settled(coarse, coarse_weights, _start(coarse, coarse_weights, classes, random))
        for _ in range(1 if classes == 1 else STARTS)
    ]
    best = min(found, key=lambda each: each.scatter)
    return best if coarse is points else _settled(points, weights, best.centres)


def _coarser(points: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weighted means of the points in each cell of a coarser grid."""
    cells = np.floor((points - points.min(axis=0)) / COARSE_WIDTH).astype(np.int64)
    _, at = np.unique(cells[:, 0] * (1 << 32) + cells[:, 1], return_inverse=True)
    total = np.bincount(at, weights=weights)
    means = [np.bincount(at, weights=weights * points[:, k]) / total for k in range(2)]
    return np.stack(means, axis=1), np.asarray(total, dtype=float)


def _start(points: Floats, weights: Floats, classes: int, random: np.random.Generator) -> Floats:
    """Return k points, each drawn by how far it is from those before (greedy k-means++)."""
    tries = 2 + int(np.log(classes))
    first = random.choice(len(points), p=weights / weights.sum())
    centres = [points[first]]
    nearest = _distance(points, points[first])
    for _ in range(classes - 1):
        chance = np.cumsum(weights * nearest)
        drawn = np.searchsorted(chance, random.random(tries) * chance[-1], side="right")
        drawn = np.minimum(drawn, len(points) - 1)
        left = [np.minimum(nearest, _distance(points, points[at])) for at in drawn]
        best = int(np.argmin([weights @ each for each in left]))
        centres.append(points[drawn[best]])
        nearest = left[best]
    return np.array(centres)


def _distance(points: Floats, centre: Floats) -> Floats:
    """Return squared distances, shape ``(points,)``."""
    return np.asarray(((points - centre) ** 2).sum(axis=1))


def _settled(points: Floats, weights: Floats, centres: Floats) -> Clusters:
    """Return where Lloyd's rounds end: every point is with its nearest centre."""
    labels = np.full(len(points), -1)
    for _ in range(ROUNDS):
        apart = (centres**2).sum(axis=1) - 2 * points @ centres.T
        before, labels = labels, np.argmin(apart, axis=1)
        if np.array_equal(before, labels):
            break
        centres = _means(points, weights, labels, centres)
    scatter = float(weights @ ((points - centres[labels]) ** 2).sum(axis=1))
    return Clusters(labels, centres, scatter)


def _means(points: Floats, weights: Floats, labels: Labels, centres: Floats) -> Floats:
    """Return the weighted means of the classes; one that is empty goes to the farthest point."""
    count = len(centres)
    total = np.bincount(labels, weights=weights, minlength=count)
    sums = [np.bincount(labels, weights * points[:, k], minlength=count) for k in range(2)]
    filled = total > 0
    means = centres.copy()
    means[filled] = (np.stack(sums, axis=1)[filled].T / total[filled]).T
    if not filled.all():
        far = ((points - centres[labels]) ** 2).sum(axis=1)
        farthest = np.argsort(-far, kind="stable")[: int((~filled).sum())]
        means[~filled] = points[farthest]
    return means


LEAST_GAIN = 0.05
"""Share of the variance that one more class must explain to be worth having."""

MOST_AUTOMATIC = 8
"""Most classes that are chosen automatically."""


def chosen_number(explained: dict[int, float]) -> int:
    """Return the smallest k from which one more class explains less than 5 % more.

    Parameters
    ----------
    explained
        Share of the variance of the log lengths between k classes, by k, from 1 on.
    """
    for k in range(1, MOST_AUTOMATIC + 1):
        if k + 1 not in explained or explained[k + 1] - explained[k] < LEAST_GAIN:
            return k
    return MOST_AUTOMATIC
