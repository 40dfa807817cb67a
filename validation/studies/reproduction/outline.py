"""What the paper says, claim by claim, and the bounds that decide: read from ``claims.toml``."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

from gnr.reproduction import (
    Claim,
    Condition,
    Experiment,
    Panel,
    Quantity,
    finding_of,
    met,
    verdict_of,
)

DIRECTIONS: tuple[Literal["at_most", "at_least"], ...] = ("at_most", "at_least")


@dataclass(frozen=True)
class Measured:
    """What the runs of an experiment came to.

    Attributes
    ----------
    quantities
        With their intervals.
    panels
        The picture.
    warnings
        What should be known before the numbers are used.
    """

    quantities: Sequence[Quantity]
    panels: Sequence[Panel]
    warnings: Sequence[str] = field(default=())


@cache
def read_claims() -> dict[str, Any]:
    """Return the content of ``claims.toml``."""
    file = resources.files("gnr.validation.studies.reproduction") / "claims.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def confidence() -> float:
    """Return the confidence of each interval."""
    return float(read_claims()["confidence"])


def judged(name: str, measured: Measured) -> Experiment:
    """Return the experiment with a verdict on each of its claims.

    Raises
    ------
    KeyError
        If a claim names a quantity that was not measured.
    """
    outline = read_claims()[name]
    quantities = {each.name: each for each in measured.quantities}
    claims = tuple(_claim(entry, quantities) for entry in outline["claims"])
    return Experiment(
        name=name,
        title=outline["title"],
        choices=tuple(outline["choices"]),
        quantities=tuple(measured.quantities),
        claims=claims,
        caption=outline["caption"],
        panels=tuple(measured.panels),
        verdict=verdict_of(claims),
        warnings=tuple(measured.warnings),
    )


def _claim(entry: dict[str, Any], quantities: dict[str, Quantity]) -> Claim:
    conditions = tuple(
        Condition(
            quantity=quantity,
            direction=direction,
            bound=bound,
            met=met(quantities[quantity], direction, bound),
        )
        for direction in DIRECTIONS
        for quantity, bound in entry.get(direction, {}).items()
    )
    return Claim(
        name=entry["name"],
        says=entry["says"],
        source=entry["source"],
        reason=entry["reason"],
        conditions=conditions,
        finding=finding_of(each.met for each in conditions),
        limit=entry.get("limit"),
    )
