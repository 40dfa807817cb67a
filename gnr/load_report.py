"""What a valid instance amounts to before it is solved: its rates and its load."""

import time

import numpy as np
from pydantic import BaseModel, ConfigDict

from gnr.checks import warnings_for
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.provenance import Provenance, record
from gnr.rates import rates_of


class LoadReport(BaseModel):
    """What `gnr check` tells of a valid file."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    valid: bool
    """True: a file with a fault ends in an error instead."""
    classes: int
    """Number of request classes."""
    mixed_iteration_time: float
    """tau, s."""
    speed_ratio: float
    """kappa = gamma tau, solo over mixed decode speed."""
    prefill_load: float
    """Sum of lambda_i/mu_p,i: GPUs that would have to prefill to serve everybody, per GPU."""
    decode_load: float
    """Decode row of the knapsack (D4) with everybody served: sum of (C phi + kappa B - (B-1))
    lambda/mu_p over kappa B; above 1 not everybody can be served."""
    warnings: tuple[str, ...]
    """What is accepted but should be known."""
    provenance: Provenance
    """Where this result comes from."""


def report_load(instance: Instance) -> LoadReport:
    """Return the load of an instance, all of it served."""
    started, rates = time.perf_counter(), rates_of(instance)
    needed = rates.decode_work + rates.mixing_cost
    return LoadReport(
        instance=instance.name,
        valid=True,
        classes=rates.classes,
        mixed_iteration_time=rates.mixed_time,
        speed_ratio=rates.speed_ratio,
        prefill_load=float(rates.full_prefill.sum()),
        decode_load=float(
            np.sum(needed * rates.full_prefill) / (rates.speed_ratio * rates.batch_slots)
        ),
        warnings=(*warnings_for(instance), *_promises(instance)),
        provenance=record(instance.sha256(), started, {}),
    )


def _promises(instance: Instance) -> list[str]:
    return [
        f"slis[{i}]: {sli.label!r} is a promise; solve does not optimise under promises yet"
        for i, sli in enumerate(instance.slis)
    ]
