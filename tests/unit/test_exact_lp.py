"""Exact linear programs: every outcome brings its own proof, checked here."""

import random
from collections.abc import Mapping
from fractions import Fraction

import pytest

from gnr.exact_factors import Factors
from gnr.exact_lp import LinearProgram, Outcome, Row, maximize, slack_name

F = Fraction
PERMITTED = {
    "<=": lambda left, right: left <= right,
    "=": lambda left, right: left == right,
    ">=": lambda left, right: left >= right,
}


def dot(one: Mapping[str, Fraction], other: Mapping[str, Fraction]) -> Fraction:
    return sum((one[name] * other.get(name, 0) for name in one), F(0))


def combination(dual: Mapping[str, Fraction], program: LinearProgram) -> dict[str, Fraction]:
    """Return the coefficients of the rows taken together."""
    rows = program.rows.items()
    return {
        variable: sum((dual[name] * row.coefficients.get(variable, 0) for name, row in rows), F(0))
        for variable in program.variables
    }


def check(program: LinearProgram, outcome: Outcome) -> None:
    """Assert what makes an outcome true, whoever found it."""
    if outcome.status != "infeasible":
        assert all(value >= 0 for value in outcome.primal.values())
        for row in program.rows.values():
            bound = row.bound if outcome.status == "optimal" else 0
            assert PERMITTED[row.sense](dot(outcome.primal, row.coefficients), bound)
    if outcome.status == "unbounded":
        assert dot(outcome.primal, program.objective) > 0
        return
    for name, row in program.rows.items():
        sign = {"<=": outcome.dual[name], "=": 0, ">=": -outcome.dual[name]}[row.sense]
        assert sign >= 0
    bound = sum((outcome.dual[name] * row.bound for name, row in program.rows.items()), F(0))
    taken = combination(outcome.dual, program)
    if outcome.status == "infeasible":
        assert bound < 0
        assert all(coefficient >= 0 for coefficient in taken.values())
    else:
        assert bound == outcome.value == dot(outcome.primal, program.objective)
        assert all(taken[name] >= program.objective.get(name, 0) for name in taken)


def solved(program: LinearProgram, start: tuple[str, ...] = ()) -> Outcome:
    outcome = maximize(program, start)
    check(program, outcome)
    return outcome


def program_of(objective: str, *rows: tuple[str, str, int | Fraction]) -> LinearProgram:
    """Return a program; a combination is written as ``"3x -1/2y"``."""

    def read(text: str) -> dict[str, Fraction]:
        return {term[-1]: F(term[:-1]) for term in text.split()}

    return LinearProgram(
        read(objective),
        {f"r{i}": Row(read(text), sense, F(bound)) for i, (text, sense, bound) in enumerate(rows)},
    )


def test_corner_of_two_lines() -> None:
    """x + 2y <= 4 and 3x + y <= 6 meet at (8/5, 6/5); 1 and 1 there are worth 14/5."""
    outcome = solved(program_of("1x 1y", ("1x 2y", "<=", 4), ("3x 1y", "<=", 6)))
    assert outcome.value == F(14, 5)
    assert outcome.primal == {"x": F(8, 5), "y": F(6, 5)}
    assert outcome.dual == {"r0": F(2, 5), "r1": F(1, 5)}
    assert set(outcome.basis) == {"x", "y"}


def test_beale_example_which_cycles_without_a_rule() -> None:
    program = program_of(
        "3/4a -150b 1/50c -6d",
        ("1/4a -60b -1/25c 9d", "<=", 0),
        ("1/2a -90b -1/50c 3d", "<=", 0),
        ("1c", "<=", 1),
    )
    assert solved(program).value == F(1, 20)


def test_infeasible_equations_and_bounds() -> None:
    assert solved(program_of("1x", ("1x 1y", "=", -1))).status == "infeasible"
    rows = ("1x 1y", "<=", 1), ("1x", ">=", F(2, 3)), ("1y", ">=", F(1, 2))
    assert solved(program_of("1x", *rows)).status == "infeasible"


def test_unbounded_along_a_ray() -> None:
    outcome = solved(program_of("1x 1y", ("1x -1y", "<=", 1), ("1x", ">=", 1)))
    assert outcome.status == "unbounded"
    assert outcome.value is None


def test_redundant_equations_leave_a_smaller_basis() -> None:
    rows = ("1x 1y", "=", 1), ("2x 2y", "=", 2), ("3x 3y", "=", 3)
    outcome = solved(program_of("1x 2y", *rows))
    assert outcome.value == 2
    assert len(outcome.basis) == 1


def test_program_without_rows_or_without_objective() -> None:
    assert solved(program_of("-1x")).value == 0
    assert solved(program_of("1x")).status == "unbounded"
    assert solved(program_of("0x", ("1x", "=", 3))).primal == {"x": 3}


@pytest.mark.parametrize(
    "start",
    [("x", "y"), ("x", slack_name("r0"), slack_name("r1")), ("nobody",), ("y", slack_name("r0"))],
)
def test_any_start_leads_to_the_optimum(start: tuple[str, ...]) -> None:
    program = program_of("1x 1y", ("1x 2y", "<=", 4), ("3x 1y", "<=", 6))
    assert solved(program, start).value == F(14, 5)


def test_optimal_start_is_kept() -> None:
    """All points of the edge are optimal; the start says which end is reported."""
    program = program_of("1x 1y", ("1x 1y", "<=", 1), ("1x", "<=", F(1, 2)))
    for start in (("x", "y"), ("y", slack_name("r1"))):
        assert set(solved(program, start).basis) == set(start)


def test_variable_named_like_a_slack_is_refused() -> None:
    program = LinearProgram({"slack[r]": F(1)}, {"r": Row({"slack[r]": F(1)}, "<=", F(1))})
    with pytest.raises(ValueError, match="slack"):
        maximize(program)


def test_random_programs_prove_their_outcomes_from_random_starts() -> None:
    """Small integers, so that ties, redundant rows and all three outcomes abound."""
    rng, seen = random.Random(5), set()
    for _ in range(600):
        names = [f"x{i}" for i in range(rng.randint(1, 8))]
        rows = {
            f"r{i}": Row(
                {name: F(rng.randint(-3, 3)) for name in names if rng.random() < 0.7},
                rng.choice(["<=", "=", ">="]),
                F(rng.choice([0, 0, 1, 2, -1, 5])),
            )
            for i in range(rng.randint(1, 6))
        }
        if rng.random() < 0.3:
            rows["again"] = rows["r0"]
        program = LinearProgram({name: F(rng.randint(-3, 3)) for name in names}, rows)
        columns = names + [slack_name(row) for row in rows]
        outcome = solved(program)
        other = solved(program, tuple(rng.sample(columns, rng.randint(0, len(columns)))))
        assert (outcome.status, outcome.value) == (other.status, other.value)
        seen.add(outcome.status)
    assert seen == {"optimal", "infeasible", "unbounded"}


def test_elimination_solves_both_ways_and_finds_the_rank() -> None:
    rng = random.Random(6)
    for _ in range(200):
        size = rng.randint(1, 7)
        columns = [
            {row: F(rng.randint(-2, 2)) for row in range(size) if rng.random() < 0.6}
            for _ in range(size)
        ]
        factors = Factors(columns, size)
        assert factors.rank + len(factors.rejected) == len(columns)
        assert factors.rank + len(factors.open_rows) == size
        if factors.rejected:
            continue
        right = {row: F(rng.randint(-3, 3), 7) for row in range(size)}
        found = factors.solve(right)
        for row in range(size):
            total = sum((found.get(j, 0) * columns[j].get(row, 0) for j in range(size)), F(0))
            assert total == right[row]
        found = factors.solve_transposed(right)
        for j in range(size):
            total = sum((found.get(row, 0) * columns[j].get(row, 0) for row in range(size)), F(0))
            assert total == right[j]
