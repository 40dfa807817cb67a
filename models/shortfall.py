"""Why an instance cannot be run, and what would make it possible."""

from collections.abc import Sequence

import numpy as np

from gnr.models.point import Program
from gnr.models.programs import (
    elastic_program,
    require_disaggregation,
    require_empty_decode_buffer,
)
from gnr.models.solver import Status, optimize, optimize_scaled
from gnr.result import Shortfall


def explain_shortfall(program: Program, names: Sequence[str]) -> tuple[Shortfall, ...]:
    """Return what an infeasible instance lacks.

    Only classes with patience rate 0 can make an instance infeasible: all of their requests
    must be served. Two ways out are told, each enough by itself: the requests to turn away,
    as few as possible (elastic program, one entry per class), or the capacity to add.
    """
    rates = program.rates
    model = elastic_program(rates)
    if program.empty_decode_buffer:
        require_empty_decode_buffer(model)
    if program.disaggregated:
        require_disaggregation(model)
    outcome = optimize(model)
    if outcome.status is not Status.OPTIMAL:
        outcome = optimize_scaled(model)
    unserved = outcome.primal(model.unserved_rate, rates.classes)
    turned_away = tuple(
        Shortfall(
            requirement=f"serve every request of class {name}, which never leaves",
            by=float(unserved[i]),
            unit="requests/s per GPU",
        )
        for i, name in enumerate(names)
        if unserved[i] > 1e-9 * rates.arrival_rate[i]
    )
    missing = Shortfall(
        requirement="or run more GPUs for the same demand",
        by=needed_gpus(program) - 1,
        unit="GPUs per GPU",
    )
    return (*turned_away, missing)


def needed_gpus(program: Program) -> float:
    r"""Return how many times its GPUs the cluster needs for the classes that never leave.

    With :math:`x_i=\lambda_i/\mu_{p,i}` forced, :math:`G` GPUs need :math:`G\ge\sum x_i` and the
    decode row of (D4), :math:`\sum(C\phi_i+\kappa B-(B-1))x_i\le\kappa BG`; with disaggregation
    the mixing cost :math:`\kappa B-(B-1)` is :math:`\kappa B` throughout. Prefills of the other
    classes help where a mixed GPU decodes more than a solo one: each unit of :math:`x_j` changes
    the left side by :math:`\kappa B-(B-1)`, plus :math:`C\phi_j` if its decodes must be done. The
    most helpful go first, up to their arrivals and to a GPU each.
    """
    rates = program.rates
    forced = rates.patience_rate == 0
    solo = float(rates.speed_ratio * rates.batch_slots)
    weight = rates.decode_work + program.mixing_cost
    gpus = float(rates.full_prefill[forced].sum())
    lacking = float(weight[forced] @ rates.full_prefill[forced]) - solo * gpus
    change = weight if program.empty_decode_buffer else np.full(rates.classes, program.mixing_cost)
    helpers = sorted(
        (float(change[j]), float(rates.full_prefill[j]))
        for j in np.flatnonzero(~forced & (change < 0))
    )
    for relief, most in helpers:
        step = min(most, max(lacking, 0.0) / (solo - relief))
        gpus += step
        lacking -= step * (solo - relief)
    return gpus + max(lacking, 0.0) / solo
