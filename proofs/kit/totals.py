r"""Sums over all classes, for any number of classes.

`Total(f_i)` stands for :math:`\sum_{i\in\mathcal I}f_i`. A symbol belongs to the class ``i`` of
the sum if its name ends in ``_i``. Totals are linear: what does not depend on the class moves
out, sums are split, so an identity between totals that holds term by term becomes ``0`` for
every number of classes, not for a few.
"""

from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef


def of_one_class(symbol: Any) -> bool:
    """Tell whether a symbol, or a function of time, belongs to the class of a sum."""
    name = symbol.func.__name__ if isinstance(symbol, AppliedUndef) else symbol.name
    return bool(name.endswith("_i"))


class Total(sp.Function):  # type: ignore[misc]
    """The sum of an expression over all classes; `_i` symbols in it are bound."""

    nargs = 1

    @classmethod
    def eval(cls, summand: Any) -> Any:
        """Return the total as a linear combination of totals of single products."""
        terms = sp.Add.make_args(sp.expand(summand))
        parts = [_split(term) for term in terms]
        if len(parts) == 1 and parts[0][0] == 1 and parts[0][1] == summand:
            return None
        return sp.Add(*(outside * cls(inside) for outside, inside in parts if inside != 0))

    @property
    def free_symbols(self) -> set[sp.Symbol]:
        """The symbols of the sum that do not belong to a class."""
        return {each for each in super().free_symbols if not of_one_class(each)}

    def _eval_is_real(self) -> bool | None:
        return self.args[0].is_real  # type: ignore[no-any-return]

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[0].is_nonnegative else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[0].is_positive else None

    def _eval_derivative(self, symbol: Any) -> Any:
        return Total(self.args[0].diff(symbol))

    def _latex(self, printer: Any, exp: Any = None) -> str:
        text = r"\sum_i " + printer.parenthesize(
            self.args[0], sp.printing.precedence.PRECEDENCE["Mul"]
        )
        return text if exp is None else rf"\Big({text}\Big)^{{{exp}}}"


def _split(term: Any) -> tuple[Any, Any]:
    """Return the factors of a product that do not depend on the class, and those that do."""
    outside: list[Any] = []
    inside: list[Any] = []
    for factor in sp.Mul.make_args(term):
        bound = any(map(of_one_class, factor.free_symbols)) or any(
            map(of_one_class, _functions(factor))
        )
        (inside if bound else outside).append(factor)
    return sp.Mul(*outside), sp.Mul(*inside)


def _functions(expression: Any) -> set[Any]:
    """Return the undefined functions of time outside of any total."""
    hidden = expression.xreplace({each: sp.Dummy() for each in expression.atoms(Total)})
    return set(hidden.atoms(AppliedUndef))


def component_derivative(expression: Any, symbol: sp.Symbol) -> Any:
    """Return the derivative with respect to one class's component of a class vector.

    A total contributes the derivative of its own summand at that class; expressions of the
    class outside of totals contribute their plain derivative.
    """
    dummies = {each: sp.Dummy() for each in expression.atoms(Total)}
    hidden = expression.xreplace(dummies)
    inner = sum(hidden.diff(dummy) * total.args[0].diff(symbol) for total, dummy in dummies.items())
    back = {dummy: total for total, dummy in dummies.items()}
    return (hidden.diff(symbol) + inner).xreplace(back)


def numbered(expression: Any, number: int) -> Any:
    """Return a class expression with the symbols of class `number` in place of class i."""
    if not hasattr(expression, "free_symbols"):
        return expression
    names: dict[Any, Any] = {}
    for each in expression.atoms(sp.Symbol):
        if of_one_class(each):
            names[each] = sp.Symbol(f"{each.name[:-2]}_{number}", **each._assumptions_orig)
    for each in expression.atoms(AppliedUndef):
        if of_one_class(each):
            function = sp.Function(f"{each.func.__name__[:-2]}_{number}", **each.func._kwargs)
            names[each] = function(*each.args)
    return expression.xreplace(names)


def written_out(expression: Any, classes: int, generic: int = 1) -> Any:
    """Return an expression with every total written out for a number of classes.

    Symbols of class i outside of totals become those of class `generic`.
    """
    totals = {
        each: sp.Add(*(numbered(each.args[0], k) for k in range(1, classes + 1)))
        for each in expression.atoms(Total)
    }
    return numbered(expression.xreplace(totals), generic)
