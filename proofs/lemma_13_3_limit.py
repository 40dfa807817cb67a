r"""Ledger 8.7, L13.3-h: the flow of :math:`A=v\mu^\top-D` tends to its projection."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, undecided
from gnr.proofs.kit.exact import Term, equal, nonnegative, over_classes
from gnr.proofs.kit.totals import Total, component_derivative, numbered
from gnr.proofs.lemma_13_3 import (
    PART,
    RATE,
    SUMS_TO_ONE,
    VECTOR,
    WEIGHT,
    applied,
    numbered_matrix,
    shares,
)


def projected(vector: Any, direction: Any) -> Any:
    """Return component i of P y, the projection on a direction that keeps the mass."""
    return direction * Total(vector) / Total(direction)


def projector_annihilates(direction: Any = PART / RATE) -> Finding:
    """Apply P and A to the component of any vector, in both orders."""
    weight = shares()
    image = projected(VECTOR, direction)
    return all_of(
        equal(projected(image, direction), image, "P P = P"),
        equal(applied(image, weight=weight), 0, "A P = 0"),
        equal(projected(applied(VECTOR, weight=weight), direction), 0, "P A = 0"),
    )


def deviations_die_out() -> Finding:
    r"""Certify that :math:`V=\sum\mu_iz_i^2/v_i` decays for deviations z of mass 0.

    With :math:`f_i=\mu_iz_i/v_i` and m the least rate, :math:`-\dot V/2-mV` is a sum of
    nonnegative terms once multiples of (sum of weights - 1) and of the mass are added.
    """
    slowest = sp.Symbol("m", positive=True)
    ratio = sp.Symbol("f_i", real=True)
    held = WEIGHT * ratio / RATE
    height = Total(RATE * VECTOR**2 / WEIGHT)
    fall = -Total(component_derivative(height, VECTOR) * applied(VECTOR)).subs(VECTOR, held) / 2
    mean = Total(WEIGHT * ratio)
    return nonnegative(
        fall
        - slowest * height.subs(VECTOR, held)
        + 2 * slowest * mean * Total(held)
        + mean**2 * (Total(WEIGHT) - 1),
        [
            over_classes(WEIGHT, (ratio - mean) ** 2, RATE - slowest, 1 / RATE),
            Term((slowest, mean**2, Total(WEIGHT / RATE))),
        ],
        given=(RATE - slowest,),
        says="dV/dt <= -2 m V, so z(t) -> 0 at rate m at least; any number of classes",
    )


def two_classes_exactly(rate_of_decay: Any = None) -> Finding:
    r"""Solve two classes: :math:`e^{At}=P+e^{-\nu t}(1-P)`, :math:`\nu=v_1\mu_2+v_2\mu_1`."""
    matrix, rate, weight = numbered_matrix(2)
    time = sp.Symbol("t", positive=True)
    one = {weight[1]: 1 - weight[0]}
    kernel = sp.Matrix([w / m for w, m in zip(weight, rate, strict=True)])
    projector = kernel * sp.ones(1, 2) / sum(kernel)
    decay = rate_of_decay or weight[0] * rate[1] + weight[1] * rate[0]
    rest = sp.eye(2) - projector
    vector = sp.Matrix([numbered(VECTOR, 1), numbered(VECTOR, 2)])
    slopes = (matrix * projector * vector, (matrix + decay * sp.eye(2)) * rest * vector)
    parts = [
        equal(component.subs(one), 0, f"I = 2, class {k}: {says}")
        for slope, says in zip(slopes, ("A P = 0", "A (1 - P) = -nu (1 - P)"), strict=True)
        for k, component in enumerate(slope, 1)
    ]
    if sp.limit(sp.exp(-decay * time), time, sp.oo) != 0:
        return undecided("no limit")
    return all_of(*parts)


def solution_tends_to_the_projection(direction: Any = PART / RATE) -> Finding:
    """Split off P y(0), which stays; the rest has mass 0 and dies out by a certificate."""
    return all_of(projector_annihilates(direction), deviations_die_out(), two_classes_exactly())


CLAIMS = (
    Claim(
        id="L13.3-h",
        statement="The flow tends to the projection on the kernel that keeps the mass.",
        latex=(
            r"P=\frac{r\mathbf 1^\top}{\mathbf 1^\top r},\ r=D^{-1}v:\quad "
            r"P^2=P,\ AP=PA=0,\ e^{At}\to P"
        ),
        source="THEORY 8.7, Lemma 13.3(ii), eq. U16",
        assumptions=(SUMS_TO_ONE,),
        cites=("Grönwall's inequality",),
        check=solution_tends_to_the_projection,
        mutants=(
            Mutant(
                "projection on v",
                lambda: solution_tends_to_the_projection(direction=PART),
            ),
            Mutant(
                "two classes decay at the sum of the rates",
                lambda: two_classes_exactly(numbered(RATE, 1) + numbered(RATE, 2)),
            ),
        ),
    ),
)
