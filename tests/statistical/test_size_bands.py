"""Ranges of n rest on this: n changes with the inputs as square-root staffing does.

For single changes of the inputs, as large as ranges reach, the size is sought by simulation before
and after. The model must tell the size after from the one before within `TOLERANCE`, two thirds of
which is the step from one GPU to the next; a model that says n does not change is found out.
"""

from dataclasses import replace

import numpy as np
import pytest

import gnr
from gnr.demand import Demand
from gnr.errors import NoOptimumError
from gnr.instance import Instance
from gnr.latency_promise import read_promises
from gnr.models.fewest_gpus import fewest_gpus
from gnr.size_band import UncertainInput
from gnr.validation.policies import find_policy
from gnr.validation.studies.drawn_inputs import drawn, instance_of
from gnr.validation.studies.first_guess import first_guess
from gnr.validation.studies.size_response import response_of
from gnr.validation.studies.size_search import Vector, smallest
from gnr.validation.studies.trials import Size, Task, glance

TOLERANCE = 0.03
"""Relative."""

INSTANCE = gnr.load("azure-2023-conversation")
DEMAND = Demand(
    source="50 times the log",
    rates={"short-prompt": 111.65, "long-answer": 99.645, "long-prompt": 65.205},
)
PROMISES = ("p99_ttft=1000ms", "p99_tpot=30ms", "abandonment_fraction=1%")

CHANGES = {
    "demand": (0.8, 1.2),
    "mixed_time": (1.1,),
    "decode_only": (1.15,),
    "output_tokens": (1.2,),
    "prompt_tokens": (0.8,),
}
"""Factors by quantity."""


def task_of(policy: str, demanded: Instance) -> Task:
    percentiles, promises = read_promises(PROMISES, INSTANCE)
    if policy == "price-index-fill":  # some of its decodes are beside prefills: 30 ms is too much
        percentiles = percentiles[:1]
    return Task(demanded, find_policy(policy), percentiles, promises)


def simulated(task: Task) -> Size:
    """Return the smallest size that seems to keep the promises, from few replications."""

    def keeps(vector: Vector) -> bool:
        try:
            return glance(task, Size.of_parts(vector)).seems_to_keep
        except NoOptimumError:
            return False

    disaggregated = task.policy.disaggregated
    fluid = fewest_gpus(task.demanded, task.promises, disaggregated=disaggregated)
    assert fluid is not None
    least = (1, 1) if task.partitioned else (int(np.ceil(fluid.gpus)),)
    found = smallest(keeps, first_guess(task, fluid), least)
    assert found is not None
    return Size.of_parts(found)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["gate-and-route", "price-index-fill"])
def test_n_changes_with_the_inputs_as_staffing_does(policy: str) -> None:
    before = task_of(policy, DEMAND.instance_for(INSTANCE, 1).model_copy(update={"slis": ()}))
    found = simulated(before)
    sizes = []
    for quantity, factors in CHANGES.items():
        wide = UncertainInput.model_validate({"quantity": quantity, "share": 0.3, "source": "here"})
        response = response_of(before, found, [wide], seed=1)
        for factor in factors:
            parameters = drawn(before.demanded, [wide], np.array([[factor]]))
            after = replace(before, demanded=instance_of(before.demanded, parameters, 0))
            sizes.append((response.sizes(np.array([[factor]]))[0], simulated(after).gpus))
    expected, actual = np.array(sizes).T
    assert np.all(np.abs(expected / actual - 1) < TOLERANCE), sizes
    assert np.any(np.abs(found.gpus / actual - 1) > 3 * TOLERANCE)  # as if nothing changed n
