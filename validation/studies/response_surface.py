"""A quadratic surface through values at points: what takes long there costs nothing elsewhere."""

from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats

NEGLIGIBLE = 1e-9
"""Singular values, as shares of the largest, and spreads of coordinates that are rounding."""


@dataclass(frozen=True)
class Surface:
    """A least-squares quadratic in some coordinates.

    Attributes
    ----------
    low, high
        Ends of the coordinates where it was fitted, shape ``(coordinates,)``; it is taken to be
        flat beyond.
    coefficients
        Of the terms, shape ``(terms,)``.
    error
        Standard deviation of what values that are left out miss it by.
    """

    low: Floats
    high: Floats
    coefficients: Floats
    error: float

    def at(self, points: Floats) -> Floats:
        """Return its height at points of shape ``(..., coordinates)``, shape ``(...)``."""
        height: Floats = _terms(points, self.low, self.high) @ self.coefficients
        return height


def fit_surface(points: Floats, values: Floats) -> Surface:
    """Return the surface through `values`, shape ``(points,)``, at ``(points, coordinates)``."""
    low, high = points.min(axis=0), points.max(axis=0)
    left, singular, right = np.linalg.svd(_terms(points, low, high), full_matrices=False)
    kept = singular > NEGLIGIBLE * singular[0]
    left, singular, right = left[:, kept], singular[kept], right[kept]
    along = left.T @ values
    leverage = np.minimum((left**2).sum(axis=1), 1 - NEGLIGIBLE)
    missed = (values - left @ along) / (1 - leverage)
    return Surface(low, high, right.T @ (along / singular), float(np.sqrt(np.mean(missed**2))))


def _terms(points: Floats, low: Floats, high: Floats) -> Floats:
    """Return 1, the coordinates from -1 to 1, and their products, shape ``(..., terms)``."""
    spread = high - low
    scale = np.where(spread > NEGLIGIBLE * np.maximum(np.abs(high), 1.0), spread, np.inf)
    inside = 2 * (np.clip(points, low, high) - (low + high) / 2) / scale
    rows, columns = np.triu_indices(points.shape[-1])
    products = inside[..., rows] * inside[..., columns]
    return np.concatenate([np.ones((*points.shape[:-1], 1)), inside, products], axis=-1)
