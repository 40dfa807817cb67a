"""The objectives of the linear programs, one function each; money/s per GPU."""

from typing import Any

import pyomo.environ as pyo


def bundled_revenue(model: Any) -> Any:
    r"""Return the revenue when a finished request pays its whole price (eq. P40).

    .. math:: \max\ \sum_{i\in\mathcal I} w_i(\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i})

    Money/s per GPU.
    """
    return pyo.quicksum(
        (
            model.reward[i] * model.mixed_decode_rate[i] * model.mixed_decode_occupancy[i]
            + model.reward[i] * model.solo_decode_rate[i] * model.solo_decode_occupancy[i]
            for i in model.classes
        ),
    )


def separate_revenue(model: Any) -> Any:
    r"""Return the revenue when each phase pays at its own end (eq. P42).

    .. math:: \max\ c_p\frac C\tau\sum_{i\in\mathcal I}x_i
       +\frac{c_d}\tau\sum_{i\in\mathcal I}y_{m,i}+c_d\gamma\sum_{i\in\mathcal I}y_{s,i}

    Money/s per GPU.
    """
    prompt = model.prompt_price * model.chunk_tokens / model.mixed_time
    mixed, solo = model.output_price / model.mixed_time, model.output_price / model.solo_time
    return pyo.quicksum(
        (
            prompt * model.prefill_occupancy[i]
            + mixed * model.mixed_decode_occupancy[i]
            + solo * model.solo_decode_occupancy[i]
            for i in model.classes
        ),
    )


def unserved_arrivals(model: Any) -> Any:
    r"""Return the arrivals that cannot be served, to be made least (elastic program).

    .. math:: \min\ \sum_{i\in\mathcal I,\ \theta_i=0} s_i

    Requests/s per GPU.
    """
    return pyo.quicksum(model.unserved_rate[i] for i in model.patient_classes)


def fewest_gpus(model: Any) -> Any:
    r"""Return the size of the cluster, to be made least (eq. P40, its rows times n).

    .. math:: \min\ n

    GPUs; the variables are of the whole cluster and not per GPU.
    """
    return model.gpus
