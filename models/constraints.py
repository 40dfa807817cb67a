r"""The constraints of the linear programs, one function each.

Every function has the name of the Pyomo component it builds, and its docstring is the
published form. All quantities are long-run averages per GPU. Index sets: ``classes`` is
:math:`\mathcal I`; ``impatient_classes`` are those with :math:`\theta_i>0`, the only ones that
have queues as variables: a class that never leaves (:math:`\theta_i=0`) has queue lengths that
the program does not determine.
"""

from typing import Any

import pyomo.environ as pyo


def prefill_capacity(model: Any) -> Any:
    r"""Return the limit on prefills in progress (eq. P40, first row).

    .. math:: \sum_{i\in\mathcal I} x_i \le 1

    One constraint. Both sides: requests in prefill per GPU. At most one prefill runs on a GPU.
    """
    return _total(model, model.prefill_occupancy) <= 1


def mixed_decode_capacity(model: Any) -> Any:
    r"""Return the limit on decodes on mixed GPUs (eq. P40, second row).

    .. math:: \sum_{i\in\mathcal I} y_{m,i} \le (B-1)\sum_{i\in\mathcal I} x_i

    One constraint. Both sides: decodes per GPU. A mixed GPU keeps one of its slots for prefill.
    """
    mixed = _total(model, model.mixed_decode_occupancy)
    return mixed - (model.batch_slots - 1) * _total(model, model.prefill_occupancy) <= 0


def solo_decode_capacity(model: Any) -> Any:
    r"""Return the limit on decodes on solo GPUs (eq. P40, third row).

    .. math:: \sum_{i\in\mathcal I} y_{s,i} \le B\Big(1-\sum_{i\in\mathcal I} x_i\Big)

    One constraint. Both sides: decodes per GPU.
    """
    solo = _total(model, model.solo_decode_occupancy)
    prefill = _total(model, model.prefill_occupancy)
    return solo + model.batch_slots * prefill <= model.batch_slots


def sized_prefill_capacity(model: Any) -> Any:
    r"""Return the limit on prefills in a cluster of n GPUs (eq. P40, first row, times n).

    .. math:: \sum_{i\in\mathcal I} X_i \le n

    One constraint. Both sides: requests in prefill, of the whole cluster and not per GPU.
    """
    return _total(model, model.prefill_occupancy) - model.gpus <= 0


def sized_solo_decode_capacity(model: Any) -> Any:
    r"""Return the limit on decodes on solo GPUs of a cluster (eq. P40, third row, times n).

    .. math:: \sum_{i\in\mathcal I} Y_{s,i} \le B\Big(n-\sum_{i\in\mathcal I} X_i\Big)

    One constraint. Both sides: decodes, of the whole cluster and not per GPU.
    """
    solo = _total(model, model.solo_decode_occupancy)
    prefill = _total(model, model.prefill_occupancy)
    return solo + model.batch_slots * prefill - model.batch_slots * model.gpus <= 0


def prefill_balance(model: Any, i: int) -> Any:
    r"""Return the flow balance of the prefill queue (eq. P40, fourth row).

    .. math:: \mu_{p,i}x_i + \theta_iq_{p,i} = \lambda_i \qquad \forall i\in\mathcal I

    Both sides: requests/s per GPU. Written with :math:`\lambda_i` on the right, so that its
    multiplier is :math:`+\hat\phi_i`. For :math:`\theta_i=0` the queue drops out.
    """
    started = model.prefill_rate[i] * model.prefill_occupancy[i]
    if i in model.impatient_classes:
        left = model.patience_rate[i] * model.prefill_queue[i]
        return started + left == model.arrival_rate[i]
    return started == model.arrival_rate[i]


def decode_balance(model: Any, i: int) -> Any:
    r"""Return the flow balance of the decode buffer (eq. P40, fifth row).

    .. math:: \mu_{m,i}y_{m,i} + \mu_{s,i}y_{s,i} + \theta_iq_{d,i} - \mu_{p,i}x_i = 0
       \qquad \forall i\in\mathcal I

    Both sides: requests/s per GPU. Written so that its multiplier is :math:`+\hat\eta_i`. For
    :math:`\theta_i=0` the buffer drops out.
    """
    net = _decoded(model, i) - model.prefill_rate[i] * model.prefill_occupancy[i]
    if i in model.impatient_classes:
        return net + model.patience_rate[i] * model.decode_queue[i] == 0
    return net == 0


def decode_flow_limit(model: Any, i: int) -> Any:
    r"""Return the decode balance with its queue eliminated (eq. P50).

    .. math:: \mu_{m,i}y_{m,i} + \mu_{s,i}y_{s,i} - \mu_{p,i}x_i \le 0
       \qquad \forall i\in\mathcal I,\ \theta_i>0

    Both sides: requests/s per GPU. Its multiplier is :math:`+\hat\eta_i`.
    """
    return _decoded(model, i) - model.prefill_rate[i] * model.prefill_occupancy[i] <= 0


def empty_decode_buffer(model: Any, i: int) -> Any:
    r"""Return the requirement that no request waits for a decode slot (eqs. P43, P45).

    .. math:: q_{d,i} = 0 \qquad \forall i\in\mathcal I,\ \theta_i>0

    Both sides: requests per GPU.
    """
    return model.decode_queue[i] == 0


def disaggregation(model: Any, i: int) -> Any:
    r"""Return the requirement that no GPU decodes while it prefills (a row added to eq. P40).

    .. math:: y_{m,i} = 0 \qquad \forall i\in\mathcal I

    Both sides: requests per GPU. The GPUs are then split into prefill-only ones, a fraction
    :math:`\sum_ix_i`, and decode-only ones.
    """
    return model.mixed_decode_occupancy[i] == 0


def served_balance(model: Any, i: int) -> Any:
    r"""Return the prefill balance of a class that never leaves, with unserved arrivals.

    .. math:: \mu_{p,i}x_i + s_i = \lambda_i \qquad \forall i\in\mathcal I,\ \theta_i=0

    Both sides: requests/s per GPU. :math:`s_i\ge0` is what cannot be served; this row stands
    in for the prefill balance in the elastic program that explains an infeasible instance.
    """
    started = model.prefill_rate[i] * model.prefill_occupancy[i]
    return started + model.unserved_rate[i] == model.arrival_rate[i]


def _decoded(model: Any, i: int) -> Any:
    mixed = model.mixed_decode_rate[i] * model.mixed_decode_occupancy[i]
    return mixed + model.solo_decode_rate[i] * model.solo_decode_occupancy[i]


def _total(model: Any, variable: Any) -> Any:
    return pyo.quicksum(variable[i] for i in model.classes)
