r"""Ledger M-r, D6 and 10k: the value of the programs as a function of the token prices.

The value is the largest of linear functions of the prices over a set in which no price occurs.
Everything here follows from that (THEORY 4.5, 10.1(k)).
"""

from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted, undecided
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.exact_instances import BASE, ExactInstance, program_value
from gnr.proofs.kit.steady_state import Program, program
from gnr.proofs.kit.symbols import OUTPUT_PRICE, PROMPT_PRICE, general_class

PRICES = (PROMPT_PRICE, OUTPUT_PRICE)
SCHEMES = ("bundled", "separate")

FACTOR = sp.Symbol("t", positive=True)
"""By which all prices are multiplied."""

PART = sp.Symbol("s", nonnegative=True)
"""Position between two pairs of prices, at most 1."""

REST = 1 - PART

HERE, THERE, BETWEEN = sp.symbols("V_0 V_1 V_s", real=True)
"""The value at two pairs of prices, and between them."""

LARGER = sp.Symbol("M", real=True)
"""The larger of the values at the two ends."""


def rows_hold_no_price(rows: Program) -> Finding:
    """Differentiate every row of the feasible set with respect to both prices."""
    names = [each.name for each in fields(rows) if each.name not in SCHEMES]
    return all_of(
        *(
            equal(getattr(rows, name).diff(price), 0, f"{name} does not contain {price}")
            for name in names
            for price in PRICES
        )
    )


def revenue_is_linear(revenue: Any, scheme: str) -> Finding:
    """Compare revenue with its derivatives times the prices; these hold no price themselves."""
    slopes = [sp.expand(revenue).diff(price) for price in PRICES]
    return all_of(
        equal(
            revenue,
            sum(price * slope for price, slope in zip(PRICES, slopes, strict=True)),
            f"{scheme} revenue is c_p G_p + c_d G_d",
        ),
        *(
            equal(slope.diff(price), 0, f"{scheme} revenue: the slope in {per} holds no {price}")
            for per, slope in zip(PRICES, slopes, strict=True)
            for price in PRICES
        ),
    )


def value_is_homogeneous(revenue: Any, degree: int = 1) -> Finding:
    """Multiply all prices: the revenue of every point is multiplied, so the largest is."""
    scaled = {price: FACTOR * price for price in PRICES}
    return equal(
        sp.expand(revenue).xreplace(scaled),
        FACTOR**degree * revenue,
        "every point earns t times as much at t times the prices, on the same set",
    )


def value_is_convex(revenue: Any, concave: bool = False) -> Finding:
    """Bound what any point earns between two pairs of prices by the mixture of the values.

    The point earns at most the value at either pair, and its revenue is the mixture.
    """
    ends = [
        [sp.Symbol(f"{price.name}^{end}", nonnegative=True) for price in PRICES] for end in (0, 1)
    ]
    middle = [REST * low + PART * high for low, high in zip(*ends, strict=True)]

    def at(prices: Any) -> Any:
        return sp.expand(revenue).xreplace(dict(zip(PRICES, prices, strict=True)))

    gaps = [HERE - at(ends[0]), THERE - at(ends[1])]
    sign = -1 if concave else 1
    return nonnegative(
        sign * (REST * HERE + PART * THERE - at(middle)),
        [product(REST, gaps[0]), product(PART, gaps[1])],
        [*gaps, REST],
        "no point earns more between two pairs of prices than the mixture of the values there",
    )


def revenues() -> dict[str, Any]:
    """Return the revenue of a point under each scheme, from the rewards of the network."""
    rows = program(general_class())
    return {scheme: getattr(rows, scheme) for scheme in SCHEMES}


def value_is_a_maximum_of_linear_functions() -> Finding:
    """Look for prices in the rows, and for anything but a linear price in the revenue."""
    return all_of(
        rows_hold_no_price(program(general_class())),
        *(revenue_is_linear(revenue, scheme) for scheme, revenue in revenues().items()),
        *(value_is_homogeneous(revenue) for revenue in revenues().values()),
        *(value_is_convex(revenue) for revenue in revenues().values()),
    )


def budget_row_holds_a_price() -> Finding:
    """Ask the same of a feasible set with a budget for prompt tokens."""
    rows = program(general_class())
    return rows_hold_no_price(replace(rows, prefill_room=rows.prefill_room - PROMPT_PRICE))


def value_at(scheme: str, prompt: Any, output: Any) -> Fraction:
    """Return the exact value on the base instance at some prices."""
    return program_value(BASE.priced(prompt, output), scheme)


def exact_values_agree(degree: int = 1) -> Finding:
    """Compute values of the base instance at its prices, at twice these and between the ends."""
    findings = []
    for scheme in SCHEMES:
        once, twice, outputs_only, prompts_only, between = (
            value_at(scheme, sp.Rational(prompt, 40), sp.Rational(output, 40))
            for prompt, output in ((4, 8), (8, 16), (0, 12), (12, 0), (6, 6))
        )
        mean = (outputs_only + prompts_only) / 2
        holds = twice == 2**degree * once and between <= mean
        findings.append(
            (proved if holds else refuted)(
                f"base instance, {scheme}: V(0.1, 0.2) = {once}, V(0.2, 0.4) = {twice}",
                f"base instance, {scheme}: V(0.15, 0.15) = {between} = {float(between):.4f}, the "
                f"mean of V(0.3, 0) and V(0, 0.3) is {mean} = {float(mean):.4f}",
            )
        )
    return all_of(*findings)


def maximum_is_at_an_end(convex: bool = True) -> Finding:
    """Bound the value inside a segment of constant c_p + c_d by the larger of its ends.

    Without `convex` nothing is known of the value inside.
    """
    total = sp.Symbol("k", positive=True)
    ends = ((total, 0), (0, total))
    inside = [REST * low + PART * high for low, high in zip(*ends, strict=True)]
    convexity = REST * HERE + PART * THERE - BETWEEN
    gaps = [LARGER - HERE, LARGER - THERE]
    return all_of(
        equal(sum(inside), total, "the way from (k, 0) to (0, k) keeps c_p + c_d = k"),
        nonnegative(
            LARGER - BETWEEN,
            [product(REST, gaps[0]), product(PART, gaps[1]), product(convexity)],
            [*gaps, REST, *([convexity] if convex else [])],
            "no value inside exceeds both ends",
        ),
    )


def maximum_inside_means_constant(attained: bool = True) -> Finding:
    """Put a point that attains the maximum between any other point and an end beyond it.

    Convexity there bounds the other point's value from below by the maximum. Without `attained`
    the inner point may have any value.
    """
    elsewhere = sp.Symbol("V_u", real=True)
    convexity = REST * elsewhere + PART * THERE - BETWEEN
    given = [convexity, LARGER - THERE, LARGER - elsewhere, LARGER - BETWEEN, REST]
    reached = BETWEEN - LARGER
    return nonnegative(
        REST * (elsewhere - LARGER),
        [product(convexity), product(PART, LARGER - THERE), product(reached)],
        [*given, reached] if attained else given,
        "V = M at one point inside, which is a fraction s < 1 of the way from any u to the end "
        "beyond: (1 - s)(V(u) - M) ≥ 0, so V = M on the whole segment",
    )


def constant_value_exists(outputs: int = 400) -> Finding:
    """Evaluate a lightly loaded class with as many output as prompt tokens along k = 1."""
    instance = ExactInstance((400,), (outputs,), ("0.5",), ("0.1",))
    parts = (sp.Integer(0), sp.Rational(1, 3), sp.Integer(1))
    values = {
        scheme: [program_value(instance.priced(part, 1 - part), scheme) for part in parts]
        for scheme in SCHEMES
    }
    constant = all(len(set(each)) == 1 for each in values.values())
    told = "; ".join(f"{scheme} {', '.join(map(str, each))}" for scheme, each in values.items())
    return (proved if constant else refuted)(
        f"P = 400, D = {outputs}, lambda = 1/2 at c_p = 0, 1/3, 1 with c_p + c_d = 1: {told}"
    )


PARTS = tuple(sp.Rational(part) for part in ("0", "1/10", "1/3", "1/2", "2/3", "9/10", "1"))
"""Shares of c_p in c_p + c_d; 1/3 is that of the base instance."""


def interior_ratio_is_best(ratio: Any = None) -> Finding:
    """Ask for a best ratio that is neither 0 nor infinite, on the base instance with k = 0.3.

    Different values at the two ends exclude every one of them, by convexity; `ratio` asks for
    that share of c_p only.
    """
    total, findings = sp.Rational(3, 10), []
    for scheme in SCHEMES:
        values = {
            part: value_at(scheme, part * total, (1 - part) * total)
            for part in (PARTS if ratio is None else (sp.Integer(0), ratio, sp.Integer(1)))
        }
        ends = values[sp.Integer(0)], values[sp.Integer(1)]
        inside = [value for part, value in values.items() if 0 < part < 1]
        told = "; ".join(
            f"V = {value} = {float(value):.4f} at c_p = {part * total}"
            for part, value in values.items()
        )
        excluded = ends[0] != ends[1] and max(inside) < max(ends)
        findings.append(
            (refuted if excluded else undecided)(
                f"{scheme}, c_p + c_d = {total}: {told}; the ends differ and V is convex, so "
                "every value inside is below the larger end"
            )
        )
    return all_of(*findings)


CLAIMS = (
    Claim(
        id="M-r",
        statement="Doubling all prices doubles the value, and the value is a convex function of "
        "the prices, under either scheme; also computed exactly on the base instance.",
        latex=r"V(tc_p,tc_d)=tV(c_p,c_d),\qquad V\ \text{convex}",
        source="THEORY 8.1, eq. D6",
        check=lambda: all_of(value_is_a_maximum_of_linear_functions(), exact_values_agree()),
        mutants=(
            Mutant("homogeneous of degree two", lambda: exact_values_agree(degree=2)),
            Mutant("concave", lambda: value_is_convex(revenues()["bundled"], concave=True)),
        ),
    ),
    Claim(
        id="D6",
        statement="The value is the maximum of linear functions of the prices over a set in which "
        "no price occurs, so it is convex and homogeneous of degree one.",
        latex=r"V(c_p,c_d)=\max_{\xi\in F}\{c_pG_p(\xi)+c_dG_d(\xi)\}",
        source="THEORY 4.5, eq. D6",
        check=value_is_a_maximum_of_linear_functions,
        mutants=(
            Mutant("a budget row with a price", budget_row_holds_a_price),
            Mutant(
                "homogeneous of degree two",
                lambda: value_is_homogeneous(revenues()["separate"], degree=2),
            ),
            Mutant(
                "a reward that is the product of the prices",
                lambda: revenue_is_linear(
                    revenues()["separate"] * PROMPT_PRICE * OUTPUT_PRICE, "separate"
                ),
            ),
        ),
    ),
    Claim(
        id="10k/printed",
        statement="On c_p + c_d = k the value is largest at one finite, positive ratio of the "
        "prices, whatever k.",
        latex=r"\exists\,r\in(0,\infty)\ \forall k:\ "
        r"\arg\max_{c_p+c_d=k}V(c_p,c_d)=\{c_p/c_d=r\}",
        source="THEORY 9.9, 10.1(k)",
        check=interior_ratio_is_best,
        mutants=(
            Mutant("at equal prices", lambda: interior_ratio_is_best(sp.Rational(1, 2))),
            Mutant("at c_d = 2 c_p", lambda: interior_ratio_is_best(sp.Rational(1, 3))),
        ),
    ),
    Claim(
        id="10k/corrected",
        statement="On c_p + c_d = k the value is largest at an end, where one of the prices is 0; "
        "it is attained between the ends only if it is constant on the whole segment, which "
        "happens.",
        latex=r"\max_{c_p+c_d=k}V=k\max\{V(1,0),V(0,1)\};\qquad V((1-s)k,sk)=\max V,\ 0<s<1"
        r"\ \Rightarrow\ V\equiv\max V",
        source="THEORY 10.1(k), eq. D6",
        check=lambda: all_of(
            value_is_a_maximum_of_linear_functions(),
            maximum_is_at_an_end(),
            maximum_inside_means_constant(),
            constant_value_exists(),
        ),
        mutants=(
            Mutant("without convexity", lambda: maximum_is_at_an_end(convex=False)),
            Mutant("constant in any case", lambda: maximum_inside_means_constant(attained=False)),
            Mutant("constant for D < P", lambda: constant_value_exists(outputs=100)),
        ),
    ),
)
