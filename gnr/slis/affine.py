"""Affine functions of the variables of the programs, in floats or in exact fractions alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Variable: TypeAlias = tuple[str, int]
"""A field of `gnr.plan.Occupancy` and the number of a class, or the name of an auxiliary and 0."""

Number: TypeAlias = Any
"""A float or a `fractions.Fraction`."""


@dataclass(frozen=True)
class Affine:
    """A constant plus a combination of variables.

    Attributes
    ----------
    coefficients
        By variable; absent ones are 0.
    constant
        What is added.
    """

    coefficients: Mapping[Variable, Number]
    constant: Number = 0

    def __add__(self, other: "Affine") -> "Affine":
        """Return the sum."""
        found = dict(self.coefficients)
        for variable, coefficient in other.coefficients.items():
            found[variable] = found.get(variable, 0) + coefficient
        return Affine(found, self.constant + other.constant)

    def __sub__(self, other: "Affine") -> "Affine":
        """Return the difference."""
        return self + other.times(-1)

    def times(self, factor: Number) -> "Affine":
        """Return the product with a number."""
        found = {variable: factor * each for variable, each in self.coefficients.items()}
        return Affine(found, factor * self.constant)

    def at(self, point: Any) -> Any:
        """Return the value at a point with the fields of `Occupancy`.

        Each field is indexed by class; with arrays of shape ``(classes, ...)`` the value has the
        shape ``(...)``. Auxiliary variables have no value at a point.
        """
        terms = (
            coefficient * getattr(point, field)[i]
            for (field, i), coefficient in self.coefficients.items()
        )
        return sum(terms, start=self.constant)


def variable(field: str, i: int = 0) -> Affine:
    """Return a variable by itself."""
    return Affine({(field, i): 1})


def total(terms: Mapping[Variable, Number]) -> Affine:
    """Return a combination of variables."""
    return Affine(dict(terms))


def constant(value: Number) -> Affine:
    """Return a constant."""
    return Affine({}, value)
