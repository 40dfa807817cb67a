r"""Sums over all classes, for any number of classes.

`Total(f_i)` stands for :math:`\sum_{i\in\mathcal I}f_i`. A symbol belongs to the class ``i`` of
the sum if its name ends in ``_i``. Totals are linear: what does not depend on the class moves
out, sums are split, so an identity between totals that holds term by term becomes ``0`` for
every number of classes, not for a few.
"""

from collections.abc import Mapping
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

    def _eval_subs(self, old: Any, new: Any) -> Any:
        self._refuse_capture({old: new})
        return super()._eval_subs(old, new)

    def _xreplace(self, rule: Any) -> Any:
        # SymPy's own rewriting comes with rules that are no mappings
        if isinstance(rule, Mapping) and self not in rule:
            self._refuse_capture(rule)
        return super()._xreplace(rule)

    def _refuse_capture(self, rule: Mapping[Any, Any]) -> None:
        """Raise ValueError if a rule would bind the class of what it puts into the summand."""
        for old, new in rule.items():
            if (
                about_a_class(new)
                and not about_a_class(old)
                and old in sp.preorder_traversal(self.args[0])
            ):
                raise ValueError(f"{new} of one class put for {old} inside a sum over all")

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
        (inside if about_a_class(factor) else outside).append(factor)
    return sp.Mul(*outside), sp.Mul(*inside)


def about_a_class(expression: Any) -> bool:
    """Tell whether an expression has symbols or functions of class i outside of totals."""
    expression = sp.sympify(expression)
    return any(map(of_one_class, expression.free_symbols)) or any(
        map(of_one_class, _functions(expression))
    )


def _functions(expression: Any) -> set[Any]:
    """Return the undefined functions of time outside of any total."""
    hidden = expression.xreplace({each: sp.Dummy() for each in expression.atoms(Total)})
    return set(hidden.atoms(AppliedUndef))


def component_derivative(expression: Any, symbol: sp.Symbol) -> Any:
    """Return the derivative with respect to one class's component of a class vector.

    A total contributes the derivative of its own summand at that class, and for a total inside
    of it what that one moves in every summand; expressions of the class outside of totals
    contribute their plain derivative.
    """
    own, through = _partial_derivatives(expression, symbol)
    for total, slope in through:
        here, inner = _partial_derivatives(total.args[0], symbol)
        own += slope * here
        for each, moved in inner:
            own += slope * Total(moved) * component_derivative(each, symbol)
    return own


def _partial_derivatives(expression: Any, symbol: sp.Symbol) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return the derivative with all totals held, and the totals with the derivative in each."""
    dummies = {each: sp.Dummy() for each in expression.atoms(Total)}
    hidden = expression.xreplace(dummies)
    back = {dummy: total for total, dummy in dummies.items()}
    slopes = [(total, hidden.diff(dummy).xreplace(back)) for total, dummy in dummies.items()]
    return hidden.diff(symbol).xreplace(back), [each for each in slopes if each[1] != 0]


def numbered(expression: Any, number: int) -> Any:
    """Return a class expression with the symbols of class `number` in place of class i.

    What totals sum over is not touched.
    """
    if not hasattr(expression, "free_symbols"):
        return expression
    names: dict[Any, Any] = {each: each for each in expression.atoms(Total)}
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
    while expression.has(Total):
        expression = expression.xreplace(
            {
                each: sp.Add(*(numbered(each.args[0], k) for k in range(1, classes + 1)))
                for each in expression.atoms(Total)
                if not each.args[0].has(Total)
            }
        )
    return numbered(expression, generic)
