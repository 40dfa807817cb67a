"""What is said to be unique under promises is, and both slopes are those of difference quotients.

Judged by the rows of the certificate checker, written without `gnr.models`, in exact fractions: a
step of 1e-24 of a number of the file, and the extent of the optima in each kind of variable.
"""

import copy
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from random_promises import KINDS, random_promises

from gnr.exact_lp import LinearProgram, Row, maximize
from gnr.models.steady_state import solve
from gnr.plan import Occupancy
from gnr.proofs.certificate_checker import exact, program
from gnr.reading import build
from gnr.result import Range, Solution

SETTLED = [kind for kind in KINDS if kind != "max_min_fairness"]
STEP = Fraction(1, 10**24)
"""Relative; full load is only full to rounding, and the next slope may begin 1e-16 beyond."""
CLOSE = 1e-7
"""Relative difference of a slope of the solver and an exact difference quotient."""


def linear_program(data: dict[str, Any], solution: Solution) -> LinearProgram:
    objective, rows = program(data, solution.empty_decode_buffer, solution.disaggregated)
    return LinearProgram(
        objective, {name: Row(row, "<=" if loose else "=", right)
                    for name, (row, loose, right) in rows.items()}
    )  # fmt: skip


def extents(best: LinearProgram, value: Fraction) -> dict[str, Fraction]:
    """Return by how much two optima can differ in each kind of variable, summed."""
    face = best.rows | {"value": Row(best.objective, "=", value)}
    found = dict.fromkeys(Occupancy.model_fields, Fraction(0))
    for name in best.objective:
        field = name.partition("[")[0]
        if field in found:
            most, less = (
                maximize(LinearProgram({name: Fraction(sign)}, face)).value for sign in (1, -1)
            )
            assert most is not None
            assert less is not None
            found[field] += most + less
    return found


def quotients(value_at: Callable[[Fraction], Fraction | None], size: Fraction) -> Range:
    """Return the difference quotients to the right and to the left; None where infeasible."""
    here, step = value_at(Fraction(0)), STEP * size
    assert here is not None
    right, left = value_at(step), value_at(-step)
    return (
        None if right is None else float((right - here) / step),
        None if left is None else float((here - left) / step),
    )


def slopes(data: dict[str, Any], solution: Solution) -> Iterator[tuple[str, float, Any, Range]]:
    """Yield name, reported number, reported range and difference quotients of each multiplier."""
    assert solution.unique is not None
    ranges = solution.unique.ranges

    def value(changed: dict[str, Any], **more: Fraction) -> Fraction | None:
        found = linear_program(changed, solution)
        rows = {name: Row(row.coefficients, row.sense, row.bound + more.get(name, Fraction(0)))
                for name, row in found.rows.items()}  # fmt: skip
        return maximize(LinearProgram(found.objective, rows)).value

    def with_number(table: str, k: int, key: str, number: Fraction) -> dict[str, Any]:
        changed = copy.deepcopy(data)
        changed[table][k][key] = number
        return changed

    for k, each in enumerate(solution.promises):
        bound = exact(data["slis"][k][each.direction])
        yield (
            each.name,
            each.price,
            ranges.marginals.get(each.name),
            quotients(
                lambda h, k=k, key=each.direction, bound=bound: value(
                    with_number("slis", k, key, bound + h)
                ),
                bound or Fraction(1),
            ),
        )
    for i, request in enumerate(solution.classes):
        rate = exact(data["classes"][i]["arrival_rate"])
        yield (
            f"phi {i}",
            request.marginal_value,
            ranges.marginal_value.get(request.name),
            quotients(
                lambda h, i=i, rate=rate: value(
                    with_number("classes", i, "arrival_rate", rate + h)
                ),
                rate,
            ),
        )
        row = f"decode_balance[{request.name}]"
        yield (
            f"eta {i}",
            request.decode_marginal,
            ranges.decode_marginal.get(request.name),
            quotients(lambda h, row=row: value(data, **{row: h}), rate),
        )
    for row, number in list(solution.marginals.items())[:3]:
        if number is not None:
            yield (
                row,
                number,
                ranges.marginals.get(row),
                quotients(lambda h, row=row: value(data, **{row: h}), Fraction(1)),
            )

    def with_gpus(h: Fraction) -> Fraction | None:
        changed = copy.deepcopy(data)
        for each in changed["classes"]:
            each["arrival_rate"] = exact(each["arrival_rate"]) / (1 + h)
        found = value(changed)
        return None if found is None else (1 + h) * found

    assert solution.gpu_value is not None
    yield "gpu", solution.gpu_value, ranges.gpu_value, quotients(with_gpus, Fraction(1))


def judged(data: dict[str, Any], demands: dict[str, bool]) -> dict[str, int] | None:
    """Hold everything said to be unique against the judge; return what was found."""
    solution = solve(build(data, "random"), **demands)
    if solution.status != "optimal" or not solution.promises:
        return None
    best = linear_program(data, solution)
    value = maximize(best).value
    assert value is not None
    unique = solution.unique
    assert unique is not None
    closed = all(each["patience_rate"] > 0 for each in data["classes"])
    for field, extent in extents(best, value).items():
        wanted = not extent and (closed or not field.endswith("queue"))
        assert getattr(unique, field) is wanted, (field, data["slis"])
    if unique.marginals is None:  # the load is full to rounding
        return {"apart": 0, "moving": 0, "open": 1}
    scale = float(value) or 1.0
    apart = 0
    for name, number, ends, (right, left) in slopes(data, solution):
        low, high = (number, number) if ends is None else ends
        apart += ends is not None
        for said, found in ((low, right), (high, left)):
            assert (said is None) is (found is None), (name, ends, right, left, data["slis"])
            if said is not None:
                size = abs(said) + 1e-3 * scale
                assert found == pytest.approx(said, abs=CLOSE * size), (name, ends, data["slis"])
    assert unique.marginals is (apart == 0)
    return {
        "open": 0,
        "apart": apart,
        "moving": sum(not getattr(unique, f) for f in Occupancy.model_fields),
    }


def test_uniqueness_and_slopes_under_promises_are_as_said() -> None:
    """Arrivals stand in the bounds of promises about abandonment: these get cases of their own."""
    left = random_promises(5, 65, 1, ["abandonment_fraction"])
    found = [judged(*case) for case in (*random_promises(8, 61, 2, SETTLED), *left)]
    seen = [each for each in found if each]
    assert len(seen) > 4
    assert sum(each["open"] for each in seen) <= 1
    assert any(each["apart"] for each in seen)
    assert any(each["moving"] for each in seen)


@pytest.mark.long
def test_uniqueness_and_slopes_of_60_more() -> None:
    for case in (*random_promises(30, 62, 1, SETTLED), *random_promises(30, 63, 3, SETTLED)):
        judged(*case)
