r"""Optima and their two prices without a solver, for many instances at once (THEORY 4.5).

Through the work :math:`v_i=y_{m,i}+\kappa y_{s,i}` both programs become, for :math:`\theta_i>0`,

.. math:: \max\Big\{\sum_i(a_ix_i+c_iv_i):\ \sum_iv_i+gX\le\kappa B,\ X=\sum_ix_i\le S,\
   0\le v_i\le C\phi_ix_i,\ 0\le x_i\le\lambda_i/\mu_{p,i}\Big\}

with :math:`g=\kappa B-(B-1)` and S = 1, or less under a promise on the time per output token. It
is (D4) or (D12) for (P40), and (D5) for (P42). The price u of the first row is searched for; at
each u greed solves the rest.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.models.closed_form import lowest, sum_before
from gnr.models.point import RevenueWeights, bundled_weights, separate_weights
from gnr.rates import Rates

NOTHING = 1e-9
"""Share of the largest price that revenue can support below which a price is 0."""


@dataclass(frozen=True)
class ClosedOptimum:
    r"""Optima of a batch of instances, each of shape ``(...)``; nan where there is no closed form.

    Attributes
    ----------
    revenue_rate
        Value of (P40) or (P42), money/s per GPU.
    mixed_share
        X, the sum of all prefill occupancies. Where it is not unique, that of the optimum which
        prefers, among classes that pay alike, those first in the file; below
        :math:`\kappa=(B-1)/B` the largest.
    decode_work
        Sum of all :math:`v_i`, mixed slots per GPU.
    decode_price
        u, what one more mixed decode slot per GPU earns, money/s; 0 if none is short.
    prefill_price
        nu, what more room for prefill earns, money/s per unit of S; 0 if there is enough.
    """

    revenue_rate: Floats
    mixed_share: Floats
    decode_work: Floats
    decode_price: Floats
    prefill_price: Floats

    def shaped(self, shape: tuple[int, ...], known: Flags) -> "ClosedOptimum":
        """Return the same in another shape, nan where not `known`."""
        return ClosedOptimum(
            **{
                each.name: np.where(known, getattr(self, each.name).reshape(shape), np.nan)
                for each in fields(self)
            }
        )


def bundled_optimum(rates: Rates, cap: Floats | float = 1.0) -> ClosedOptimum:
    """Return the optimum of (P40), eqs. D4 and D12, with X at most `cap`, shape ``(...)``."""
    return _optimum(rates, bundled_weights(rates), cap)


def separate_optimum(rates: Rates, cap: Floats | float = 1.0) -> ClosedOptimum:
    """Return the optimum of (P42), eq. D5, with X at most `cap`, shape ``(...)``."""
    return _optimum(rates, separate_weights(rates), cap)


def _optimum(rates: Rates, weights: RevenueWeights, cap: Floats | float) -> ClosedOptimum:
    one_each = np.asarray(cap)[..., None]
    slots, cost = rates.speed_ratio * rates.batch_slots, rates.mixing_cost
    arrays = (weights.prefill, weights.decode, rates.decode_work, rates.full_prefill)
    shape = np.broadcast_shapes(*map(np.shape, (*arrays, one_each, slots, cost)))
    a, c, w, b = (np.broadcast_to(each, shape).reshape(-1, shape[-1]) for each in arrays)
    room, g, limit = (
        np.broadcast_to(each, (*shape[:-1], 1)).reshape(-1) for each in (slots, cost, one_each)
    )

    def filled(price: Floats, rows: Any) -> tuple[Floats, Floats, Floats]:
        """Return x, its net gain and its use of decode capacity; ``(rows, classes)`` each."""
        margin = c[rows] - price[:, None]
        net = a[rows] + w[rows] * np.maximum(margin, 0.0) - g[rows, None] * price[:, None]
        order = np.argsort(-net, axis=1, kind="stable")
        most = np.take_along_axis(np.where(net > 0, b[rows], 0.0), order, axis=1)
        left = limit[rows, None] - sum_before(most)
        taken = np.empty_like(most)
        np.put_along_axis(taken, order, np.clip(left, 0.0, most), axis=1)
        return taken, net, w[rows] * (margin > 0) + g[rows, None]

    def dual(price: Floats, rows: Any) -> tuple[Floats, Floats]:
        taken, net, use = filled(price, rows)
        value = price * room[rows] + (net * taken).sum(axis=1)
        return value, room[rows] - (use * taken).sum(axis=1)

    found = lowest(dual, c.max(axis=1))
    everyone = np.arange(len(a))
    low, high = filled(found.low, everyone)[0], filled(found.high, everyone)[0]
    rise = np.where(found.low_slope < 0, found.high_slope - found.low_slope, 1.0)
    share = np.where(found.low_slope < 0, -found.low_slope / rise, 0.0)[:, None]
    x = (1 - share) * low + share * high
    used = x.sum(axis=1)
    _, net, _ = filled(found.at, everyone)
    largest = (a + w * c).max(axis=1)
    optimum = ClosedOptimum(
        found.value,
        used,
        np.minimum((w * x).sum(axis=1), room - g * used),
        _above_nothing(found.at, c.max(axis=1)),
        _above_nothing(_price_of_last(net, b, limit), largest),
    )
    impatient = np.all(np.asarray(rates.patience_rate) > 0, axis=-1)
    known = np.broadcast_to(impatient, shape[:-1]) & (limit >= 0).reshape(shape[:-1])
    return optimum.shaped(shape[:-1], known)


def prefill_cap(rates: Rates, mean_tpot: float) -> Floats:
    r"""Return the largest X that keeps a promise on the mean time per output token (eq. D7).

    Shape ``(...)``; negative where no X keeps it, nan where it asks for X to be large, which can
    be only for :math:`\kappa<1`.

    Parameters
    ----------
    rates
        Rates of a batch of instances.
    mean_tpot
        The bound on (P47), s.
    """
    slots, solo = rates.batch_slots, rates.solo_time
    slope = (slots - 1) * rates.mixed_time - slots * solo + mean_tpot
    room = slots * (mean_tpot - solo)
    cap = np.where(slope > 0, room / np.where(slope > 0, slope, 1.0), 1.0)
    cap = np.where((room < 0) & (slope < 0), np.nan, np.where((room < 0), -1.0, cap))
    shape = np.broadcast_shapes(cap.shape, rates.full_prefill.shape)
    return np.asarray(np.broadcast_to(np.minimum(cap, 1.0), shape)[..., 0])


def _price_of_last(net: Floats, upper: Floats, limit: Floats) -> Floats:
    """Return the net gain of the class that a little more room for prefill would go to."""
    order = np.argsort(-net, axis=1, kind="stable")
    ranked, most = (np.take_along_axis(each, order, axis=1) for each in (net, upper))
    left_out = np.cumsum(most, axis=1) > limit[:, None]
    return np.asarray(np.max(np.where(left_out, ranked, 0.0), axis=1, initial=0.0))


def _above_nothing(price: Floats, scale: Floats) -> Floats:
    return np.where(price > NOTHING * scale, price, 0.0)
