r"""Optimal values without a solver, for many instances at once (THEORY 4.5).

All functions take `Rates` whose class arrays have shape ``(..., classes)`` and whose GPU figures
are scalars or ``(..., 1)``, and return money/s per GPU, shape ``(...)``. They need
:math:`\theta_i>0`: instances with a class that never leaves get nan.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.rates import Rates

ROUNDS = 200
"""Most tangent steps of the dual search; each lands on a new line piece, so few are needed."""


def bundled_value(rates: Rates) -> Floats:
    r"""Return the value of (P40): eq. D4 where :math:`\kappa\ge(B-1)/B`, else eq. D12."""
    cap = np.minimum(1.0, rates.full_prefill.sum(axis=-1))
    above = _per_instance(rates, rates.mixing_cost) >= 0
    capacity = _per_instance(rates, rates.speed_ratio * rates.batch_slots)
    mixing_cost = _per_instance(rates, rates.mixing_cost)
    value = two_row_knapsack(
        profit=rates.reward * rates.prefill,
        weight=rates.decode_work + np.maximum(mixing_cost, 0.0)[..., None],
        capacity=np.where(above, capacity, capacity - mixing_cost * cap),
        cap=np.ones_like(cap),
        upper=rates.full_prefill,
    )
    return _where_impatient(rates, value)


def disaggregated_value(rates: Rates) -> Floats:
    r"""Return the value of (P40) with :math:`y_m=0`, a fractional knapsack with one row.

    .. math:: \max\Big\{\sum_iw_i\mu_{p,i}x_i:\ \sum_i\Big(\frac{C\phi_i}\kappa+B\Big)x_i\le B,\
       0\le x_i\le\lambda_i/\mu_{p,i}\Big\}

    Notes
    -----
    Lowering :math:`x_i` by what it feeds into the buffer keeps the decode flows and leaves more
    room for solo decodes, so some optimum has :math:`q_d=0`, for any kappa > 0. Its decode
    balance reads :math:`\mu_{s,i}y_{s,i}=\mu_{p,i}x_i`, that is
    :math:`y_{s,i}=(C\phi_i/\kappa)x_i` by (U1). Put into the solo row of (P40) this is the row
    above, which implies :math:`\sum_ix_i\le1`; put into the objective it is the profit; and the
    prefill balance with :math:`q_{p,i}\ge0` is the bound on :math:`x_i`.
    """
    value = one_row_knapsack(
        profit=rates.reward * rates.prefill,
        weight=rates.decode_work / rates.speed_ratio + rates.batch_slots,
        capacity=_per_instance(rates, rates.batch_slots),
        upper=rates.full_prefill,
    )
    return _where_impatient(rates, value)


def separate_value(rates: Rates) -> Floats:
    r"""Return the value of (P42) by eq. D5, a maximum over one variable, for any kappa > 0."""
    upper, slope = np.broadcast_arrays(rates.full_prefill, rates.decode_work)
    order = np.argsort(-slope, axis=-1, kind="stable")
    upper, slope = (np.take_along_axis(values, order, axis=-1) for values in (upper, slope))
    most = np.minimum(1.0, upper.sum(axis=-1, keepdims=True))
    starts = sum_before(upper)
    ends = starts + upper
    produced_at_start = sum_before(slope * upper)

    def produced(x: Floats) -> Floats:
        """Return C Phi(x) for ``x`` inside its own piece, shape ``(..., classes)``."""
        return np.asarray(produced_at_start + slope * (x - starts))

    capacity, cost = rates.speed_ratio * rates.batch_slots, rates.mixing_cost
    room = capacity - produced_at_start + slope * starts
    crossing = np.divide(room, slope + cost, out=starts.copy(), where=slope + cost != 0)
    best = np.zeros(order.shape[:-1])
    for x in (starts, crossing, ends):
        inside = np.minimum(np.clip(x, starts, ends), np.maximum(most, starts))
        decoded = np.minimum(produced(inside), capacity - cost * inside)
        prompt = rates.prompt_price * rates.chunk_tokens * inside
        revenue = (prompt + rates.output_price * decoded) / rates.mixed_time
        reachable = starts <= most
        best = np.maximum(best, np.where(reachable, revenue, 0.0).max(axis=-1))
    return _where_impatient(rates, best)


def one_row_knapsack(*, profit: Floats, weight: Floats, capacity: Floats, upper: Floats) -> Floats:
    r"""Return the value of a fractional knapsack, by greed.

    .. math:: \max\Big\{\sum p_ix_i:\ \sum k_ix_i\le K,\ 0\le x_i\le b_i\Big\}

    Parameters
    ----------
    profit, weight, upper
        p, k > 0 and b, shape ``(..., classes)``.
    capacity
        K, shape ``(...)``.
    """
    shape = np.broadcast_shapes(profit.shape, weight.shape, upper.shape)
    p, k, b = (
        np.broadcast_to(values, shape).reshape(-1, shape[-1]) for values in (profit, weight, upper)
    )
    value, _ = _greedy(p, k, np.broadcast_to(capacity, shape[:-1]).reshape(-1), b)
    return value.reshape(shape[:-1])


def two_row_knapsack(
    *, profit: Floats, weight: Floats, capacity: Floats, cap: Floats, upper: Floats
) -> Floats:
    r"""Return the value of a fractional knapsack with two rows.

    .. math:: \max\Big\{\sum p_ix_i:\ \sum k_ix_i\le K,\ \sum x_i\le S,\ 0\le x_i\le b_i\Big\}

    Parameters
    ----------
    profit, weight, upper
        p, k > 0 and b, shape ``(..., classes)``.
    capacity, cap
        K and S, shape ``(...)``.

    Notes
    -----
    By duality the value is :math:`\min_{\nu\ge0}\nu S+G(p-\nu)`, G the knapsack with the first
    row only, which greed solves. That function of :math:`\nu` is convex and piecewise linear.
    """
    shape = np.broadcast_shapes(profit.shape, weight.shape, upper.shape, (*np.shape(cap), 1))
    count = shape[-1]
    p, k, b = (
        np.broadcast_to(values, shape).reshape(-1, count) for values in (profit, weight, upper)
    )
    room, limit = (np.broadcast_to(v, shape[:-1]).reshape(-1) for v in (capacity, cap))

    def dual(price: Floats, rows: Any) -> tuple[Floats, Floats]:
        """Return the dual function and a slope of it at `price`, for the chosen instances."""
        value, used = _greedy(p[rows] - price[:, None], k[rows], room[rows], b[rows])
        return price * limit[rows] + value, limit[rows] - used

    return lowest(dual, p.max(axis=1)).value.reshape(shape[:-1])


class Bracket(NamedTuple):
    """Where convex piecewise linear functions are least, shape ``(functions,)`` each.

    Attributes
    ----------
    at, value
        A place where the function is least, and its value there.
    low, high
        Places on both sides of `at`, with nothing but a line in between; `low` is `at` where the
        function is least at 0.
    low_slope, high_slope
        Slopes there; the first is negative, or `at` is 0.
    """

    at: Floats
    value: Floats
    low: Floats
    high: Floats
    low_slope: Floats
    high_slope: Floats


def lowest(function: Callable[[Floats, Any], tuple[Floats, Floats]], most: Floats) -> Bracket:
    """Return where convex piecewise linear functions of one number are least between 0 and `most`.

    Parameters
    ----------
    function
        Value and a slope at the given places, of the functions with the given numbers.
    most
        A place from which the function does not fall, shape ``(functions,)``.

    Notes
    -----
    From a bracket of the least value, the crossing of the tangents at its ends is tried until it
    lies on the function.
    """
    everyone = np.arange(len(most))
    low, high = np.zeros(len(most)), most.copy()
    low_value, low_slope = function(low, everyone)
    high_value, high_slope = function(high, everyone)
    best_at, best = low.copy(), low_value.copy()
    rows = everyone[low_slope < 0]
    for _ in range(ROUNDS):
        if not len(rows):
            break
        rise = high_slope[rows] - low_slope[rows]
        at_zero = high_value[rows] - high_slope[rows] * high[rows]
        at = (low_value[rows] - low_slope[rows] * low[rows] - at_zero) / rise
        at = np.clip(at, low[rows], high[rows])
        tangent = low_value[rows] + low_slope[rows] * (at - low[rows])
        value, slope = function(at, rows)
        best_at[rows], best[rows] = at, value
        falling = slope < 0
        for side, chosen in (
            ((low, low_value, low_slope), falling),
            ((high, high_value, high_slope), ~falling),
        ):
            for array, new in zip(side, (at, value, slope), strict=True):
                array[rows[chosen]] = new[chosen]
        rows = rows[value - tangent > 1e-14 * value]
    return Bracket(best_at, best, low, high, low_slope, high_slope)


def _greedy(
    profit: Floats, weight: Floats, capacity: Floats, upper: Floats
) -> tuple[Floats, Floats]:
    """Return value and total of the one-row fractional knapsack, shape ``(instances,)``."""
    order = np.argsort(-profit / weight, axis=1, kind="stable")
    profit, weight, upper = (
        np.take_along_axis(values, order, axis=1) for values in (profit, weight, upper)
    )
    need = weight * np.where(profit > 0, upper, 0.0)
    left = capacity[:, None] - sum_before(need)
    taken = np.clip(left, 0.0, need) / weight
    return (profit * taken).sum(axis=1), taken.sum(axis=1)


def sum_before(values: Floats) -> Floats:
    """Return the sum of all earlier entries along the last axis; no cancellation."""
    sums = np.zeros_like(values)
    np.cumsum(values[..., :-1], axis=-1, out=sums[..., 1:])
    return sums


def _per_instance(rates: Rates, values: Any) -> Floats:
    """Return a GPU figure without its trailing axis, broadcast to one number per instance."""
    shape = np.broadcast_shapes(np.shape(values), rates.full_prefill.shape)
    return np.asarray(np.broadcast_to(values, shape)[..., 0])


def _where_impatient(rates: Rates, value: Floats) -> Floats:
    closed: Flags = np.all(np.asarray(rates.patience_rate) > 0, axis=-1)
    return np.where(closed, value, np.nan)
