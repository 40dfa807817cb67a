"""Exact numbers for the symbols of several classes, to evaluate derived expressions with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from gnr.proofs.kit.totals import numbered, written_out


@dataclass(frozen=True)
class ClassValues:
    """Values of symbols.

    Attributes
    ----------
    shared
        Symbols that do not belong to a class.
    by_class
        Symbols of class i with the value of each class.
    """

    shared: Mapping[Any, Any]
    by_class: Mapping[Any, tuple[Any, ...]]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(next(iter(self.by_class.values())))

    def each(self, expression: Any) -> tuple[Any, ...]:
        """Return an expression of class i evaluated for every class."""
        return tuple(self._value(expression, k) for k in range(1, self.classes + 1))

    def whole(self, expression: Any) -> Any:
        """Return an expression evaluated in which classes occur in totals only."""
        return self._value(expression, 1)

    def _value(self, expression: Any, generic: int) -> Any:
        values = dict(self.shared)
        for symbol, column in self.by_class.items():
            values |= {numbered(symbol, k): value for k, value in enumerate(column, 1)}
        return written_out(sp.sympify(expression), self.classes, generic).subs(values)
