"""Bounds are rounded to the side on which they can still be kept."""

from typing import Literal

import pytest

from gnr.outward import outward


@pytest.mark.parametrize(
    ("value", "direction", "bound"),
    [
        (0.022002200220022, "at_most", 0.0220023),
        (0.022002200220022, "at_least", 0.0220022),
        (0.1 + 0.2, "at_most", 0.3),
        (9.9999999, "at_most", 10.0),
        (0.0, "at_most", 0.0),
        (1e300, "at_least", 1e300),
    ],
)
def test_bounds_are_rounded_to_the_looser_side(
    value: float, direction: Literal["at_most", "at_least"], bound: float
) -> None:
    assert outward(value, direction) == bound


def test_a_bound_is_made_looser_by_units_of_its_last_digit() -> None:
    assert outward(22.00221, "at_most", 3) == 22.0026
    assert outward(0.4, "at_least", 1) == 0.399999
