"""Bounds in few digits that can still be kept."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal

DIGITS = 6
"""Significant digits of a bound that is shown or proposed."""

RELIABLE_DIGITS = 12
"""Significant digits of a computed value that are more than rounding."""


def outward(value: float, direction: Literal["at_most", "at_least"], steps: int = 0) -> float:
    """Return a bound rounded to the looser side, and looser still by units of its last digit."""
    looser, rounding = (1, ROUND_CEILING) if direction == "at_most" else (-1, ROUND_FLOOR)
    known = Decimal(f"{value:.{RELIABLE_DIGITS}g}")
    unit = Decimal(1).scaleb(known.adjusted() - DIGITS + 1)
    return float(known.quantize(unit, rounding=rounding) + looser * steps * unit)
