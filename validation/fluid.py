"""Fluid trajectories of the pooled policies, eqs. P24-P35, by a catching-up step.

Gate and router are discontinuous: a slot that frees is taken at once. So a step of length h has
two halves. First every clock moves mass explicitly. Then the controls act on what is there at the
*end* of the step: they fill free slots by the rule of the policy until no slot is free or nothing
that may be admitted waits (complementarity); where the gate is indifferent, its classes stay level.
At rest the controls move h times the fluid rate, whatever h: the fixed points are exactly those of
the fluid model. On the way the error is of order h.
"""

import math
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.validation.chain import Chain, Row
from gnr.validation.policies.gates import GateIndex

STEPS_PER_CLOCK = 10
"""Steps in the mean time of the fastest clock."""

FIRST_COME, LEAST_INDEX, PRIORITY = 0, 1, 2
"""Gates: in proportion to the queues; least index first, kept level; strictly by offset."""

WAITING, PREFILL, BUFFER, MIXED, SOLO, SOLO_BUFFER = (int(row) for row in Row)

Integers: TypeAlias = NDArray[np.int64]


class FixedPoint(NamedTuple):
    """Where the fluid came to rest; `state` has shape ``(classes, 6)``, requests, as `Row`.

    `reached` is False if it did not, as where a class without impatience is overloaded: `state` is
    then the last one. `elapsed` is the time integrated, s.
    """

    state: Floats
    reached: bool
    elapsed: float


def default_step(chain: Chain) -> float:
    """Return the step, s: a tenth of the mean time of the fastest clock.

    That clock is a prefill as a rule. A tenth follows it to about 2 % on its own short way to
    rest, and decodes, hundreds of times slower, to a small fraction of a percent.
    """
    return float(1 / (STEPS_PER_CLOCK * chain.leaving.max()))


def slowest_time_constant(chain: Chain) -> float:
    r"""Return the longest mean time of a clock, s.

    The largest of :math:`1/\theta_i` (where :math:`\theta_i>0`), :math:`1/\mu_{m,i}=D_i\tau`,
    :math:`1/\mu_{s,i}` and :math:`1/\mu_{p,i}` (eq. P4).
    """
    return float(1 / chain.leaving[chain.leaving > 0].min())


def with_arrivals(chain: Chain, factor: float | Floats) -> Chain:
    """Return `chain` with arrivals times `factor`, one number or one per class; the plan stays."""
    return replace(chain, arrival=chain.arrival * factor)


def trajectory(chain: Chain, start: Floats, times: Floats, step: float | None = None) -> Floats:
    """Return the fluid state at `times`, requests, shape ``(times, classes, 6)``.

    Parameters
    ----------
    chain
        The cluster, its policy and its plan.
    start
        Requests at time 0, shape ``(classes, 6)``, as `Row`. Free slots are taken in the first
        step, at once. A group with more than its slots takes nothing until it has room.
    times
        s, nonnegative and not decreasing, shape ``(times,)``; at 0 the answer is `start` itself.
    step
        Longest step, s; `default_step` if not given. Steps between two times are equal.

    Raises
    ------
    ValueError
        If `start`, `times`, `step` or the gate of the chain is not as described.
    """
    intervals = np.diff(np.asarray(times, dtype=float), prepend=0.0)
    if intervals.ndim != 1 or not np.all((intervals >= 0) & np.isfinite(intervals)):
        raise ValueError("times must be finite, nonnegative and in increasing order")
    numbers, state, step = _prepare(chain, start, step)
    states = np.empty((len(intervals), *state.shape))
    for k, interval in enumerate(intervals):
        _advance_by(numbers, state, float(interval), step)
        states[k] = state
    return states


def fluid_fixed_point(
    chain: Chain, *, tolerance: float = 1e-10, longest: int = 1000, step: float | None = None
) -> FixedPoint:
    """Return the state that the fluid reaches from the plan; it does not depend on `step`, s.

    It is at rest when what changes over one `slowest_time_constant` is at most `tolerance` times
    the largest entry of the state; after `longest` such times the search gives up.
    """
    numbers, state, step = _prepare(chain, chain.planned, step)
    interval, rounds, reached = slowest_time_constant(chain), 0, False
    while not reached and rounds < longest:
        before = state.copy()
        _advance_by(numbers, state, interval, step)
        rounds += 1
        reached = bool(np.abs(state - before).max() <= tolerance * state.max())
    return FixedPoint(state, reached, rounds * interval)


class _Numbers(NamedTuple):
    """A `Chain` for compiled code; class arrays have shape ``(classes,)``."""

    arrival: Floats
    leaving: Floats
    prefill_slots: float
    mixed_decode_slots: float
    solo_decode_slots: float
    gate: int
    slope: Floats
    offset: Floats
    pace: Floats
    place: Integers
    queue_target: Floats
    split_buffers: bool
    solo_probability: Floats
    mixed_weight: Floats
    solo_weight: Floats


def _prepare(chain: Chain, start: Floats, step: float | None) -> tuple[_Numbers, Floats, float]:
    """Return the numbers of `chain`, a copy of `start` and the step, or raise ValueError."""
    fastest = float(chain.leaving.max())
    step = default_step(chain) if step is None else step
    if not 0 < step * fastest <= 1:
        raise ValueError(f"step must be above 0 and at most {1 / fastest:.3g} s, got {step:.3g} s")
    if start.shape != chain.planned.shape or not np.all((start >= 0) & np.isfinite(start)):
        raise ValueError(f"start must be finite, nonnegative, of shape {chain.planned.shape}")
    if not chain.split_buffers and start[:, Row.SOLO_QUEUE].any():
        raise ValueError("a chain with one decode buffer has no requests in a solo queue")
    none = np.zeros(len(chain.names))
    gate = chain.gate or GateIndex(slope=none, offset=none, queue_target=none)
    admitted = np.isfinite(gate.offset)
    sloped = admitted & (gate.slope > 0)
    if sloped.any() and not sloped[admitted].all():
        raise ValueError("the gate's slopes must be all positive or all 0 where it admits")
    by_offset = PRIORITY if chain.gate else FIRST_COME
    numbers = _Numbers(
        arrival=chain.arrival,
        leaving=np.ascontiguousarray(chain.leaving),
        prefill_slots=chain.prefill_slots,
        mixed_decode_slots=chain.mixed_decode_slots,
        solo_decode_slots=chain.solo_decode_slots,
        gate=LEAST_INDEX if sloped.any() else by_offset,
        slope=gate.slope,
        offset=gate.offset,
        pace=np.divide(1.0, gate.slope, out=none, where=sloped),
        place=np.where(admitted, np.unique(gate.offset, return_inverse=True)[1], -1),
        queue_target=gate.queue_target,
        split_buffers=chain.split_buffers,
        solo_probability=chain.solo_probability,
        mixed_weight=chain.mixed_weight,
        solo_weight=chain.solo_weight,
    )
    return numbers, np.array(start, dtype=float, order="C"), step


def _advance_by(numbers: _Numbers, state: Floats, interval: float, longest_step: float) -> None:
    """Move `state` on by `interval` s, in equal steps of at most `longest_step` s."""
    count = math.ceil(interval / longest_step * (1 - 1e-12))
    if count:
        _advance(numbers, state, interval / count, count)


@njit(cache=True)
def _advance(numbers: _Numbers, state: Floats, step: float, count: int) -> None:
    """Move `state`, shape ``(classes, 6)``, on by `count` steps of `step` s."""
    classes = len(state)
    finished, index, taken = np.empty(classes), np.empty(classes), np.empty(classes)
    solo_buffer = SOLO_BUFFER if numbers.split_buffers else BUFFER
    for _ in range(count):
        for i in range(classes):
            finished[i] = step * numbers.leaving[i, PREFILL] * state[i, PREFILL]
            for row in range(state.shape[1]):
                state[i, row] -= step * numbers.leaving[i, row] * state[i, row]
            state[i, WAITING] += step * numbers.arrival[i]
            index[i] = numbers.offset[i] + numbers.slope[i] * state[i, PREFILL]
        waiting, free = state[:, WAITING], numbers.prefill_slots - state[:, PREFILL].sum()
        if numbers.gate == LEAST_INDEX:
            raise_lowest(index, numbers.pace, waiting, free, taken)
        elif numbers.gate == PRIORITY:
            fill_in_order(numbers.place, numbers.queue_target, waiting, free, taken)
        else:
            fill_by_weight(numbers.pace, waiting, free, taken)
        _move(state, WAITING, PREFILL, taken)
        for i in range(classes):
            to_solo = numbers.solo_probability[i] * finished[i] if numbers.split_buffers else 0.0
            state[i, SOLO_BUFFER] += to_solo
            state[i, BUFFER] += finished[i] - to_solo
        free = numbers.solo_decode_slots - state[:, SOLO].sum()
        fill_by_weight(numbers.solo_weight, state[:, solo_buffer], free, taken)
        _move(state, solo_buffer, SOLO, taken)
        free = numbers.mixed_decode_slots - state[:, MIXED].sum()
        fill_by_weight(numbers.mixed_weight, state[:, BUFFER], free, taken)
        _move(state, BUFFER, MIXED, taken)


@njit(cache=True)
def _move(state: Floats, origin: int, target: int, amount: Floats) -> None:
    """Move `amount`, shape ``(classes,)``, between two rows of the state."""
    for i in range(len(state)):
        state[i, origin] -= amount[i]
        state[i, target] += amount[i]


@njit(cache=True)
def raise_lowest(index: Floats, pace: Floats, waiting: Floats, free: float, taken: Floats) -> float:
    r"""Take :math:`a_i=\min(q_i,p_i(\ell-\xi_i)^+)` at the level :math:`\ell` that fills the slots.

    All is taken if no more waits than there are slots. Arrays have shape ``(classes,)``.

    Parameters
    ----------
    index, pace
        :math:`\xi_i`, where a class stands, the lowest rise first (eq. U4); :math:`p_i`, requests
        that raise it by 1, 0 shuts the class out.
    waiting, free
        :math:`q_i` and the free slots, requests.
    taken
        Filled with :math:`a_i`, requests; their sum is returned.
    """
    free = max(free, 0.0)
    everything = _raise_to(np.inf, index, pace, waiting, taken)
    if everything <= free:
        return everything
    low, below, high, above = -np.inf, 0.0, np.inf, everything
    for i in range(len(pace)):  # narrow down to two corners of the sum: between them it is linear
        if pace[i] > 0:
            for corner in (index[i], index[i] + waiting[i] / pace[i]):
                if low < corner < high:
                    amount = _raise_to(corner, index, pace, waiting, taken)
                    if amount <= free:
                        low, below = corner, amount
                    else:
                        high, above = corner, amount
    if high < np.inf:
        low += (high - low) * (free - below) / (above - below)
    return _raise_to(low, index, pace, waiting, taken)


@njit(cache=True)
def _raise_to(level: float, index: Floats, pace: Floats, waiting: Floats, taken: Floats) -> float:
    """Fill `taken` with what raises each class to `level`, as far as that waits; return the sum."""
    total = 0.0
    for i in range(len(pace)):
        taken[i] = min(max(pace[i] * (level - index[i]), 0.0), waiting[i]) if pace[i] > 0 else 0.0
        total += taken[i]
    return total


@njit(cache=True)
def fill_in_order(
    place: Integers, queue_target: Floats, waiting: Floats, free: float, taken: Floats
) -> None:
    """Take by strict priority: place 0 first, then 1, ...; a negative place never (eq. U6).

    Ties go to the largest queue over its target, as `GateIndex` says, which keeps these level.
    Arrays have shape ``(classes,)``; the others are as in `raise_lowest`.
    """
    tied, part = np.empty(len(place)), np.empty(len(place))
    taken[:] = 0.0
    for now in range(len(place)):
        for i in range(len(place)):
            tied[i] = 1.0 if place[i] == now else 0.0
        free -= raise_lowest(queue_target - waiting, tied, waiting, free, part)
        taken += part


@njit(cache=True)
def fill_by_weight(weight: Floats, waiting: Floats, free: float, taken: Floats) -> None:
    r"""Take :math:`a_i=\min(q_i,\varpi_i\ell)` at the level that fills the slots (eq. U11).

    Classes of zero weight get what the others leave, in proportion to what waits (10.2). Arrays
    have shape ``(classes,)``; parameters are as in `raise_lowest`.
    """
    left = max(free - raise_lowest(np.zeros(len(weight)), weight, waiting, free, taken), 0.0)
    rest = np.where(weight > 0, 0.0, waiting).sum()
    share = 1.0 if rest <= left else left / rest
    for i in range(len(weight)):
        if not weight[i] > 0:
            taken[i] = share * waiting[i]
