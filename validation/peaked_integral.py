r"""Integrals of a density around its peak, for densities that bend from parabola to line.

Such are the densities of waiting times of many-server queues. Seen from the peak,

.. math:: f(u)=e^{-\varphi(u)},\quad\varphi(u)=s\max(u,0)+q\,u^2g(bu),\quad
   g(z)=\frac{e^z-1-z}{z^2},\quad u\ge-r .

:math:`\varphi` is convex: near 0 a parabola with a slope, far out a line on one side and an
exponential on the other. Everything summed is positive and counted from the peak: nothing cancels
and nothing overflows.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from gnr.arrays import Floats

NEGLIGIBLE = 45.0
"""Where the exponent has fallen by this much, less than 1e-19 of the peak is left."""
PANELS, SHRINKAGE, NODES = 16, 3.0, 24
"""Panels of Gauss-Legendre nodes, each of them so many times shorter than the next one out."""


def _graded_rule() -> tuple[Floats, Floats]:
    """Return nodes and weights on [0, 1], ever finer towards 0, each of shape ``(nodes,)``."""
    ends = np.append(0.0, SHRINKAGE ** np.arange(1.0 - PANELS, 1.0))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    widths = np.diff(ends)[:, None]
    return (ends[:-1, None] + widths * (nodes + 1) / 2).ravel(), (widths * weights / 2).ravel()


OFFSETS, WIDTHS = _graded_rule()
SERIES = 1 / special.factorial(np.arange(15, 1, -1))
"""Coefficients of g, highest power first."""


def second_remainder(exponents: Floats) -> Floats:
    r"""Return :math:`(e^z-1-z)/z^2` to full accuracy, by its series where :math:`|z|<1/2`."""
    small = np.abs(exponents) < 0.5
    large = np.where(small, 1.0, exponents)
    series = np.polyval(SERIES, np.where(small, exponents, 0.0))
    return np.where(small, series, (np.expm1(large) - large) / large / large)


@dataclass(frozen=True)
class Peak:
    """A density as in the module's formula; u is in some unit of time."""

    slope: float
    """s, 1/time, at least 0; only a peak at the edge (`room` 0) has one."""
    curvature: float
    """q, 1/time²: the second derivative at the peak, at least 0; positive where `slope` is 0."""
    bend: float
    """b, 1/time: the density falls faster than a parabola to the side of its sign."""
    room: float
    """r, time: how far the density reaches to the left of the peak, at least 0."""

    def fall(self, offsets: Floats | float) -> Floats:
        """Return the exponent's fall at `offsets` from the peak, of their shape."""
        at = np.asarray(offsets, dtype=np.float64)
        parabola = self.curvature * at * at * second_remainder(self.bend * at)  # at² overflows
        return np.asarray(self.slope * np.maximum(at, 0.0) + parabola)

    def rule(self) -> tuple[Floats, Floats]:
        """Return offsets from the peak and their weights, density included, shape ``(nodes,)``.

        The integral of any smooth function times the density is its sum over the offsets with
        these weights, to about 1e-12 of it at worst.
        """
        gentle, steep = self._gentle_reach(), self._steep_reach()
        left, right = (steep, gentle) if self.bend <= 0 else (gentle, steep)
        left = min(left, self.room)
        offsets = np.concatenate([-left * OFFSETS, right * OFFSETS])
        widths = np.concatenate([left * WIDTHS, right * WIDTHS])
        return offsets, widths * np.exp(-self.fall(offsets))

    def log_mass(self) -> float:
        """Return the logarithm of the integral, the peak being 1."""
        return float(np.log(self.rule()[1].sum()))

    def _gentle_reach(self) -> float:
        r"""Return an offset, less than three times too far, at which nothing is left of the line.

        By :math:`z^2g(-z)\ge\min(z^2/4,z/2)`: nothing is left of the parabola nor of the line.
        """
        parabola = math.hypot(self.slope, math.sqrt(NEGLIGIBLE * self.curvature))
        reach = 2 * NEGLIGIBLE / (self.slope + parabola)
        if self.bend == 0:
            return reach
        return max(reach, NEGLIGIBLE / (self.slope + self.curvature / abs(2 * self.bend)))

    def _steep_reach(self) -> float:
        r"""Return such an offset for the side of the exponential, nearer than the other.

        By :math:`z^2g(z)\ge E` for :math:`z=\ln(1+\sqrt{2E}+E)`, as this is at most
        :math:`\sqrt{2E}`. The slope may end it earlier.
        """
        bend = abs(self.bend)
        if bend == 0 or self.curvature == 0:
            return self._gentle_reach()
        root = bend * math.sqrt(2 * NEGLIGIBLE / self.curvature)
        steep = math.log1p(root + root * root / 2) / bend
        return min(steep, self._gentle_reach())
