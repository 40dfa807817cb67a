"""From a solution in floats to a certificate of the optimum in exact fractions."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from gnr.certificate import Certificate
from gnr.errors import InputError, Problem
from gnr.exact_lp import LinearProgram, maximize
from gnr.exact_rates import exact_rates
from gnr.instance import Instance
from gnr.models.exact_face import optimal_face
from gnr.models.exact_program import columns_in_use, told_apart
from gnr.models.exact_promises import moves_plan, promised_program
from gnr.models.point import Point
from gnr.plan import Occupancy
from gnr.result import Solution

MOST_CLASSES = 200
"""Classes beyond which certificates are refused: exact elimination would take minutes."""


def certify(
    solution: Solution,
    *,
    overrides: Sequence[str] = (),
    replaced: Mapping[str, Fraction] | None = None,
) -> Certificate:
    """Return a certificate for the program that `solution` answers.

    The optimum in floats only says where to begin: exact pivots go on from its basis, so that the
    certificate is right even where the solution is not; see `disagreement`. Promises are rows like
    others. Penalties are not covered, for their optimum need not be a fraction.

    Parameters
    ----------
    solution
        What `gnr.solve` returned.
    overrides
        Changes made to the file, to be written into the certificate.
    replaced
        Exact values of GPU parameters or prices in place of those of the instance, by their names
        in `gnr.rates.compute_rates`.

    Raises
    ------
    InputError
        If the instance has too many classes or penalties, or the fractions too many digits to be
        written.
    """
    instance = solution.instance
    _refuse_what_is_not_covered(instance)
    program = _program(solution, replaced or {})
    outcome = maximize(program, _guessed_basis(solution))
    common: dict[str, Any] = {
        "instance": instance.name,
        "instance_sha256": instance.sha256(),
        "overrides": tuple(overrides),
        "scheme": solution.scheme,
        "empty_decode_buffer": solution.empty_decode_buffer,
        "disaggregated": solution.disaggregated,
    }
    try:
        if outcome.status != "optimal":
            return Certificate(
                **common,
                status="infeasible",
                value=None,
                primal={},
                dual=_texts(outcome.dual),
                unique=None,
                directions=(),
            ).sealed()
        face = optimal_face(program, outcome)
        return Certificate(
            **common,
            status="optimal",
            value=str(outcome.value),
            primal=_texts(outcome.primal),
            dual=_texts(face.dual),
            unique=not any(moves_plan(direction) for direction in face.directions),
            directions=tuple(_texts(direction) for direction in face.directions),
        ).sealed()
    except ValueError as error:
        raise _too_large(
            instance, f"the exact numbers are too long ({error})", "round it"
        ) from error


def disagreement(solution: Solution, certificate: Certificate) -> str | None:
    """Return in words how a solution differs from its certificate; None if it does not."""
    if solution.status != certificate.status:
        return f"the solver said {solution.status!r}, exactly it is {certificate.status!r}"
    if certificate.value is None or solution.revenue_rate is None:
        return None
    return told_apart(solution.revenue_rate, Fraction(certificate.value))


def _program(solution: Solution, replaced: Mapping[str, Fraction]) -> LinearProgram:
    return promised_program(
        solution.instance,
        exact_rates(solution.instance, **replaced),
        empty_decode_buffer=solution.empty_decode_buffer,
        disaggregated=solution.disaggregated,
    )


def _guessed_basis(solution: Solution) -> list[str]:
    """Return the columns in use at the solver's optimum, none if there is none."""
    names = [each.name for each in solution.classes]
    fields = Occupancy.model_fields
    point = Point(*(np.array([getattr(each, f) for each in solution.classes]) for f in fields))
    return columns_in_use(names, point, solution.instance.gpu.batch_slots) if names else []


def _texts(numbers: Mapping[str, Fraction]) -> dict[str, str]:
    return {name: str(value) for name, value in numbers.items()}


def _refuse_what_is_not_covered(instance: Instance) -> None:
    if len(instance.classes) > MOST_CLASSES:
        raise _too_large(
            instance,
            f"{len(instance.classes)} classes are too many for a certificate",
            f"at most {MOST_CLASSES}; solve without --certify",
        )
    problems = [
        Problem(
            "certificate-penalty",
            instance.name,
            f"slis[{k}]",
            f"{sli.label!r} is a penalty, which no certificate covers",
            "solve without --certify, or make it a promise",
        )
        for k, sli in enumerate(instance.slis)
        if sli.penalty_weight is not None
    ]
    if problems:
        raise InputError(problems)


def _too_large(instance: Instance, message: str, remedy: str) -> InputError:
    return InputError([Problem("certificate-size", instance.name, "classes", message, remedy)])
