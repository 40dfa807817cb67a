"""Plans under promises are attained (Theorem 5.1, Proposition 13.5), and what is measured is it."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from statistical.attainment import DECODE, PREFILL, farthest

import gnr
from gnr.instance import Instance, Sli
from gnr.rates import rates_of
from gnr.result import Solution
from gnr.simulation import Simulation
from gnr.validation.policies import POLICIES
from gnr.validation.studies.optima import planning_optimum

NEAR = {2000: 0.01, 20_000: 0.005}
"""Largest distance from the plan by GPUs, a share of the total planned occupancy (Validate I)."""

RUNS: dict[int, dict[str, Any]] = {
    2000: {"replications": 16, "horizon": 300.0},
    20_000: {"replications": 8, "horizon": 100.0},
}


@dataclass(frozen=True)
class Case:
    """A shipped instance with one promise that binds.

    Attributes
    ----------
    sli
        The promise.
    policy
        Which policy attains the plan.
    instance
        Name of the instance.
    arrivals
        Arrival rates in the place of its own, by number of the class.
    """

    sli: dict[str, Any]
    policy: str = "sli-aware"
    instance: str = "two-class"
    arrivals: dict[int, float] = field(default_factory=dict)

    def instance_with(self, *slis: Sli) -> Instance:
        """Return the instance with these promises."""
        loaded = gnr.load(self.instance)
        classes = tuple(
            each.model_copy(update={"arrival_rate": self.arrivals.get(i, each.arrival_rate)})
            for i, each in enumerate(loaded.classes)
        )
        return loaded.model_copy(update={"classes": classes, "slis": slis})

    @property
    def promised(self) -> Instance:
        """The instance with its promise."""
        return self.instance_with(Sli.model_validate(self.sli))

    def plan(self, instance: Instance) -> Solution:
        """Return the optimum that the policy plans by."""
        return planning_optimum(instance, POLICIES[self.policy])


SPLIT_KEPT = {
    "prefill fairness": Case({"kind": "prefill_fairness", "at_most": 0.15}),
    "decode fairness": Case({"kind": "decode_fairness", "at_most": 2.0}, arrivals={1: 2.0}),
    "mean TPOT": Case({"kind": "mean_tpot", "at_most": 0.0238}),
}
"""Without their promise these plans have 0.177 instead of 0.15, 7.1 instead of 2 and 24.3 ms
instead of 23.8. Decode fairness has a heavier load: on the shipped instance the fluid queue of the
prefill-heavy class is empty, so the other class takes what its noise leaves free, and finds idle
solo slots; the distance then shrinks as 1 / sqrt(n), from 4.2 % at 2,000 GPUs to 1.3 % at 20,000.
With a bound on the mean TPOT over tokens it is 1.7 % at 2,000 for the same reason."""

BACKLOG = Case(
    {"kind": "throughput", "at_least": 0.47, "class": "prefill-heavy"},
    policy="sli-aware-general",
    instance="two-class-separate",
)
"""Under separate pricing only the total backlog is settled, and the optimum that is reported keeps
it in one class; this promise leaves some of it in each."""


@cache
def run(name: str, gpus: int) -> Simulation:
    case = BACKLOG if name == "backlog" else SPLIT_KEPT[name]
    return gnr.simulate(
        case.promised, policy=case.policy, gpus=gpus, seed=6, fidelity="pooled", **RUNS[gpus]
    )


@pytest.mark.long
@pytest.mark.parametrize("gpus", NEAR)
@pytest.mark.parametrize("name", SPLIT_KEPT)
def test_sli_aware_attains_the_plan_under_a_promise_that_binds(name: str, gpus: int) -> None:
    case = SPLIT_KEPT[name]
    plan, found = case.plan(case.promised), run(name, gpus)
    (planned,), (measured,) = plan.promises, found.promises
    assert planned.price > 0
    assert planned.planned == pytest.approx(planned.bound)
    assert farthest(found, plan.classes, PREFILL) < NEAR[gpus]
    assert farthest(found, plan.classes, DECODE) < NEAR[gpus]
    assert measured.measured is not None
    assert (measured.promised, measured.planned) == (planned.bound, pytest.approx(planned.planned))


@pytest.mark.long
@pytest.mark.parametrize("name", SPLIT_KEPT)
def test_a_plan_that_forgot_the_promise_is_found(name: str) -> None:
    """Planted fault: the policy follows the optimum without the promise."""
    case = SPLIT_KEPT[name]
    forgetful = case.plan(case.instance_with()).plan(2000)
    found = gnr.simulate(
        case.promised, forgetful, policy=case.policy, seed=6, fidelity="pooled", **RUNS[2000]
    )
    targets = case.plan(case.promised).classes
    assert max(farthest(found, targets, each) for each in (PREFILL, DECODE)) > NEAR[2000]
    assert found.promises[0].kept == "no"


@pytest.mark.long
@pytest.mark.parametrize("gpus", NEAR)
def test_sli_aware_general_attains_a_plan_with_a_backlog_in_every_class(gpus: int) -> None:
    """Both decode pools bind and q_d > 0 for every class (Proposition 13.5)."""
    plan, found = BACKLOG.plan(BACKLOG.promised), run("backlog", gpus)
    rates, total = rates_of(BACKLOG.promised), plan.totals
    assert total is not None
    assert min(each.decode_queue for each in plan.classes) > 0.1
    assert total.mixed_decode == pytest.approx((rates.batch_slots - 1) * total.prefill)
    assert total.solo_decode == pytest.approx(rates.batch_slots * (1 - total.prefill))
    assert farthest(found, plan.classes, PREFILL) < NEAR[gpus]
    assert farthest(found, plan.classes, DECODE) < NEAR[gpus]
    assert farthest(found, plan.classes, ("decode_queue",), of=DECODE) < NEAR[gpus]


@pytest.mark.long
def test_a_router_that_serves_the_backlog_in_order_of_arrival_is_found() -> None:
    """Planted fault: the same plan and gate, one buffer for both groups."""
    targets = BACKLOG.plan(BACKLOG.promised).classes
    found = gnr.simulate(
        BACKLOG.promised, policy="prioritize-and-route", gpus=2000, seed=6, fidelity="pooled",
        **RUNS[2000],
    )  # fmt: skip
    assert farthest(found, targets, DECODE) > 10 * NEAR[2000]


@pytest.mark.long
def test_means_of_the_served_are_below_those_that_count_who_left() -> None:
    """The waits of requests that leave are in the promised mean; per GPU both are measured."""
    kinds = ("mean_wait", "mean_ttft", "mean_end_to_end")
    slis = [Sli.model_validate({"kind": each, "at_most": 60.0}) for each in kinds]
    instance = Case({}, arrivals={1: 2.0}).instance_with(*slis)
    found = gnr.simulate(
        instance, policy="gate-and-route", gpus=50, seed=2, replications=16, horizon=400.0,
        fidelity="per-gpu",
    )  # fmt: skip
    for each in found.promises:
        assert each.measured is not None
        assert each.served_only is not None
        assert each.served_only.mean + each.served_only.half_width < each.measured.mean
