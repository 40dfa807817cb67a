r"""Ledger 8.7, L13.3: the matrix :math:`A=v\mu^\top-D` of one full pool, any number of classes.

Vectors are written by their class-i component and sums over classes with `Total`.
"""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of, proved, refuted, undecided
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, positive, product
from gnr.proofs.kit.totals import Total, numbered

RATE = sp.Symbol("mu_i", positive=True)
WEIGHT = sp.Symbol("v_i", positive=True)
VECTOR = sp.Symbol("y_i", real=True)
POINT = sp.Symbol("lambda", complex=True)
REAL = sp.Symbol("Re", nonnegative=True)
IMAGINARY = sp.Symbol("Im", real=True)
GAP = sp.Symbol("g_i", positive=True)
r"""By how much :math:`|\mu_i/(\lambda+\mu_i)|` stays below 1."""
PART = sp.Symbol("omega_i", positive=True)


def shares(mass: Any = 1) -> Any:
    """Return positive weights of class i that sum to `mass`."""
    return mass * PART / Total(PART)


def applied(vector: Any, rate: Any = RATE, weight: Any = WEIGHT) -> Any:
    """Return component i of A times a vector given by its component i."""
    return weight * Total(rate * vector) - rate * vector


def secular(point: Any, weight: Any = WEIGHT) -> Any:
    r"""Return :math:`g(\lambda)=\sum_iv_i\mu_i/(\lambda+\mu_i)`."""
    return Total(weight * RATE / (point + RATE))


def squared_modulus(value: Any) -> Any:
    """Return the square of the modulus of an expression with real symbols."""
    return sp.expand(value * sp.conjugate(value))


def numbered_matrix(classes: int) -> tuple[Any, Any, Any]:
    """Return A, mu and v for a number of classes, symbols."""
    rate = sp.Matrix([numbered(RATE, k) for k in range(1, classes + 1)])
    weight = sp.Matrix([numbered(WEIGHT, k) for k in range(1, classes + 1)])
    return weight * rate.T - sp.diag(*rate), rate, weight


def determinant_by_blocks() -> Finding:
    """Factor one bordered matrix of symbolic size in two ways, triangular blocks both times."""
    size = sp.Symbol("I", integer=True, positive=True)
    scalar, one = sp.Identity(size), sp.Identity(1)
    shifted = sp.MatrixSymbol("M", size, size)
    weight, rate = sp.MatrixSymbol("v", size, 1), sp.MatrixSymbol("mu", size, 1)
    down, right = sp.ZeroMatrix(size, 1), sp.ZeroMatrix(1, size)
    bordered = sp.BlockMatrix([[shifted, weight], [rate.T, one]])
    by_shifted = sp.BlockMatrix([[scalar, down], [rate.T * shifted.I, one]]) * sp.BlockMatrix(
        [[shifted, weight], [right, one - rate.T * shifted.I * weight]]
    )
    by_one = sp.BlockMatrix([[scalar, weight], [right, one]]) * sp.BlockMatrix(
        [[shifted - weight * rate.T, down], [rate.T, one]]
    )
    for factored in (by_shifted, by_one):
        blocks = sp.block_collapse(factored).blocks
        for place, block in enumerate(bordered.blocks):
            if (blocks[place] - block).doit() != sp.ZeroMatrix(*block.shape):
                return undecided(f"block {place} of the factored matrix differs")
    return proved(
        "[[M, v], [mu', 1]] = [[1, 0], [mu' M^-1, 1]] [[M, v], [0, 1 - mu' M^-1 v]], any size",
        "[[M, v], [mu', 1]] = [[1, v], [0, 1]] [[M - v mu', 0], [mu', 1]], any size",
        "so det(M - v mu') = det(M) (1 - mu' M^-1 v), here with M = lambda + D",
    )


def characteristic_polynomial(sign: int = -1) -> Finding:
    """Prove it for symbolic size by blocks; write the determinants out for up to 3 classes.

    `sign` stands before the secular function.
    """
    parts = []
    for classes in (1, 2, 3):
        matrix, rate, weight = numbered_matrix(classes)
        shifted = sp.diag(*(POINT + each for each in rate))
        scalar = (rate.T * shifted.inv() * weight)[0]
        parts.append(
            equal(
                (POINT * sp.eye(classes) - matrix).det(method="berkowitz"),
                shifted.det() * (1 + sign * scalar),
                f"written out for I = {classes}",
            )
        )
    return all_of(determinant_by_blocks(), *parts)


def every_eigenvalue_is_a_root() -> Finding:
    """Take equal rates: an eigenvalue at which the secular function is not even defined."""
    matrix, rate, weight = numbered_matrix(2)
    point = {rate[0]: 1, rate[1]: 1, weight[0]: sp.Rational(1, 2), weight[1]: sp.Rational(1, 2)}
    here = matrix.subs(point)
    vector = sp.Matrix([1, -1])
    if here * vector != -vector:
        return undecided("(1, -1) is no eigenvector")
    g = sp.together(sum(w * m / (POINT + m) for w, m in zip(weight, rate, strict=True)).subs(point))
    return refuted(
        "mu = (1, 1), v = (1/2, 1/2): A (1, -1) = -(1, -1), so -1 is an eigenvalue",
        f"there g = {g} has a pole, it is not 1",
    )


def roots_are_the_eigenvalues_off_the_poles(level: int = 1) -> Finding:
    r"""Carry the eigenvector through both ways; no component :math:`\lambda+\mu_i` vanishes.

    `level` is the value of g at an eigenvalue.
    """
    flow = sp.Symbol("s")
    component = WEIGHT * flow / (POINT + RATE)
    return all_of(
        equal(
            (WEIGHT * flow - RATE * VECTOR - POINT * VECTOR).subs(VECTOR, component),
            0,
            "A y = lambda y with s = sum mu_j y_j is y_i = v_i s/(lambda + mu_i)",
        ),
        equal(
            Total(RATE * component),
            flow * secular(POINT),
            "s = s g(lambda), and s = 0 only for y = 0: an eigenvalue has g = 1",
        ),
        equal(
            (applied(component) - POINT * component).subs(secular(POINT), level),
            0,
            "where g = 1, y_i = v_i/(lambda + mu_i) is an eigenvector",
        ),
    )


def zero_is_simple(mass: Any = 1) -> Finding:
    """Differentiate determinant = Delta (1 - g) at 0, Delta(0) = product of the rates.

    `mass` is the sum of the weights.
    """
    delta = sp.Function("Delta")(POINT)
    weight = shares(mass)
    g = secular(POINT, weight)
    steepness = Total(weight / RATE)
    return all_of(
        equal(g.subs(POINT, 0), 1, "g(0) = sum v_i = 1"),
        equal(g.diff(POINT).subs(POINT, 0), -steepness, "g'(0) = -sum v_i/mu_i"),
        equal(
            (delta * (1 - g)).diff(POINT).subs(POINT, 0).doit(),
            delta.subs(POINT, 0) * steepness,
            "the characteristic polynomial has slope mu_1 ... mu_I sum v_i/mu_i at its root 0",
        ),
        positive(steepness, [over_classes(weight, 1 / RATE)], says="that slope is positive"),
    )


def modulus_strictly_below(sign: int = 1) -> Finding:
    """Compare squares; the excess is the square of the imaginary part, 0 on the real axis.

    `sign` -1 exchanges the two sides.
    """
    here = REAL + sp.I * IMAGINARY + RATE
    excess = sign * sp.expand(squared_modulus(here) - (REAL + RATE) ** 2)
    for real, imaginary in ((0, 1), (1, 1), (1, 0)):
        point = {REAL: real, IMAGINARY: imaginary, RATE: 1}
        if excess.subs(point) <= 0:
            squares = (1 / squared_modulus(here), 1 / (REAL + RATE) ** 2)
            left, right = (value.subs(point) for value in squares)
            return refuted(
                f"mu_i = 1, lambda = {sp.sstr(real + imaginary * sp.I)}: "
                f"the squares of the two sides are {left} and {right}"
            )
    return undecided("no point found at which the inequality fails")


def modulus_below_one(real: sp.Symbol = REAL) -> Finding:
    """Compare squares: what is left is a sum of squares and products of nonnegative numbers.

    `real` is the real part of lambda.
    """
    whole = squared_modulus(real + sp.I * IMAGINARY + RATE)
    size = squared_modulus(real + sp.I * IMAGINARY)
    return all_of(
        nonnegative(
            whole - (real + RATE) ** 2,
            [product(IMAGINARY**2)],
            says="|lambda + mu_i|^2 - (Re lambda + mu_i)^2 = (Im lambda)^2",
        ),
        positive(
            whole - RATE**2,
            [product(size), product(2, RATE, real)],
            strictly=[size],
            says="|lambda + mu_i|^2 - mu_i^2 = |lambda|^2 + 2 mu_i Re lambda > 0 off lambda = 0",
        ),
    )


def no_root_on_the_right(mass: Any = 1, real: sp.Symbol = REAL) -> Finding:
    """Bound g by the triangle inequality; what misses 1 is the mean of positive gaps."""
    weight = shares(mass)
    return all_of(
        modulus_below_one(real),
        positive(
            1 - Total(weight * (1 - GAP)),
            [over_classes(weight, GAP)],
            given=(1 - GAP,),
            says="1 - sum v_i |mu_i/(lambda + mu_i)| is the positive mean of the gaps",
        ),
    )


def mass_is_conserved(mass: Any = 1) -> Finding:
    """Sum the components of A y for any y and any number of classes."""
    return equal(Total(applied(VECTOR, weight=shares(mass))), 0, "1' A y = 0 for every y")


def kernel_is_a_line(vector: Any = WEIGHT / RATE) -> Finding:
    """Solve component i of A y = 0 for y_i; the total that stands in it takes care of itself.

    `vector` is the direction the kernel is said to have.
    """
    flow = sp.Symbol("s", real=True)
    held = shares()
    direction = vector.subs(WEIGHT, held)
    (component,) = sp.solve(held * flow - RATE * VECTOR, VECTOR)
    return all_of(
        equal(component, flow * direction, "A y = 0 with s = mu' y forces y_i = s v_i/mu_i"),
        equal(Total(RATE * component), flow, "and then mu' y is s"),
        equal(
            Total(component),
            flow * Total(direction),
            "so s is fixed by the mass: s = M / sum v_i/mu_i",
        ),
    )


SUMS_TO_ONE = sp.Eq(Total(WEIGHT), 1, evaluate=False)
ANY_SIGN = sp.Symbol("Re", real=True)

CLAIMS = (
    Claim(
        id="L13.3-a",
        statement="The characteristic polynomial is that of the diagonal times one scalar.",
        latex=r"\det(\lambda-A)=\det(\lambda+D)\big(1-\mu^\top(\lambda+D)^{-1}v\big)",
        source="THEORY 8.7, Lemma 13.3",
        assumptions=(sp.Ne(POINT, -RATE),),
        cites=(
            "the determinant of a product is the product of the determinants",
            "a block triangular determinant is the product of those of its diagonal blocks",
        ),
        check=characteristic_polynomial,
        mutants=(Mutant("plus sign", lambda: characteristic_polynomial(sign=1)),),
    ),
    Claim(
        id="L13.3-b/printed",
        statement="A number is an eigenvalue if and only if the secular function is 1 there.",
        latex=r"\det(\lambda-A)=0\iff\sum_i\frac{v_i\mu_i}{\lambda+\mu_i}=1",
        source="Lemma 13.3 as printed, for all lambda",
        check=every_eigenvalue_is_a_root,
        mutants=(
            Mutant(
                "with the value 2 for 1",
                lambda: roots_are_the_eigenvalues_off_the_poles(level=2),
            ),
        ),
    ),
    Claim(
        id="L13.3-b/corrected",
        statement="Off the poles -mu_i the secular function is 1 exactly at the eigenvalues.",
        latex=(
            r"\lambda\ne-\mu_i\ \forall i:\quad"
            r"\det(\lambda-A)=0\iff\sum_i\frac{v_i\mu_i}{\lambda+\mu_i}=1"
        ),
        source="THEORY 8.7",
        assumptions=(sp.Ne(POINT, -RATE),),
        check=roots_are_the_eigenvalues_off_the_poles,
        mutants=(
            Mutant(
                "with the value 2 for 1",
                lambda: roots_are_the_eigenvalues_off_the_poles(level=2),
            ),
        ),
    ),
    Claim(
        id="L13.3-c",
        statement="Zero is a simple eigenvalue.",
        latex=r"g(0)=1,\qquad g'(0)=-\sum_iv_i/\mu_i<0",
        source="THEORY 8.7, Lemma 13.3(i)",
        assumptions=(SUMS_TO_ONE,),
        check=zero_is_simple,
        mutants=(Mutant("weights that sum to 2", lambda: zero_is_simple(mass=2)),),
    ),
    Claim(
        id="L13.3-d/printed",
        statement="The modulus is strictly below its value at the real part.",
        latex=(
            r"\Big|\frac{\mu_i}{\lambda+\mu_i}\Big|<\frac{\mu_i}{{\rm Re}\lambda+\mu_i},"
            r"\qquad{\rm Re}\lambda\ge0,\ \lambda\ne0"
        ),
        source="Lemma 13.3 as printed",
        assumptions=(sp.Ge(REAL, 0, evaluate=False),),
        check=modulus_strictly_below,
        mutants=(Mutant("sides exchanged", lambda: modulus_strictly_below(sign=-1)),),
    ),
    Claim(
        id="L13.3-d/corrected",
        statement="The modulus is at most its value at the real part, and below one.",
        latex=(
            r"\Big|\frac{\mu_i}{\lambda+\mu_i}\Big|\le\frac{\mu_i}{{\rm Re}\lambda+\mu_i},\quad"
            r"\Big|\frac{\mu_i}{\lambda+\mu_i}\Big|<1,"
            r"\qquad{\rm Re}\lambda\ge0,\ \lambda\ne0"
        ),
        source="THEORY 8.7",
        assumptions=(sp.Ge(REAL, 0, evaluate=False),),
        check=modulus_below_one,
        mutants=(Mutant("real part of any sign", lambda: modulus_below_one(real=ANY_SIGN)),),
    ),
    Claim(
        id="L13.3-e",
        statement="No eigenvalue but zero has a nonnegative real part.",
        latex=r"|g(\lambda)|\le\sum_iv_i\Big|\frac{\mu_i}{\lambda+\mu_i}\Big|<1",
        source="THEORY 8.7, Lemma 13.3(i)",
        assumptions=(SUMS_TO_ONE, sp.Ge(REAL, 0, evaluate=False)),
        cites=("triangle inequality",),
        check=no_root_on_the_right,
        mutants=(
            Mutant("weights that sum to 2", lambda: no_root_on_the_right(mass=2)),
            Mutant("real part of any sign", lambda: no_root_on_the_right(real=ANY_SIGN)),
        ),
    ),
    Claim(
        id="L13.3-f",
        statement="The system conserves the total.",
        latex=r"\mathbf 1^\top A=0",
        source="THEORY 8.7, Lemma 13.3(ii)",
        assumptions=(SUMS_TO_ONE,),
        check=mass_is_conserved,
        mutants=(Mutant("weights that sum to 2", lambda: mass_is_conserved(mass=2)),),
    ),
    Claim(
        id="L13.3-g",
        statement="The kernel is a line, and the mass picks its point.",
        latex=r"Ay=0\iff y=sD^{-1}v,\qquad s=\mathbf 1^\top y/(\mathbf 1^\top D^{-1}v)",
        source="THEORY 8.7, Lemma 13.3(ii)",
        assumptions=(SUMS_TO_ONE,),
        check=kernel_is_a_line,
        mutants=(Mutant("D v for its inverse", lambda: kernel_is_a_line(WEIGHT * RATE)),),
    ),
)
