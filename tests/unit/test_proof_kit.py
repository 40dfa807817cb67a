"""The proof kit says neither too much nor the wrong thing."""

import pytest
import sympy as sp

from gnr.proofs.kit.claim import Verdict, all_of, refuted, unsettled
from gnr.proofs.kit.exact import below_zero, equal, nonnegative, over_classes, positive, product
from gnr.proofs.kit.totals import Total, component_derivative, numbered, written_out

X = sp.Symbol("x_i", nonnegative=True)
Y = sp.Symbol("y_i", positive=True)
A = sp.Symbol("a", nonnegative=True)
RATE = sp.Symbol("b", positive=True)
REAL = sp.Symbol("r", real=True)
TIME = sp.Symbol("t", nonnegative=True)
PATH = sp.Function("q_i", nonnegative=True)(TIME)
X_1, X_2 = (numbered(X, k) for k in (1, 2))


def test_nothing_is_not_proved() -> None:
    with pytest.raises(ValueError, match="no findings"):
        all_of()


def test_a_premise_that_fails_settles_nothing() -> None:
    finding = unsettled(refuted("x < 0"))
    assert finding.verdict is Verdict.UNDECIDED
    assert finding.evidence == ("a premise fails: x < 0",)


# sums over classes


def test_no_class_is_caught_by_a_sum() -> None:
    with pytest.raises(ValueError, match="inside a sum"):
        Total(1 / (RATE + Y)).subs(RATE, X)
    with pytest.raises(ValueError, match="inside a sum"):
        Total(RATE**2 * Y / (RATE + Y)).xreplace({RATE: X})
    with pytest.raises(ValueError, match="inside a sum"):
        Total(1 / (RATE + Y)).subs(RATE, PATH)


def test_what_binds_nothing_is_put_into_a_sum() -> None:
    assert Total(1 / (RATE + Y)).subs(RATE, Total(X)) == Total(1 / (Total(X) + Y))
    assert Total(X / Y).xreplace({X: Y**2}) == Total(Y)
    assert Total(X).xreplace({Total(X): X}) == X
    assert (RATE * Total(X)).subs(RATE, X) == X * Total(X)


def test_numbering_a_class_leaves_sums_alone() -> None:
    assert numbered(X * Total(X), 2) == X_2 * Total(X)


def test_a_sum_inside_a_sum_is_written_out() -> None:
    nested = Total(1 / (1 + X + Total(X)))
    both = X_1 + X_2
    assert written_out(nested, 2) == 1 / (1 + X_1 + both) + 1 / (1 + X_2 + both)


@pytest.mark.parametrize(
    "expression", [Total(X) ** 2 * X, Total(1 / (1 + X + Total(X))), Total(X / (1 + Total(X**2)))]
)
def test_derivative_with_respect_to_one_class(expression: sp.Expr) -> None:
    derived = written_out(component_derivative(expression, X), 2, generic=1)
    assert sp.cancel(derived - written_out(expression, 2, generic=1).diff(X_1)) == 0


# points


@pytest.mark.parametrize(
    ("assumed", "value"),
    [
        ({"nonnegative": True}, -1),
        ({"positive": True}, 0),
        ({"negative": True}, 1),
        ({"nonpositive": True}, 1),
        ({"integer": True}, sp.Rational(1, 2)),
        ({"real": True}, sp.I),
    ],
)
def test_a_witness_is_what_its_symbol_is_assumed_to_be(
    assumed: dict[str, bool], value: sp.Expr
) -> None:
    symbol = sp.Symbol("z", **assumed)
    with pytest.raises(ValueError, match="assumed"):
        nonnegative(symbol - 5, [], witness={symbol: value})


def test_negative_symbols_are_tried_with_negative_numbers() -> None:
    negative, nonpositive = sp.Symbol("n", negative=True), sp.Symbol("m", nonpositive=True)
    count = sp.Symbol("k", integer=True, negative=True)
    assert below_zero(-negative) is None
    assert below_zero(-nonpositive) is None
    assert below_zero(-count - 1) is None
    assert below_zero(negative) is not None


# identities


def test_derivatives_are_carried_out() -> None:
    assert equal(sp.Derivative(PATH**2, TIME), 2 * PATH * PATH.diff(TIME)).label == "proved"
    assert equal(sp.Derivative(PATH**2, TIME), PATH * PATH.diff(TIME)).label == "refuted"


def test_values_at_two_times_are_two_values() -> None:
    assert equal(PATH, PATH.subs(TIME, 0)).label == "refuted"
    assert equal(PATH.diff(TIME), PATH.diff(TIME).subs(TIME, 0)).label == "refuted"


# hypotheses


def test_a_contradiction_proves_nothing() -> None:
    finding = nonnegative(-1, [product(REAL - 1), product(-REAL)], given=[REAL - 1, -REAL])
    assert finding.verdict is Verdict.UNDECIDED
    assert "hypotheses" in finding.evidence[0]


def test_a_witness_of_the_hypotheses_is_looked_at() -> None:
    given = [REAL - 100, 100 - REAL]
    terms = [product(each) for each in given]
    assert nonnegative(0, terms, given).verdict is Verdict.UNDECIDED
    assert nonnegative(0, terms, given, witness_of_given={REAL: 100}).label == "proved"
    with pytest.raises(ValueError, match="do not hold"):
        nonnegative(0, terms, given, witness_of_given={REAL: 99})


# strict inequalities


def test_above_zero_needs_a_term_that_is() -> None:
    assert positive(A + RATE, [product(A), product(RATE)]).label == "proved"
    assert positive(Total(X * Y), [over_classes(X, Y)]).label == "undecided"
    assert positive(Total(Y), [over_classes(Y)]).label == "proved"
    assert positive(A + REAL, [product(A), product(REAL)], strictly=[REAL]).label == "proved"
    assert positive(A + REAL, [product(A), product(REAL)], given=[REAL]).label == "undecided"
    assert positive(A - RATE, [product(A), product(-RATE)]).label == "refuted"
