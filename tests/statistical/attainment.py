"""How far a simulated cluster is from its plan, as Validate I asks it."""

from collections.abc import Sequence

from gnr.plan import Occupancy
from gnr.simulation import Simulation

PREFILL, DECODE = ("prefill",), ("mixed_decode", "solo_decode")


def farthest(
    found: Simulation,
    targets: Sequence[Occupancy],
    fields: Sequence[str],
    of: Sequence[str] | None = None,
) -> float:
    """Return the largest distance over classes and `fields`, half-widths included.

    As a share of the total planned occupancy of the fields `of`, by default the same.
    """
    total = sum(getattr(target, field) for target in targets for field in of or fields)
    return (
        max(
            abs(getattr(one, field).mean - getattr(target, field)) + getattr(one, field).half_width
            for one, target in zip(found.classes, targets, strict=True)
            for field in fields
        )
        / total
    )
