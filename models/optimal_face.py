r"""All optima at once: which numbers are unique, and between what ends the multipliers lie.

Because the speed ratio :math:`\kappa` is the same for all classes, (P40) and (P42) depend on
the decodes only through the work :math:`v_i=y_{m,i}+\kappa y_{s,i}`, and their dual has just
two shared prices: :math:`u=\hat\beta`, of decode capacity in mixed slots, and
:math:`\nu=\hat\alpha+B\hat\delta-\kappa B\hat\beta`, of a GPU's one prefill. With disaggregation
:math:`\hat\beta=0`, :math:`u=\hat\delta/\kappa` and :math:`\nu=\hat\alpha`, and a GPU that
prefills costs :math:`\kappa B` of the decode capacity in place of :math:`\kappa B-(B-1)`; all
else is the same. The optimal prices form a polygon, cut out by the complementary slackness
conditions of any one optimum. At a point inside it every dual constraint that can be slack is
slack, which tells in turn which primal variables can move, and in which directions.
"""

from dataclasses import dataclass

import numpy as np

from gnr.arrays import Flags, Floats
from gnr.models.point import Point, Program
from gnr.rates import Rates

RELATIVE = 1e-9
"""Relative distance below which a slack counts as none."""
SPREAD = 1e-6
"""Relative spread of a price over the polygon below which it is unique."""
FAR = 1e4
"""Side of the first box, in units of the largest price that revenue can support."""


@dataclass(frozen=True)
class PriceFace:
    """The optimal prices and what they imply.

    Attributes
    ----------
    corners
        Corners (u, nu) of the polygon, shape ``(corners, 2)``, money/s.
    at_infinity
        Which corners stand for infinity, shape ``(corners,)``: there are some exactly if more
        load would be infeasible.
    scale
        Sizes against which u and nu are measured, shape ``(2,)``, money/s.
    """

    corners: Floats
    at_infinity: Flags
    scale: Floats

    @property
    def unique(self) -> bool:
        """Whether there is only one pair of optimal prices."""
        spread = np.ptp(self.corners, axis=0)
        return not self.at_infinity.any() and bool(np.all(spread <= SPREAD * self.scale))

    @property
    def center(self) -> Floats:
        """A point inside the polygon, (u, nu)."""
        return np.asarray(self.corners.mean(axis=0))


@dataclass(frozen=True)
class Uniqueness:
    """Which of the five variables take one value only over all optima."""

    prefill: bool
    mixed_decode: bool
    solo_decode: bool
    prefill_queue: bool
    decode_queue: bool


def price_face(program: Program, point: Point) -> PriceFace | None:
    """Return the polygon of optimal prices, or None if rounding leaves it undecided.

    Parameters
    ----------
    program
        The program.
    point
        Any optimum of it.
    """
    rates, weights, revenue = program.rates, program.weights, program.revenue(point)
    capacity = rates.speed_ratio * rates.batch_slots
    scale = revenue / capacity + float(weights.decode.max())
    # nu pays for all the decodes that one prefill keeps busy.
    unit = scale * np.array([1.0, 1.0 + abs(program.mixing_cost) + float(rates.decode_work.max())])
    normals, offsets = _conditions(program, point)
    normals = normals * unit
    lengths = np.linalg.norm(normals, axis=1)
    normals, offsets = normals / lengths[:, None], offsets / lengths
    corners = np.array([[0.0, 0.0], [FAR, 0.0], [FAR, FAR], [0.0, FAR]])
    while len(corners):
        excess = corners @ normals.T - offsets
        if excess.max(initial=-1.0) <= RELATIVE:
            return PriceFace(corners * unit, corners.max(axis=1) >= FAR * (1 - RELATIVE), unit)
        worst = int(excess.max(axis=0).argmax())
        corners = _cut(corners, normals[worst], offsets[worst] + RELATIVE / 2)
    return None


def marginals_at(program: Program, price: Floats) -> tuple[Floats, Floats]:
    """Return phi-hat and eta-hat at the prices (u, nu), shape ``(classes,)``, money/request.

    For a class that is shut out eta-hat is the lower end of what is possible: what one more
    request in the decode buffer would earn.
    """
    rates, margin = program.rates, program.weights.decode - price[0]
    forced = (rates.patience_rate == 0) | program.empty_decode_buffer
    worth = np.where(forced, margin, np.maximum(margin, 0.0))
    net = _prefill_net(program, price) + rates.decode_work * worth
    value = np.where(rates.patience_rate == 0, net, np.maximum(net, 0.0))
    return value / rates.prefill, worth / rates.mixed_decode


def uniqueness(program: Program, point: Point, face: PriceFace) -> Uniqueness:
    """Return which variables are the same at every optimum."""
    rates = program.rates
    prefill_free, decode_free, tied = _free_moves(program, face)
    moves = _move_columns(program, prefill_free, decode_free, tied)
    active = face.center > SPREAD * face.scale
    fixed = _fixed_columns(moves * active[:, None])
    of_prefill, of_decode = fixed[: prefill_free.sum()], fixed[prefill_free.sum() :]
    following = tied[prefill_free]
    x_fixed, alone_fixed = bool(of_prefill.all()), bool(of_decode.all())
    total_fixed = x_fixed or _is_fixed(moves[1], moves * active[:, None])
    work_fixed = alone_fixed and bool(of_prefill[following].all())
    queue_fixed = alone_fixed and bool(of_prefill[~following].all())
    one_split = program.disaggregated or (total_fixed and _split_is_unique(rates, point))
    split_fixed = work_fixed and one_split
    no_solo = total_fixed and float(point.prefill.sum()) >= 1 - RELATIVE
    closed = bool(np.all(rates.patience_rate > 0))
    return Uniqueness(
        prefill=x_fixed,
        mixed_decode=split_fixed or program.disaggregated,
        solo_decode=split_fixed or no_solo,
        prefill_queue=x_fixed and closed,
        decode_queue=queue_fixed and closed,
    )


def _prefill_net(program: Program, price: Floats) -> Floats:
    """Return what a unit of x_i earns before its decodes, money/s."""
    return np.asarray(program.weights.prefill - program.mixing_cost * price[0] - price[1])


def _conditions(program: Program, point: Point) -> tuple[Floats, Floats]:
    """Return complementary slackness with `point` as half-planes ``normals @ (u, nu) <= offsets``.

    Shapes ``(conditions, 2)`` and ``(conditions,)``.
    """
    rates, weights = program.rates, program.weights
    work, produced = point.decode_work(rates), rates.decode_work * point.prefill
    gain, a, c = rates.decode_work, weights.prefill, weights.decode
    g = np.full(rates.classes, program.mixing_cost)
    one, zero = np.ones(rates.classes), np.zeros(rates.classes)
    free = rates.patience_rate > 0
    started = free & (point.prefill > 0)
    held_back = free & (point.prefill < rates.full_prefill * (1 - RELATIVE))
    forced = free & program.empty_decode_buffer
    decoding = started & ~forced & (work > RELATIVE * produced)
    waiting = started & ~forced & (work < produced * (1 - RELATIVE))
    with_decode, without = forced | ~waiting, ~forced & (waiting | (point.prefill <= 0))

    # Net value of a unit of x_i is a + gain c - (g + gain) u - nu with its decodes, a - g u - nu
    # without: at least 0 where x_i > 0, at most 0 where x_i is held back.
    rows = [
        (decoding, one, zero, c),
        (waiting, -one, zero, -c),
        (started & with_decode, g + gain, one, a + gain * c),
        (started & ~with_decode, g, one, a),
        (held_back & with_decode, -(g + gain), -one, -(a + gain * c)),
        (held_back & without, -g, -one, -a),
    ]
    normals = np.concatenate([np.stack([n1, n2], axis=1)[m] for m, n1, n2, _ in rows])
    offsets = np.concatenate([offset[m] for m, _, _, offset in rows])
    used, spent = float(point.prefill.sum()), float(work.sum())
    capacity = rates.speed_ratio * rates.batch_slots
    idle = capacity - spent - program.mixing_cost * used
    extra = [
        row
        for row, slack in (
            ([1.0, 0.0], idle > RELATIVE * capacity),
            ([0.0, 1.0], 1 - used > RELATIVE),
        )
        if slack
    ]
    return (
        np.concatenate([normals, np.array(extra).reshape(-1, 2)]),
        np.concatenate([offsets, np.zeros(len(extra))]),
    )


def _cut(corners: Floats, normal: Floats, offset: float) -> Floats:
    """Return the part of a convex polygon with ``normal @ corner <= offset``."""
    excess = corners @ normal - offset
    kept: list[Floats] = []
    for k, here in enumerate(excess):
        there, start, end = excess[k - 1], corners[k - 1], corners[k]
        if (here <= 0) != (there <= 0):
            kept.append(start + (end - start) * (there / (there - here)))
        if here <= 0:
            kept.append(end)
    return np.array(kept).reshape(-1, 2)


def _free_moves(program: Program, face: PriceFace) -> tuple[Flags, Flags, Flags]:
    """Return for each class: can x move, can v move by itself, does v follow x."""
    rates, weights, price = program.rates, program.weights, face.center
    impatient = rates.patience_rate > 0
    margin = weights.decode - price[0]
    level = np.abs(margin) <= SPREAD * (weights.decode + price[0]) + RELATIVE * face.scale[0]
    forced = np.full(rates.classes, program.empty_decode_buffer)
    worth = np.where(forced, margin, np.maximum(margin, 0.0))
    net = _prefill_net(program, price) + rates.decode_work * worth
    net_size = (
        weights.prefill
        + (abs(program.mixing_cost) + rates.decode_work) * price[0]
        + price[1]
        + rates.decode_work * weights.decode
    )
    indifferent = np.abs(net) <= SPREAD * net_size
    prefill_free = impatient & indifferent
    runs = indifferent | (net > 0)
    decode_free = impatient & level & runs & ~forced
    tied = forced | (margin > 0) & ~level
    return prefill_free, decode_free, tied


def _move_columns(program: Program, prefill_free: Flags, decode_free: Flags, tied: Flags) -> Floats:
    """Return what each free move uses of the two shared rows, shape ``(2, moves)``.

    First the moves of x (with v where it follows), then those of v alone; columns normalised.
    """
    rates = program.rates
    follow = np.where(tied, rates.decode_work, 0.0)
    prefill = np.stack([program.mixing_cost + follow, np.ones(rates.classes)])[:, prefill_free]
    decode = np.stack([np.ones(rates.classes), np.zeros(rates.classes)])[:, decode_free]
    columns = np.concatenate([prefill, decode], axis=1)
    return np.asarray(columns / np.linalg.norm(columns, axis=0))


def _fixed_columns(rows: Floats) -> Flags:
    """Return which unknowns are 0 in every solution of ``rows @ unknowns = 0``.

    Those whose column is not in the span of the others: leverage 1.
    """
    if rows.shape[1] == 0:
        return np.zeros(0, dtype=np.bool_)
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    used = directions[sizes > RELATIVE * max(1.0, float(sizes.max(initial=0.0)))]
    return np.asarray((used**2).sum(axis=0) >= 1 - RELATIVE)


def _is_fixed(combination: Floats, rows: Floats) -> bool:
    """Whether ``combination @ unknowns`` is 0 in every solution of ``rows @ unknowns = 0``."""
    weights = np.linalg.lstsq(rows.T, combination, rcond=RELATIVE)[0]
    return bool(np.all(np.abs(weights @ rows - combination) <= SPREAD))


def _split_is_unique(rates: Rates, point: Point) -> bool:
    """Whether the decode work at `point` can be split between the pools in one way only."""
    work = point.decode_work(rates)
    used = float(point.prefill.sum())
    mixed_room = (rates.batch_slots - 1) * used
    solo_room = rates.batch_slots * (1 - used)
    total = float(work.sum())
    least = max(0.0, (total - mixed_room) / rates.speed_ratio)
    most = min(solo_room, total / rates.speed_ratio)
    if most - least > RELATIVE * rates.batch_slots:
        return False
    one_pool = (
        most <= RELATIVE * rates.batch_slots
        or total - rates.speed_ratio * least <= RELATIVE * rates.batch_slots
    )
    return one_pool or int((work > RELATIVE * rates.batch_slots).sum()) <= 1


def prefill_break_even(program: Program, price: Floats) -> Floats:
    """Return the eta-hat at which starting one more prefill pays, shape ``(classes,)``."""
    return np.asarray(-_prefill_net(program, price) / program.rates.prefill)
