"""Why an instance cannot be run, and what would make it possible."""

from collections.abc import Sequence

from gnr.models.programs import elastic_program
from gnr.models.solver import Status, optimize, optimize_scaled
from gnr.rates import Rates
from gnr.result import Shortfall


def explain_shortfall(rates: Rates, names: Sequence[str]) -> tuple[Shortfall, ...]:
    """Return what an infeasible instance lacks.

    Only classes with patience rate 0 can make an instance infeasible: all of their requests
    must be served. Two ways out are told, each enough by itself: the requests to turn away,
    as few as possible (elastic program, one entry per class), or the capacity to add.
    """
    model = elastic_program(rates)
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
    return (*turned_away, _missing_gpus(rates))


def _missing_gpus(rates: Rates) -> Shortfall:
    r"""Return by how much the cluster must grow to serve the classes that never leave.

    With :math:`x_i=\lambda_i/\mu_{p,i}` forced, the cluster must have at least
    :math:`G=\max\{\sum x_i,\ \sum(C\phi_i+\kappa B-(B-1))x_i/(\kappa B)\}` times its GPUs: the
    prefill row and the decode row of the knapsack (D4) for :math:`G` GPUs.
    """
    forced = rates.full_prefill[rates.patience_rate == 0]
    weight = (rates.decode_work + rates.mixing_cost)[rates.patience_rate == 0]
    decode = float(weight @ forced) / (rates.speed_ratio * rates.batch_slots)
    needed = max(float(forced.sum()), decode)
    return Shortfall(
        requirement="or run more GPUs for the same demand",
        by=needed - 1,
        unit="GPUs per GPU",
    )
