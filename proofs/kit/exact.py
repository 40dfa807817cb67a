r"""Three-valued exact checks: identities by algebra, inequalities by certificate.

Nothing here proves by sampling. Sampling, in exact rationals, only ever *refutes*.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from gnr.proofs.kit.claim import Finding, Verdict, proved, refuted, undecided
from gnr.proofs.kit.totals import Total, of_one_class, written_out

TRIALS = 400
"""Rational points tried before a failed proof is left undecided."""

CLASS_COUNTS = (1, 2, 3)
"""Numbers of classes for which a totals identity is written out in search of a counterexample."""


def equal(left: Any, right: Any, says: str = "") -> Finding:
    """Return whether two expressions are the same for all values of their symbols.

    Parameters
    ----------
    left, right
        Rational functions of symbols, functions of time and totals.
    says
        The step in words, for the evidence.
    """
    difference = _differentiated(sp.sympify(left) - sp.sympify(right))
    if vanishes(difference):
        return proved(says or f"{sp.sstr(left)} = {sp.sstr(right)}")
    for classes in CLASS_COUNTS:
        target = _without_functions(written_out(difference, classes))
        for point in _points(target, ()):
            value = target.subs(point)
            if value.is_number and value.is_zero is False:
                return refuted(f"{says}: the sides differ by {value}{_told(point)}".lstrip(": "))
    return undecided(f"{says}: neither shown equal nor told apart".lstrip(": "))


def _differentiated(expression: Any) -> Any:
    """Return an expression with its derivatives carried out, as far as they can be."""
    return expression.xreplace({each: each.doit() for each in expression.atoms(sp.Derivative)})


def vanishes(expression: Any) -> bool:
    """Tell whether an expression is shown to be 0; False means no more than not shown."""
    expression = sp.expand(expression)
    if expression == 0:
        return True
    names = {each: sp.Dummy() for each in expression.atoms(Total, AppliedUndef, sp.Derivative)}
    hidden = expression.xreplace(names)
    if _plainly_not_zero(hidden):
        return False
    hidden = sp.together(hidden)
    if sp.expand(sp.numer(hidden)) == 0:
        return True
    return bool(sp.cancel(hidden) == 0)


def _plainly_not_zero(expression: Any) -> bool:
    """Tell at a glance that an expression is not 0 everywhere: it is not at one point."""
    ordered = sorted(expression.free_symbols, key=lambda symbol: (symbol.name, str(symbol)))
    point = {symbol: sp.Integer(sp.prime(k)) for k, symbol in enumerate(ordered, start=2)}
    value = expression.xreplace(point)
    return bool(value.is_Rational and value != 0)


@dataclass(frozen=True)
class Term:
    """A product of factors that are nonnegative, alone or summed over all classes."""

    factors: tuple[Any, ...]
    summed: bool = False

    @property
    def expression(self) -> Any:
        """The product, or its total."""
        product = sp.Mul(*self.factors)
        return Total(product) if self.summed else product


def product(*factors: Any) -> Term:
    """Return a product of nonnegative factors."""
    return Term(tuple(map(sp.sympify, factors)))


def over_classes(*factors: Any) -> Term:
    """Return the total over all classes of a product of nonnegative factors."""
    return Term(tuple(map(sp.sympify, factors)), summed=True)


def nonnegative(
    goal: Any,
    terms: Iterable[Term],
    given: Sequence[Any] = (),
    says: str = "",
    witness: Mapping[Any, Any] | None = None,
    witness_of_given: Mapping[Any, Any] | None = None,
) -> Finding:
    r"""Return whether `goal` is at least 0, by an explicit certificate.

    Proved if `goal` equals the sum of `terms` identically and every factor of every term is
    nonnegative: by the assumptions of its symbols or because it is one of `given`; and if there
    is a point where all of `given` hold, as from a contradiction anything would follow.

    Parameters
    ----------
    goal
        The expression that should be nonnegative.
    terms
        The certificate.
    given
        Expressions that the claim assumes to be nonnegative. One that holds for every class is
        written with ``_i`` symbols.
    says
        The step in words.
    witness
        A rational point at which a false claim fails; otherwise some are tried.
    witness_of_given
        A rational point with one class, ``_1``, where `given` holds; otherwise some are tried.

    Raises
    ------
    ValueError
        If a witness is not what it should be.
    """
    terms = list(terms)
    unknown = [
        factor
        for term in terms
        for factor in term.factors
        if not (
            factor.is_nonnegative
            or factor in given
            or any(vanishes(factor - each) for each in given)
        )
    ]
    if not unknown and vanishes(goal - sp.Add(*(each.expression for each in terms))):
        if not _compatible(given, witness_of_given):
            return undecided(f"{says}: no point found where the hypotheses hold".lstrip(": "))
        return proved(says or f"{sp.sstr(goal)} is a sum of nonnegative terms")
    failure = below_zero(goal, given, witness)
    if failure is not None:
        return refuted(f"{says}: {failure}".lstrip(": "))
    reason = f"sign of {sp.sstr(unknown[0])} unknown" if unknown else "certificate does not add up"
    return undecided(f"{says}: {reason}".lstrip(": "))


def positive(
    goal: Any,
    terms: Iterable[Term],
    given: Sequence[Any] = (),
    strictly: Sequence[Any] = (),
    says: str = "",
) -> Finding:
    r"""Return whether `goal` is above 0, by a certificate with a term that is.

    Parameters
    ----------
    goal, terms, given, says
        As in `nonnegative`.
    strictly
        Expressions that the claim assumes to be positive.
    """
    terms = list(terms)
    finding = nonnegative(goal, terms, [*given, *strictly], says)
    above = any(all(f.is_positive or f in strictly for f in each.factors) for each in terms)
    if finding.verdict is Verdict.PROVED and not above:
        return undecided(f"{says}: no term of the certificate is positive".lstrip(": "))
    return finding


def _compatible(given: Sequence[Any], witness: Mapping[Any, Any] | None) -> bool:
    """Tell whether a point is found where all of `given` are nonnegative, with one class."""
    hypotheses = [expression for each in given for expression in _for_every_class(each, 1)]
    if witness is not None:
        _check_signs(witness)
    points = _points(sp.Integer(0), hypotheses) if witness is None else [dict(witness)]
    found = any(all(e.xreplace(p).is_nonnegative for e in hypotheses) for p in points)
    if witness is not None and not found:
        raise ValueError("the hypotheses do not hold at their witness")
    return found


def equivalent(
    left: Any, right: Any, factor: Any, given: Sequence[Any] = (), says: str = ""
) -> Finding:
    r"""Return whether `left` is at least 0 exactly where `right` is.

    Proved if `left` equals `factor` times `right` identically and the factor is positive by the
    assumptions of its symbols; then `left` and `right` also vanish, and are positive, together.

    Parameters
    ----------
    left, right
        The expressions whose signs should agree.
    factor
        The certificate.
    given
        Expressions that the claim assumes to be nonnegative; they only guide the search for a
        point at which the signs differ.
    says
        The step in words.
    """
    if sp.sympify(factor).is_positive and vanishes(left - factor * right):
        return proved(says or f"{sp.sstr(left)} has the sign of {sp.sstr(right)}")
    for goal, hypothesis in ((left, right), (right, left)):
        failure = below_zero(goal, [*given, hypothesis])
        if failure is not None:
            return refuted(f"{says}: one side holds, but the other has {failure}".lstrip(": "))
    return undecided(f"{says}: no positive factor between the sides".lstrip(": "))


def below_zero(
    goal: Any, given: Sequence[Any] = (), witness: Mapping[Any, Any] | None = None
) -> str | None:
    """Return an exact point where all of `given` are nonnegative and `goal` is not, in words.

    Searches small numbers of classes; None if nothing was found, which proves nothing.

    Raises
    ------
    ValueError
        If the witness is not a point that the assumptions of its symbols allow.
    """
    if witness is not None:
        _check_signs(witness)
    tried: tuple[Any, ...] = ()
    for classes in CLASS_COUNTS if witness is None else (max(CLASS_COUNTS),):
        hypotheses = [
            expression for each in given for expression in _for_every_class(each, classes)
        ]
        target = written_out(sp.sympify(goal), classes)
        if (target, *hypotheses) == tried:
            break
        tried = (target, *hypotheses)
        points = [dict(witness)] if witness is not None else _points(target, hypotheses)
        for point in points:
            value = target.xreplace(point)
            if value.is_negative and all(
                each.xreplace(point).is_nonnegative for each in hypotheses
            ):
                return f"{value} < 0{_told(point)}"
    return None


def _for_every_class(expression: Any, classes: int) -> list[Any]:
    """Return a hypothesis for each class if it is one about class i, else once."""
    expression = sp.sympify(expression)
    hidden = expression.xreplace({each: sp.Dummy() for each in expression.atoms(Total)})
    about_a_class = any(map(of_one_class, hidden.free_symbols))
    count = classes if about_a_class else 1
    return [written_out(expression, classes, generic=k) for k in range(1, count + 1)]


def _without_functions(expression: Any) -> Any:
    """Return an expression with a symbol in place of each function of time and derivative."""
    for kind in (sp.Subs, sp.Derivative, AppliedUndef):
        names = {}
        for each in expression.atoms(kind):
            sign = each.is_nonnegative if kind is AppliedUndef else None
            names[each] = sp.Symbol(sp.sstr(each), nonnegative=sign, real=True)
        expression = expression.xreplace(names)
    return expression


def _check_signs(point: Mapping[Any, Any]) -> None:
    """Raise ValueError if a value is not what its symbol is assumed to be."""
    for symbol, value in point.items():
        number = sp.sympify(value)
        for quality in ("integer", "real", "positive", "nonnegative", "negative", "nonpositive"):
            wanted, found = (getattr(each, f"is_{quality}") for each in (symbol, number))
            if wanted and not found:
                raise ValueError(f"{symbol} = {value}, but it is assumed {quality}")


def _points(target: Any, hypotheses: Sequence[Any]) -> Iterable[dict[Any, Any]]:
    """Yield rational points that respect the signs of the symbols, the same in every run."""
    symbols = set(sp.sympify(target).free_symbols)
    for each in hypotheses:
        symbols |= sp.sympify(each).free_symbols
    ordered = sorted(symbols, key=lambda symbol: symbol.name)
    draws = random.Random(7)
    for _ in range(TRIALS):
        yield {symbol: _value(symbol, draws) for symbol in ordered}


def _value(symbol: sp.Symbol, draws: random.Random) -> sp.Rational:
    if symbol.is_negative or symbol.is_nonpositive:
        opposite = sp.Symbol(
            symbol.name,
            integer=symbol.is_integer,
            positive=symbol.is_negative or None,
            nonnegative=True,
        )
        return -_value(opposite, draws)
    if symbol.is_integer:
        return sp.Integer(draws.choice((2, 3, 4, 8, 16)))
    size = sp.Rational(draws.choice((1, 1, 2, 3, 5, 7)), draws.choice((1, 2, 3, 4, 10, 20)))
    if symbol.is_positive:
        return size
    if symbol.is_nonnegative:
        return size * draws.choice((0, 1, 1, 1))
    return size * draws.choice((-1, 0, 1))


def _told(point: Mapping[Any, Any]) -> str:
    if not point:
        return ""
    return " at " + ", ".join(f"{symbol} = {value}" for symbol, value in point.items())
