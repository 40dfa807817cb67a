"""The linear programs, put together from `gnr.models.constraints` and `objectives`."""

from typing import Any

import pyomo.environ as pyo

from gnr.models import constraints, objectives
from gnr.rates import Rates


def bundled_program(rates: Rates) -> Any:
    """Return the program with bundled token prices (eq. P40) as a Pyomo model."""
    model = _feasible_set(rates)
    model.bundled_revenue = pyo.Objective(rule=objectives.bundled_revenue, sense=pyo.maximize)
    return model


def separate_program(rates: Rates) -> Any:
    """Return the program with separate token prices (eq. P42) as a Pyomo model."""
    model = _feasible_set(rates)
    model.separate_revenue = pyo.Objective(rule=objectives.separate_revenue, sense=pyo.maximize)
    return model


def reduced_program(rates: Rates) -> Any:
    """Return the bundled program without decode queues, problem P' (eq. P52).

    Classes with patience rate 0 keep their decode balance, which has no queue.
    """
    model = _variables(rates)
    _capacities(model)
    model.prefill_balance = pyo.Constraint(model.classes, rule=constraints.prefill_balance)
    model.decode_flow_limit = pyo.Constraint(
        model.impatient_classes, rule=constraints.decode_flow_limit
    )
    model.decode_balance = pyo.Constraint(model.patient_classes, rule=constraints.decode_balance)
    model.bundled_revenue = pyo.Objective(rule=objectives.bundled_revenue, sense=pyo.maximize)
    return model


def elastic_program(rates: Rates) -> Any:
    """Return the program that serves as many of the requests that never leave as it can.

    Its optimum says by how much an infeasible instance misses: the arrivals of classes with
    patience rate 0 that no plan can serve, as few as possible. Impatient classes wait outside.
    """
    model = _variables(rates)
    _capacities(model)
    model.unserved_rate = pyo.Var(model.patient_classes, domain=pyo.NonNegativeReals)
    model.served_balance = pyo.Constraint(model.patient_classes, rule=constraints.served_balance)
    model.prefill_balance = pyo.Constraint(
        model.impatient_classes, rule=constraints.prefill_balance
    )
    model.decode_balance = pyo.Constraint(model.classes, rule=constraints.decode_balance)
    model.unserved_arrivals = pyo.Objective(rule=objectives.unserved_arrivals, sense=pyo.minimize)
    return model


def fewest_gpus_program(rates: Rates) -> Any:
    """Return the program that serves a demand with as few GPUs as it can (eq. P40, times n).

    Its variables are of the whole cluster, and so are the arrival rates in `rates`. What has to be
    served is not in it: without a promise on who leaves, classes with patience rate above 0 need
    no GPU at all.
    """
    model = _variables(rates)
    model.gpus = pyo.Var(domain=pyo.NonNegativeReals)
    model.sized_prefill_capacity = pyo.Constraint(rule=constraints.sized_prefill_capacity)
    model.mixed_decode_capacity = pyo.Constraint(rule=constraints.mixed_decode_capacity)
    model.sized_solo_decode_capacity = pyo.Constraint(rule=constraints.sized_solo_decode_capacity)
    _balances(model)
    model.fewest_gpus = pyo.Objective(rule=objectives.fewest_gpus, sense=pyo.minimize)
    return model


def require_empty_decode_buffer(model: Any) -> None:
    """Add the constraint that no request waits for a decode slot (eqs. P43, P45)."""
    model.empty_decode_buffer = pyo.Constraint(
        model.impatient_classes, rule=constraints.empty_decode_buffer
    )


def require_disaggregation(model: Any) -> None:
    """Add the constraint that no GPU decodes while it prefills, y_m = 0 (added to eq. P40)."""
    model.disaggregation = pyo.Constraint(model.classes, rule=constraints.disaggregation)


def _feasible_set(rates: Rates) -> Any:
    model = _variables(rates)
    _capacities(model)
    _balances(model)
    return model


def _variables(rates: Rates) -> Any:
    """Return a model with the sets, the numbers and the variables of all programs."""
    model: Any = pyo.ConcreteModel()
    model.batch_slots, model.chunk_tokens = rates.batch_slots, rates.chunk_tokens
    model.mixed_time, model.solo_time = rates.mixed_time, rates.solo_time
    model.prompt_price, model.output_price = rates.prompt_price, rates.output_price
    model.arrival_rate = rates.arrival_rate.tolist()
    model.patience_rate = rates.patience_rate.tolist()
    model.prefill_rate = rates.prefill.tolist()
    model.mixed_decode_rate = rates.mixed_decode.tolist()
    model.solo_decode_rate = rates.solo_decode.tolist()
    model.reward = rates.reward.tolist()

    classes = range(rates.classes)
    model.classes = pyo.Set(initialize=classes)
    model.impatient_classes = pyo.Set(initialize=[i for i in classes if model.patience_rate[i]])
    model.patient_classes = pyo.Set(initialize=[i for i in classes if not model.patience_rate[i]])
    model.prefill_occupancy = pyo.Var(model.classes, domain=pyo.NonNegativeReals)
    model.mixed_decode_occupancy = pyo.Var(model.classes, domain=pyo.NonNegativeReals)
    model.solo_decode_occupancy = pyo.Var(model.classes, domain=pyo.NonNegativeReals)
    model.prefill_queue = pyo.Var(model.impatient_classes, domain=pyo.NonNegativeReals)
    model.decode_queue = pyo.Var(model.impatient_classes, domain=pyo.NonNegativeReals)
    return model


def _capacities(model: Any) -> None:
    model.prefill_capacity = pyo.Constraint(rule=constraints.prefill_capacity)
    model.mixed_decode_capacity = pyo.Constraint(rule=constraints.mixed_decode_capacity)
    model.solo_decode_capacity = pyo.Constraint(rule=constraints.solo_decode_capacity)


def _balances(model: Any) -> None:
    model.prefill_balance = pyo.Constraint(model.classes, rule=constraints.prefill_balance)
    model.decode_balance = pyo.Constraint(model.classes, rule=constraints.decode_balance)
