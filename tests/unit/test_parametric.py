"""Exact parametric programs: pieces that cover the range, and are true at every point tried."""

import random
from fractions import Fraction
from itertools import pairwise

import pytest

from gnr.exact_lp import LinearProgram, Row, maximize
from gnr.models.parametric import LinearFractional, ParametricProgram, Piece, tightest, trace

F = Fraction
HIGHEST = F(20)


def small_program(seed: int) -> ParametricProgram:
    """Return a bounded program with a row that moves and loosens; 0 is feasible from 0 on."""
    rng = random.Random(seed)
    names = [f"z{k}" for k in range(rng.randint(1, 4))]
    objective = {name: F(rng.randint(-1, 6)) for name in names}
    rows = {
        f"row{j}": Row({name: F(rng.randint(0, 4)) for name in names}, "<=", F(rng.randint(0, 6)))
        for j in range(rng.randint(0, 3))
    }
    rows |= {f"box[{name}]": Row({name: F(1)}, "<=", F(rng.randint(1, 5))) for name in names}
    start = Row({name: F(rng.randint(-2, 5)) for name in names}, "<=", F(0))
    change = Row({name: -F(rng.randint(0, 2)) for name in names}, "<=", F(rng.randint(0, 2)))
    return ParametricProgram(LinearProgram(objective, rows), "moving", start, change)


def traced(program: ParametricProgram) -> tuple[Piece, ...]:
    """Return the pieces above 0 and above the tightest parameter."""
    return trace(program, beginning(program), HIGHEST)


def beginning(program: ParametricProgram) -> Fraction:
    return max(tightest(program) or F(0), F(0))


def offences(program: ParametricProgram, pieces: tuple[Piece, ...]) -> list[str]:
    """Return what is wrong with the pieces, judged by fresh solves only."""
    found = []
    if (pieces[0].low, pieces[-1].high) != (beginning(program), HIGHEST):
        found.append("the range is not covered")
    for left, right in pairwise(pieces):
        if left.high != right.low or left.value == right.value:
            found.append(f"no true breakpoint at {left.high}")
        if left.value.at(left.high) != right.value.at(right.low):
            found.append(f"a jump at {left.high}")
    for piece in pieces:
        for share in (F(0), F(1, 7), F(1, 2), F(9, 10), F(1)):
            at = piece.low + share * (piece.high - piece.low)
            if maximize(program.at(at)).value != piece.value.at(at):
                found.append(f"not the best value at {at}")
        for vertex, end in ((piece.first, piece.low), (piece.last, piece.high)):
            moved = program.at(end)
            worth = sum(moved.objective.get(name, 0) * x for name, x in vertex.items())
            kept = all(
                sum(c * vertex.get(name, F(0)) for name, c in row.coefficients.items()) <= row.bound
                for row in moved.rows.values()
            )
            if worth != piece.value.at(end) or not kept or min(vertex.values()) < 0:
                found.append(f"no optimal vertex at {end}")
    return found


@pytest.mark.parametrize("seed", range(60))
def test_pieces_are_the_best_value_everywhere(seed: int) -> None:
    program = small_program(seed)
    assert not offences(program, traced(program))


def test_the_judge_finds_a_breakpoint_that_is_missing_or_moved() -> None:
    found = [(p, traced(p)) for p in map(small_program, range(60))]
    program, pieces = next((p, each) for p, each in found if len(each) > 2)
    one, two, *rest = pieces
    missing = (Piece(one.low, two.high, one.value, one.first, two.last), *rest)
    assert offences(program, missing)
    moved = one.high + F(1, 100)
    shifted = (
        Piece(one.low, moved, one.value, one.first, one.last),
        Piece(moved, two.high, two.value, two.first, two.last),
        *rest,
    )
    assert offences(program, shifted)


def test_some_programs_have_straight_curved_and_flat_pieces() -> None:
    found = [piece for seed in range(60) for piece in traced(small_program(seed))]
    assert any(each.value.d for each in found), "curved"
    assert any(each.value.b and not each.value.d for each in found), "straight"
    assert any(not each.value.b for each in found), "flat"


@pytest.mark.parametrize("seed", range(40))
def test_tightest_is_where_the_row_can_just_be_kept(seed: int) -> None:
    program = small_program(seed)
    program = program.with_rows({"some": Row({"z0": F(1)}, ">=", F(1, 3))})
    found = tightest(program)
    if found is None:
        return
    nothing = LinearProgram(dict.fromkeys(program.fixed.variables, F(0)), program.fixed.rows)
    still = Row(program.change.coefficients, "=", program.change.bound)
    feasible = ParametricProgram(nothing, "moving", program.start, program.change)
    assert maximize(feasible.at(found)).status == "optimal"
    without = feasible.with_rows({"still": still}).at(found - F(1, 10**9))
    below = maximize(feasible.at(found - F(1, 10**9))).status
    assert below == maximize(without).status, "only points that do not move keep a tighter row"


def test_a_quotient_by_hand() -> None:
    """Max 3a + b, a + b <= 4, a <= eta (1 + b): a = eta (1 + b) until a + b = 4, then the best is
    at b = (4 - eta)/(1 + eta), a = 5 eta/(1 + eta): (4 + 14 eta)/(1 + eta), to eta = 4, a = 4."""
    fixed = LinearProgram({"a": F(3), "b": F(1)}, {"sum": Row({"a": F(1), "b": F(1)}, "<=", F(4))})
    program = ParametricProgram(
        fixed, "moving", Row({"a": F(1)}, "<=", F(0)), Row({"b": F(-1)}, "<=", F(1))
    )
    one, two = trace(program, F(0), F(6))
    assert (one.low, one.high, two.high) == (0, 4, 6)
    assert one.value == LinearFractional(F(4), F(14), F(1), F(1))
    assert one.value.slope(F(0)) == 10
    assert two.value == LinearFractional(F(12), F(0))
    assert tightest(program) == 0


def test_one_point_is_a_range() -> None:
    program = small_program(3)
    (piece,) = trace(program, F(1), F(1))
    assert piece.value.at(F(1)) == maximize(program.at(F(1))).value


def test_an_infeasible_range_is_refused() -> None:
    fixed = LinearProgram({"a": F(1)}, {"box": Row({"a": F(1)}, "<=", F(1))})
    program = ParametricProgram(fixed, "moving", Row({}, "<=", F(-1)), Row({}, "<=", F(1)))
    with pytest.raises(ValueError, match="infeasible"):
        trace(program, F(0), F(1, 2))
