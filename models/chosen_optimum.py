"""Which optimum is reported when there are several: Algorithm 0 and rule 10.1(d)."""

import numpy as np

from gnr.arrays import Floats
from gnr.models.point import Point, Program
from gnr.rates import Rates

SNAP = 1e-10
"""Relative distance at which a solver's number is taken to be the bound it is near."""


def drain_decode_buffer(rates: Rates, point: Point) -> Point:
    r"""Return a point of the same value with an empty decode buffer (Algorithm 0).

    Prefill that would only feed the buffer is not started, and decodes that no longer fit on
    mixed GPUs move to solo ones. Works from any feasible point of (P40).

    Raises
    ------
    ValueError
        If :math:`\kappa<(B-1)/B` and some requests decode on mixed GPUs: a drained buffer can
        then cost revenue.
    """
    if rates.mixing_cost < 0 and np.any(point.mixed_decode > 0):
        raise ValueError("Algorithm 0 needs kappa >= (B-1)/B, or solo decodes only")
    shrink = np.maximum(point.prefill - point.decode_work(rates) / rates.decode_work, 0.0)
    prefill = point.prefill - shrink
    mixed, solo = point.mixed_decode, point.solo_decode
    overflow = float(mixed.sum() - (rates.batch_slots - 1) * prefill.sum())
    if overflow > 0:
        moved = mixed * (overflow / mixed.sum())
        mixed, solo = mixed - moved, solo + moved / rates.speed_ratio
    return Point(
        prefill, mixed, solo, _prefill_queue(rates, prefill), np.zeros_like(point.decode_queue)
    )


def settle(program: Program, prefill: Floats, decode_work: Floats) -> Point:
    r"""Return the reported point with the given prefill and decode work (10.1(d)).

    Parameters
    ----------
    program
        The program.
    prefill
        x, shape ``(classes,)``; solver noise near its bounds is rounded off.
    decode_work
        :math:`y_{m,i}+\kappa y_{s,i}`, same shape.

    Notes
    -----
    Solo slots are filled by the classes in file order, the rest decodes mixed; with disaggregation
    all decode solo. Queues follow from the balances. A class with patience rate 0 has queues that
    the program leaves open: they are reported as 0.
    """
    rates = program.rates
    prefill = _snap(np.clip(prefill, 0.0, rates.full_prefill), rates.full_prefill)
    prefill = np.where(rates.patience_rate > 0, prefill, rates.full_prefill)
    produced = rates.decode_work * prefill
    decode_work = _snap(np.clip(decode_work, 0.0, produced), produced)
    decode_work = np.where(rates.patience_rate > 0, decode_work, produced)
    room = rates.batch_slots * max(0.0, 1.0 - float(prefill.sum()))
    room = np.inf if program.disaggregated else room
    wanted = decode_work / rates.speed_ratio
    before = np.concatenate([[0.0], np.cumsum(wanted)[:-1]])
    solo = np.clip(room - before, 0.0, wanted)
    mixed = rates.speed_ratio * (wanted - solo)
    patience = np.where(rates.patience_rate > 0, rates.patience_rate, np.inf)
    waiting = rates.mixed_decode * (produced - decode_work) / patience
    return Point(prefill, mixed, solo, _prefill_queue(rates, prefill), waiting)


def fill_in_file_order(program: Program, prefill: Floats, decode_work: Floats) -> Floats:
    """Return decode work with the same total, given to the classes in file order.

    For the separate objective, which does not see who decodes: classes that never leave are
    served first because they must be, then the others in file order; who does not fit waits.
    Where output tokens are free all decodes that fit are done.
    """
    rates = program.rates
    produced = rates.decode_work * prefill
    must = np.where(rates.patience_rate > 0, 0.0, produced)
    may = np.where(rates.patience_rate > 0, produced, 0.0)
    used = float(prefill.sum())
    room = rates.speed_ratio * rates.batch_slots - program.mixing_cost * used
    total = float(decode_work.sum())
    if rates.output_price == 0:
        total = min(float(produced.sum()), room)
    left = total - float(must.sum())
    before = np.concatenate([[0.0], np.cumsum(may)[:-1]])
    return np.asarray(must + np.clip(left - before, 0.0, may))


def _prefill_queue(rates: Rates, prefill: Floats) -> Floats:
    patience = np.where(rates.patience_rate > 0, rates.patience_rate, np.inf)
    unserved = rates.arrival_rate - rates.prefill * prefill
    unserved = np.where(prefill >= rates.full_prefill, 0.0, unserved)
    return np.asarray(np.maximum(unserved, 0.0) / patience)


def _snap(values: Floats, upper: Floats) -> Floats:
    """Return `values` with those within SNAP of 0 or of `upper` moved there."""
    values = np.where(values <= SNAP * upper, 0.0, values)
    return np.where(values >= (1 - SNAP) * upper, upper, values)
