"""Exact solutions of the linear equations that fluid trajectories obey on a phase."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.exact import vanishes
from gnr.proofs.kit.symbols import TIME


def linear_path(gain: Any, loss: Any, start: Any) -> Any:
    """Return the solution of y' = gain - loss y with y(0) = start.

    Parameters
    ----------
    gain
        Expression in `TIME`, made of constants and exponentials.
    loss
        Positive constant.
    start
        Value at time 0.

    Raises
    ------
    ArithmeticError
        If SymPy's integral does not solve the equation.
    """
    past = sp.Symbol("s", nonnegative=True)
    kernel = sp.expand(sp.exp(loss * past) * sp.sympify(gain).subs(TIME, past))
    fed = sp.integrate(sp.powsimp(kernel), (past, 0, TIME))
    path = sp.expand(sp.exp(-loss * TIME) * (start + fed))
    wrong = sp.powsimp(sp.expand(path.diff(TIME) - gain + loss * path))
    if not (vanishes(wrong) and vanishes(path.subs(TIME, 0) - start)):
        raise ArithmeticError(f"{path} does not solve y' = {gain} - {loss} y")
    return path
