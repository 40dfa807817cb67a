"""The integral around a peak, against integrals in closed form: no node misses its density."""

import math

import numpy as np
import pytest

from gnr.validation.peaked_integral import Peak, second_remainder

ACCURACY = 1e-12


@pytest.mark.parametrize("slope", [1e-200, 3.0, 1e200])
def test_an_exponential(slope: float) -> None:
    """Mass 1/s, mean 1/s."""
    offsets, weights = Peak(slope, 0.0, -0.0, 0.0).rule()
    assert weights.sum() == pytest.approx(1 / slope, rel=ACCURACY)
    assert weights / weights.sum() @ offsets == pytest.approx(1 / slope, rel=ACCURACY)


@pytest.mark.parametrize("bend", [0.0, 1e-170, -1e-170])
@pytest.mark.parametrize("room", [0.0, 0.7, math.inf])
def test_a_normal_law(bend: float, room: float) -> None:
    """With next to no bend sqrt(2 pi / q) times the part right of the edge."""
    part = (1 + math.erf(room * math.sqrt(2))) / 2
    mass = math.exp(Peak(0.0, 4.0, bend, room).log_mass())
    assert mass == pytest.approx(math.sqrt(math.pi / 2) * part, rel=ACCURACY)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("shape", [1e-3, 0.1, 1.0, 20.0, 400.0])
def test_the_logarithm_of_a_gamma_law(shape: float, side: int) -> None:
    """q = y b^2 on the whole line: Gamma(y) e^y / (y^y b), either way round."""
    bend = 3.0 * side
    mass = Peak(0.0, shape * bend**2, bend, 1e300).log_mass()
    known = math.lgamma(shape) + shape - shape * math.log(shape) - math.log(3)
    assert mass == pytest.approx(known, abs=2 * ACCURACY)


def test_the_remainder_of_the_exponential() -> None:
    """Series and definition meet; 1/2 + z/6 near 0; -1/z far to the left."""
    edge = np.array([-0.5, 0.5])
    inside, outside = (second_remainder(edge * (1 + step)) for step in (-1e-14, 1e-14))
    assert inside == pytest.approx(outside, rel=1e-13)
    tiny = second_remainder(np.array([0.0, 6e-9, -6e-9]))
    assert tiny == pytest.approx(np.array([0.5, 0.5 + 1e-9, 0.5 - 1e-9]), rel=1e-15)
    assert second_remainder(np.array([-1e200])) == pytest.approx(1e-200)
