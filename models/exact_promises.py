r"""Promises as rows of the programs in exact fractions (eq. P49).

The same forms of `gnr.slis` as in the Pyomo programs, made with exact rates. The promise LABEL is
the row ``promise[LABEL]``; what ties the auxiliary variables ``NAME[LABEL]`` of its form to the
others are the rows ``definition[LABEL][0]`` and so on. All these rows are ``<=``.
"""

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

from gnr.exact_lp import LinearProgram, Row
from gnr.exact_rates import exact
from gnr.instance import Instance
from gnr.models.exact_program import OBJECTIVES, exact_program
from gnr.models.promises import FIELDS, Promise, promises_of
from gnr.rates import Rates
from gnr.slis.affine import Affine


def promised_program(
    instance: Instance,
    rates: Rates,
    *,
    empty_decode_buffer: bool = False,
    disaggregated: bool = False,
) -> LinearProgram:
    """Return the program of an instance under its hard promises.

    Parameters
    ----------
    instance
        Its pricing scheme chooses the objective; penalties are left out.
    rates
        Its rates in fractions, class arrays of shape ``(classes,)``.
    empty_decode_buffer, disaggregated
        Demand q_d = 0, y_m = 0; the first is also made where a promise comes with it.
    """
    names = [each.name for each in instance.classes]
    promises = [each for each in promises_of(instance, rates) if each.hard]
    program = exact_program(
        rates,
        names,
        OBJECTIVES[instance.prices.scheme](rates, names),
        empty_decode_buffer=empty_decode_buffer
        or any(each.form.empty_decode_buffer for each in promises),
        disaggregated=disaggregated,
    )
    return with_promises(program, names, promises)


def with_promises(
    program: LinearProgram, names: Sequence[str], promises: Sequence[Promise]
) -> LinearProgram:
    """Return a program with the rows of hard promises added, in their order.

    Parameters
    ----------
    program
        What `gnr.models.exact_program.exact_program` returned: columns that it does not have are
        left out of the rows. A form that asks for q_d = 0 needs a program without decode queues.
    names
        Names of the classes.
    promises
        Hard ones, made with exact rates.
    """
    rows = dict(program.rows)
    for promise in promises:
        rows[row_name(promise)] = promise_row(program, names, promise, exact(promise.bound))
        for j, definition in enumerate(promise.form.definitions):
            row = affine_row(program, names, promise, definition)
            rows[f"definition[{promise.label}][{j}]"] = row
    return LinearProgram(program.objective, rows)


def moves_plan(direction: Mapping[str, Fraction]) -> bool:
    """Whether a direction moves more than auxiliary variables: these say nothing of a plan."""
    return any(change and name.partition("[")[0] in FIELDS for name, change in direction.items())


def row_name(promise: Promise) -> str:
    """Return the name of the row that holds the bound of a promise."""
    return f"promise[{promise.label}]"


def promise_row(
    program: LinearProgram, names: Sequence[str], promise: Promise, bound: Fraction
) -> Row:
    """Return the row of a promise with any bound: N - eta D at most 0, or at least 0 negated."""
    return affine_row(program, names, promise, promise.form.excess(promise.direction, bound))


def affine_row(
    program: LinearProgram, names: Sequence[str], promise: Promise, affine: Affine
) -> Row:
    """Return the row that an affine function in the variables of a promise be at most 0."""
    coefficients = coefficients_of(program.variables, names, promise, affine)
    return Row(coefficients, "<=", -Fraction(affine.constant))


def coefficients_of(
    variables: Collection[str], names: Sequence[str], promise: Promise, affine: Affine
) -> Mapping[str, Fraction]:
    """Return the coefficients of an affine function by the names of the variables of a program.

    Fields of `gnr.plan.Occupancy` that are not among `variables` are 0 and left out; auxiliary
    variables of the promise get its label.
    """
    known = set(variables)
    found = {}
    for (name, i), coefficient in affine.coefficients.items():
        full = f"{name}[{names[i]}]" if name in FIELDS else f"{name}[{promise.label}]"
        if name not in FIELDS or full in known:
            found[full] = Fraction(coefficient)
    return found
