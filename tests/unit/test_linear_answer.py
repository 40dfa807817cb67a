"""The error of an answer, row by row, on paper."""

import numpy as np
import pytest
from scipy.sparse import csc_array

from gnr.models.linear_answer import answer
from gnr.models.solver import Matrices, Outcome, Status

LARGEST = np.array([1.0, 1.0, 1.0])


def error_at(*values: float) -> float:
    """Return the error of a point of: max c under a - b = 0, c <= 1, with multipliers (0, 1)."""
    program = Matrices(
        matrix=csc_array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]),
        right_side=np.array([0.0, 1.0]),
        sense=np.array([0, 1]),
        cost=np.array([0.0, 0.0, 1.0]),
        constant=0.0,
        rows=("balance", "capacity"),
        columns=("a", "b", "c"),
    )
    duals = {"balance": 0.0, "capacity": 1.0}
    outcome = Outcome(Status.OPTIMAL, 1.0, dict(zip(program.columns, values, strict=True)), duals)
    return answer(program, outcome, LARGEST).error


def test_rounding_at_a_class_that_nobody_serves_is_no_error() -> None:
    """In a row of which all is 1e-14, any difference is as large as what is in it."""
    assert error_at(3e-14, 1e-14, 1.0) == 0


@pytest.mark.parametrize(
    ("point", "error"),
    [((0.5, 0.4, 1.0), 1 / 9), ((1e-6, 0.0, 1.0), 1.0), ((0.0, 0.0, 1.5), 0.2)],
)
def test_more_than_rounding_is_relative_to_the_row(
    point: tuple[float, float, float], error: float
) -> None:
    """0.1 of 0.9; all there is; 0.5 of 1.5 + 1."""
    assert error_at(*point) >= error * (1 - 1e-12)
