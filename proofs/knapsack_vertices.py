r"""Ledger M-q: a vertex of the knapsack (D4) has few classes strictly between their bounds.

With more such classes the point can be moved both ways along a line inside the polytope, so it
is the middle of two others and no vertex. Only the classes that move are written out; all
others, any number of them, stay where they are.
"""

from collections.abc import Sequence
from typing import Any

import sympy as sp

from gnr.proofs.decode_split import mixing_cost
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted
from gnr.proofs.kit.exact import equal, nonnegative, product
from gnr.proofs.kit.exact_instances import ExactInstance
from gnr.proofs.kit.symbols import BATCH, Model, general_class
from gnr.proofs.kit.totals import numbered

STEP = sp.Symbol("epsilon", nonnegative=True)
"""Length of the step to either side."""

LONGEST = sp.Symbol("m", nonnegative=True)
"""A bound on the entries of the direction."""

TWO_MARGINAL = ExactInstance((3000, 1000), (100, 400), ("4", "4"), ("0.1", "0.1"))
"""An instance whose two rows meet strictly between all bounds."""


def weight(model: Model) -> Any:
    r"""Return :math:`C\phi_i+\kappa B-(B-1)`, weight of class i in the decode row."""
    return model.rates.decode_work + mixing_cost(model)


def keeps_rows(direction: Sequence[Any], weights: Sequence[Any], prefill_row: bool) -> Finding:
    """Show that a direction leaves the decode row, and if asked the prefill row, as it is."""
    change = sum(w * d for w, d in zip(weights, direction, strict=True))
    findings = [equal(change, 0, "the decode row does not change")]
    if prefill_row:
        findings.append(equal(sum(direction), 0, "the prefill row does not change"))
    return all_of(*findings)


def stays_between_bounds() -> Finding:
    """Step both ways by less than the distance to the bounds over the longest entry."""
    taken, bound = sp.symbols("x_i u_i", nonnegative=True)
    entry = sp.Symbol("d_i", real=True)
    reach = STEP * LONGEST
    given = [taken - reach, bound - taken - reach, LONGEST - entry, LONGEST + entry]
    findings = []
    for sign, name in ((1, "forth"), (-1, "back")):
        moved = taken + sign * STEP * entry
        findings += [
            nonnegative(
                moved,
                [product(given[0]), product(STEP, LONGEST + sign * entry)],
                given,
                f"{name}: x_i ≥ 0 for any step ≤ x_i/m, m ≥ |d_i|",
            ),
            nonnegative(
                bound - moved,
                [product(given[1]), product(STEP, LONGEST - sign * entry)],
                given,
                f"{name}: x_i ≤ lambda_i/mu_p,i for any step ≤ (lambda_i/mu_p,i - x_i)/m",
            ),
        ]
    return all_of(*findings)


def slack_prefill_row_stays() -> Finding:
    """Step both ways while the prefill row has slack; any step ≤ slack/|sum d_i| keeps it."""
    slack, sum_of_entries = sp.Symbol("h", nonnegative=True), sp.Symbol("S", real=True)
    given = [slack - STEP * LONGEST, LONGEST - sum_of_entries, LONGEST + sum_of_entries]
    return all_of(
        *(
            nonnegative(
                slack - sign * STEP * sum_of_entries,
                [product(given[0]), product(STEP, LONGEST - sign * sum_of_entries)],
                given,
                "a prefill row with slack keeps some for a short step",
            )
            for sign in (1, -1)
        )
    )


def three_marginal_classes_can_move() -> Finding:
    """Solve both rows for a direction in three classes: the cross product, unless it is 0.

    It is 0 only if the three weights agree; then two of the classes exchange prefills.
    """
    weights = [numbered(weight(general_class()), k) for k in (1, 2, 3)]
    a, b, c = weights
    same = sp.Symbol("a", positive=True)
    direction = list(sp.Matrix([1, 1, 1]).cross(sp.Matrix(weights)))
    return all_of(
        equal(direction[0] + b, c, "unequal weights: d = (a_3 - a_2, a_1 - a_3, a_2 - a_1) ≠ 0"),
        equal(direction[1] + c, a, "its entries are differences of weights"),
        keeps_rows(direction, weights, prefill_row=True),
        keeps_rows([sp.Integer(1), sp.Integer(-1)], [same, same], prefill_row=True),
        stays_between_bounds(),
    )


def two_marginal_classes_can_move(prefill_row: bool = False) -> Finding:
    """With slack in the prefill row two classes trade decode work, by the other one's weight.

    If both weights were 0, each could move alone. `prefill_row` asks it of a full prefill row.
    """
    weights = [numbered(weight(general_class()), k) for k in (1, 2)]
    return all_of(
        keeps_rows([weights[1], -weights[0]], weights, prefill_row),
        keeps_rows([sp.Integer(1)], [sp.Integer(0)], prefill_row=False),
        stays_between_bounds(),
        slack_prefill_row_stays(),
    )


def two_classes_without_direction() -> Finding:
    """Solve both rows as equations on an instance: one point, strictly between all bounds."""
    model, instance = general_class(), TWO_MARGINAL
    weights = instance.of_each(weight(model))
    bounds = instance.of_each(model.rates.full_prefill)
    rows = sp.Matrix([[1, 1], weights])
    point = list(rows.LUsolve(sp.Matrix([1, instance.of(model.rates.speed_ratio * BATCH)])))
    inside = all(0 < x < u for x, u in zip(point, bounds, strict=True))
    if rows.det() == 0 or not inside:
        return proved("both rows leave a direction, or their solution is outside of the bounds")
    return refuted(
        f"both rows tight at x = ({point[0]}, {point[1]}), bounds ({bounds[0]}, {bounds[1]}): "
        f"determinant {rows.det()} ≠ 0, so a vertex with two classes between their bounds"
    )


CLAIMS = (
    Claim(
        id="M-q",
        statement="A vertex of the knapsack has at most two classes strictly between their "
        "bounds, and at most one where the prefill row has slack.",
        latex=r"\#\{i:0<x_i<\lambda_i/\mu_{p,i}\}\le2,\qquad \le1\ \text{if}\ \sum_ix_i<1",
        source="THEORY 8.1, after eq. D4",
        assumptions=(sp.Ge(general_class().rates.speed_ratio, (BATCH - 1) / BATCH),),
        check=lambda: all_of(three_marginal_classes_can_move(), two_marginal_classes_can_move()),
        mutants=(
            Mutant("at most one where the prefill row is tight", two_classes_without_direction),
            Mutant(
                "trading decode work keeps a tight prefill row",
                lambda: two_marginal_classes_can_move(prefill_row=True),
            ),
        ),
    ),
)
