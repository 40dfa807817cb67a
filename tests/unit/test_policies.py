"""Policies: complete by name, made of a gate, a layout and a router, each able to run."""

import importlib
import pkgutil
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from per_gpu_clusters import promising
from per_gpu_rooms import plan_by_hand

import gnr
from gnr.errors import InputError
from gnr.instance import Sli
from gnr.rates import rates_of
from gnr.validation import policies
from gnr.validation.per_gpu.layout import RECORD_COLUMNS
from gnr.validation.policies import DEFAULT_POLICY, POLICIES, POOLED, find_policy
from gnr.validation.policies.gates import (
    HEADROOM,
    GateIndex,
    capped_price_index_gate,
    limited_occupancy_gate,
    limited_price_index_gate,
    occupancy_gate,
    price_index_gate,
    priority_gate,
)
from gnr.validation.policies.layouts import (
    partition,
    separate_groups,
    thinned_partition,
    whole_cluster,
)
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import Place
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.simulation import prepare

BOTH = ("gate-and-route", "prioritize-and-route", "sli-aware", "sli-aware-general", "fcfs-route")
PER_GPU_ONLY = (
    "fcfs-immediate", "gate-immediate", "gate-prefill-first", "price-index-in-place",
    "price-index-fill", "price-index-capped", "price-index-token-mean", "disaggregated",
    "gate-and-route-backpressure",
)  # fmt: skip
"""DESIGN section 2."""

GATES = {
    None, occupancy_gate, limited_occupancy_gate, priority_gate, price_index_gate,
    capped_price_index_gate, limited_price_index_gate,
}  # fmt: skip
LAYOUTS = {partition, whole_cluster, separate_groups, thinned_partition}


# Completeness: what a new policy has to pass.


@cache
def defined() -> dict[str, Policy]:
    """Return the policy of every module that defines one, by module."""
    modules = [each.name for each in pkgutil.iter_modules(policies.__path__)]
    found = {name: importlib.import_module(f"{policies.__name__}.{name}") for name in modules}
    return {name: vars(each)["POLICY"] for name, each in found.items() if hasattr(each, "POLICY")}


def test_every_policy_that_is_defined_is_listed_and_the_other_way_round() -> None:
    """A file that is forgotten in `POLICIES` cannot be simulated."""
    by_module = {policy.name: policy for policy in defined().values()}
    assert set(by_module) == set(POLICIES)
    assert all(POLICIES[name] is policy for name, policy in by_module.items())


def test_a_policy_is_named_as_its_file() -> None:
    """The name is the key in tables and results, the file is where it is looked for."""
    for module, policy in defined().items():
        assert policy.name == module.replace("_", "-")
        assert POLICIES[policy.name] is policy


def test_the_names_of_the_contract_are_all_there() -> None:
    """Other programs rely on these names, and on which of them are also pooled."""
    assert tuple(name for name in POLICIES if name in BOTH + PER_GPU_ONLY) == BOTH + PER_GPU_ONLY
    assert set(POOLED) >= set(BOTH)
    assert not set(POOLED) & set(PER_GPU_ONLY)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_says_where_it_is_defined_and_what_it_follows(name: str) -> None:
    policy = POLICIES[name]
    assert policy.source
    assert policy.objectives
    assert set(policy.objectives) <= {"bundled", "separate"}
    assert 1 <= len(policy.router.buffers) <= 2
    assert all(places and Place(0) not in places for places in policy.router.buffers)


def test_every_gate_and_layout_is_used() -> None:
    """A part that no policy is made of is dead, or was mistyped."""
    assert {policy.gate for policy in POLICIES.values()} >= GATES
    assert {policy.layout for policy in POLICIES.values()} >= LAYOUTS


@pytest.mark.parametrize("scheme", DEFAULT_POLICY)
def test_the_papers_policy_can_follow_the_plan_of_its_scheme(scheme: str) -> None:
    assert scheme in find_policy(DEFAULT_POLICY[scheme]).objectives


@pytest.mark.parametrize(
    ("name", "fidelity"),
    [(name, "per-gpu") for name in POLICIES] + [(name, "pooled") for name in POOLED],
)
def test_a_policy_runs_on_a_tiny_cluster(name: str, fidelity: str) -> None:
    """20 s on four GPUs: requests finish, the occupancies respect the slots, revenue is earned."""
    setting = Setting(replications=4, warmup=5.0, horizon=20.0, fidelity=fidelity)
    study = prepare(promising(gnr.load("two-class"), name), name, None, setting)
    found = study.run(study.plan(4))
    assert (found.policy, found.fidelity) == (name, fidelity)
    assert found.revenue_rate.mean > 0
    assert sum(each.throughput.mean for each in found.classes) > 0
    assert sum(each.prefill.mean for each in found.classes) <= 1
    decodes = sum(each.mixed_decode.mean + each.solo_decode.mean for each in found.classes)
    assert 0 < decodes <= 16
    assert (found.latency is None) == (fidelity == "pooled")


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_is_an_input_error_where_it_cannot_be_pooled(name: str) -> None:
    """Not a chain that silently leaves out what the policy looks at."""
    setting = Setting(fidelity="pooled")
    if name in POOLED:
        assert setting.fidelity_for(POLICIES[name], 10) == "pooled"
    else:
        with pytest.raises(InputError, match=f"the pooled chain cannot follow {name}"):
            setting.fidelity_for(POLICIES[name], 10)


@pytest.mark.parametrize("name", POOLED)
def test_a_pooled_policy_is_made_of_what_counts_can_say(name: str) -> None:
    """The chain reads no limit, no GPU and no turn: it would leave them out without a word."""
    policy = POOLED[name]
    assert policy.layout is partition
    assert not policy.prefill_first
    gate = policy.gate(plan_by_hand(4, 2, (1.0, 1.0))) if policy.gate else None
    assert gate is None or (gate.limit is None and gate.prefill_cap == np.inf)
    assert not policy.decodes_first
    places = [place for buffer in policy.router.buffers for place in buffer]
    assert set(places) <= {Place.MIXED_GROUP, Place.SOLO_GROUP}


# What a plan must be.


def refusal(policy: str, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        POLICIES[policy].check(plan_by_hand(2, 1, **changes))
    return str(caught.value)


@pytest.mark.parametrize("name", POLICIES)
def test_a_plan_of_the_own_program_is_accepted(name: str) -> None:
    policy = POLICIES[name]
    for objective in policy.objectives:
        needed = {"disaggregated": policy.disaggregated, "prefill_cap": 1.0}
        policy.check(plan_by_hand(2, 1, objective=objective, **needed))


@pytest.mark.parametrize("name", POLICIES)
def test_a_plan_of_another_program_is_refused_with_the_remedy(name: str) -> None:
    """A plan made for separate prices earns something else under bundled ones."""
    policy = POLICIES[name]
    for objective in {"bundled", "separate"} - set(policy.objectives):
        told = refusal(name, objective=objective, disaggregated=policy.disaggregated)
        wanted = " or ".join(policy.objectives)
        assert f"{name} follows a plan of the {wanted} program, this one is {objective}" in told
        assert f"solve the instance with prices.scheme = {policy.objectives[0]!r}" in told


def test_sli_aware_needs_an_empty_decode_buffer_and_says_how_to_get_it() -> None:
    told = refusal("sli-aware", empty_decode_buffer=False)
    assert "this one keeps requests in it" in told
    assert "solve with --empty-decode-buffer, or take sli-aware-general" in told


def test_disaggregated_needs_a_plan_without_mixed_decodes_and_says_how_to_get_it() -> None:
    told = refusal("disaggregated")
    assert "without decodes on prefilling GPUs" in told
    assert "solve with --disaggregated" in told


def test_the_capped_ranking_needs_a_cap_and_says_what_to_promise() -> None:
    told = refusal("price-index-capped")
    assert "follows a plan with a cap on prefills, this one has none" in told
    assert "promise a mean_tpot" in told
    assert "or take price-index-fill" in told


def test_the_plan_of_the_wrong_classes_is_refused() -> None:
    instance = gnr.load("two-class")
    study = prepare(instance, "gate-and-route", None, Setting())
    with pytest.raises(InputError, match="other classes than those of two-class"):
        study.run(plan_by_hand(2, 1, (1.0, 1.0)))


# Gates.


def order(gate: GateIndex, prefill: list[float]) -> list[int]:
    """Return the classes that may be let in at these X_i, the next one first."""
    index = gate.slope * np.array(prefill) + gate.offset
    closed = np.zeros(len(prefill), bool) if gate.limit is None else prefill >= gate.limit
    return [int(i) for i in np.argsort(index, kind="stable") if index[i] < np.inf and not closed[i]]


def test_price_index_gate_ranks_first_and_ties_marginal_classes_by_occupancy() -> None:
    """Ranks 2, 1, last, shut out, last: however full the ranked ones are, they go first."""
    targets, ranks = (4.0, 3.0, 2.0, 0.0, 8.0), (2, 1, 3, None, 3)
    gate = price_index_gate(plan_by_hand(9, 9, targets, ranks))
    assert order(gate, [0, 0, 0, 0, 0]) == [1, 0, 2, 4]
    assert order(gate, [40, 40, 1, 0, 3]) == [1, 0, 4, 2], "3/8 before 1/2"
    assert order(gate, [40, 40, 1, 0, 5]) == [1, 0, 2, 4], "1/2 before 5/8"
    index = gate.slope * 1.0 + gate.offset
    assert index[3] == np.inf, "a class that is shut out is never let in"
    tied = gate.slope * np.array([0, 0, 1, 0, 4]) + gate.offset
    assert tied[2] == tied[4]
    assert gate.limit is None


@pytest.mark.parametrize("ranks", [(2, 1), (1, 1), (1, 2)])
def test_price_index_gate_with_one_marginal_class_or_none(ranks: tuple[int, int]) -> None:
    """The last rank alone is ordered the same with the tie rule and without."""
    gate = price_index_gate(plan_by_hand(9, 9, (2.0, 4.0), ranks))
    for prefill in ([0.0, 0.0], [1.0, 9.0], [9.0, 1.0], [2.0, 2.0]):
        by_rank = sorted((0, 1), key=lambda i: (ranks[i], prefill[i] / (2.0, 4.0)[i]))
        assert order(gate, prefill) == by_rank


def test_limited_gate_orders_as_the_gate_and_closes_at_the_target() -> None:
    """X_i < n x_i opens it (10.1(f)): at the target it is closed, half a request below open."""
    plan = plan_by_hand(9, 9, (2.0, 0.5, 0.0), (1, 1, None))
    free, limited = occupancy_gate(plan), limited_occupancy_gate(plan)
    assert free.limit is None
    assert np.array_equal(free.slope, limited.slope)
    assert np.array_equal(free.offset, limited.offset)
    assert order(limited, [0, 0, 0]) == [0, 1]
    assert order(limited, [1, 0, 0]) == [1, 0]
    assert order(limited, [2, 0, 0]) == [1]
    assert order(limited, [1, 1, 0]) == [0]
    assert order(limited, [2, 1, 0]) == []
    assert order(free, [2, 1, 0]) == [0, 1], "the gate without limit conserves work"


def test_limited_ranking_orders_as_the_ranking_and_closes_at_the_limit() -> None:
    """Ranks 1, 2, 2; the last two may have 3 prefills each: where one has, the other goes on."""
    plan = plan_by_hand(9, 9, (2.0, 4.0, 2.0), (1, 2, 2))
    limits = (None, 3, 3)
    classes = [
        each.model_copy(update={"prefill_limit": limit})
        for each, limit in zip(plan.classes, limits, strict=True)
    ]
    free = limited_price_index_gate(plan)
    closed = limited_price_index_gate(plan.model_copy(update={"classes": tuple(classes)}))
    assert order(free, [9, 1, 1]) == order(price_index_gate(plan), [9, 1, 1]) == [0, 1, 2]
    assert order(free, [9, 8, 3]) == [0, 2, 1]
    assert order(closed, [9, 2, 2]) == [0, 1, 2]
    assert order(closed, [9, 3, 2]) == [0, 2]
    assert order(closed, [9, 3, 3]) == [0]


def test_capped_gate_turns_the_order_of_marginal_classes_where_slots_are_few() -> None:
    """Ranks 2, 1, then three marginal classes with D/P of 1, 9 and 4, and one that is shut out."""
    targets, ranks = (4.0, 3.0, 2.0, 2.0, 2.0, 0.0), (2, 1, 3, 3, 3, None)
    indices = (5.0, 5.0, 1.0, 9.0, 4.0, 5.0)
    plan = plan_by_hand(9, 9, targets, ranks, indices=indices, prefill_cap=6.5)
    gate = capped_price_index_gate(plan)
    assert order(gate, [0, 0, 7, 3, 1, 0]) == [1, 0, 3, 4, 2]
    assert gate.crowded_offset is not None
    few = replace(gate, offset=gate.crowded_offset)
    assert order(few, [0, 0, 1, 3, 7, 0]) == [1, 0, 2, 4, 3]
    assert gate.prefill_cap == pytest.approx(6.5 * (1 - HEADROOM))


# Layouts.


def test_layouts_of_five_gpus_two_of_them_mixed() -> None:
    """Slots for decodes on GPUs that prefill and on the others, B = 16, and who holds one more."""
    plan = plan_by_hand(5, 2)
    found = [tuple(vars(make(plan, 16)).values()) for make in (
        partition, whole_cluster, separate_groups,
    )]  # fmt: skip
    assert found == [(2, 15, 16, 0), (5, 16, 16, 0), (2, 0, 16, 0)]


@pytest.mark.parametrize(
    ("planned", "expected"),
    [(0.4, (0, 0)), (6.6, (3, 1)), (8.0, (4, 0)), (29.6, (15, 0)), (40.0, (15, 0))],
)
def test_the_planned_decodes_are_spread_over_two_mixed_gpus(
    planned: float, expected: tuple[int, int]
) -> None:
    """Rounded, evenly, at most B - 1 = 15 beside a prefill."""
    layout = thinned_partition(plan_by_hand(5, 2, mixed_decodes=planned), 16)
    assert (layout.mixed_group_slots, layout.roomier_gpus) == expected
    assert (layout.prefill_gpus, layout.solo_group_slots) == (2, 16)


def test_a_plan_without_mixed_gpus_has_no_decodes_to_spread() -> None:
    layout = thinned_partition(plan_by_hand(5, 0), 16)
    assert tuple(vars(layout).values()) == (0, 0, 16, 0)


def test_the_plan_has_the_cap_of_the_tightest_promise() -> None:
    """(P47) solved for X: the mean at the cap is what is promised; cap 1 where it never binds."""
    instance = gnr.load("two-class")
    rates = rates_of(instance)
    slots, solo, mixed = rates.batch_slots, rates.solo_time, rates.mixed_time

    def cap(*bounds: float) -> float | None:
        slis = tuple(Sli(kind="mean_tpot", at_most=bound, name=f"{bound}") for bound in bounds)
        return gnr.solve(instance.model_copy(update={"slis": slis})).plan(10).prefill_cap

    assert cap() is None
    assert cap(2 * mixed) == 10
    tight = solo + 0.1 * (mixed - solo)
    share = float(cap(2 * mixed, tight, mixed) or 0.0) / 10
    mean = (mixed * (slots - 1) * share + solo * slots * (1 - share)) / (slots - share)
    assert mean == pytest.approx(tight, rel=1e-12)


def test_where_prefills_slow_nothing_down_a_promise_caps_nothing() -> None:
    """kappa = 1/2: more prefills make the mean shorter."""
    slow = gnr.load("two-class", ["gpu.iteration_time.decode_only=0.08"])
    assert rates_of(slow).mixed_time < 0.08 / 2
    promised = Sli(kind="mean_tpot", at_most=0.079)
    solution = gnr.solve(slow.model_copy(update={"slis": (promised,)}))
    assert solution.plan(10).prefill_cap is None


# Fidelities.


@pytest.mark.parametrize(
    ("setting", "policy", "gpus", "expected"),
    [
        ({}, "gate-and-route", 20_000, "per-gpu"),
        ({}, "gate-and-route", 20_001, "pooled"),
        ({}, "price-index-fill", 20_001, "per-gpu"),
        ({"lengths": "deterministic"}, "gate-and-route", 20_001, "per-gpu"),
        ({"engine": "numpy"}, "gate-and-route", 5, "pooled"),
        ({"fidelity": "pooled"}, "gate-and-route", 5, "pooled"),
        ({"fidelity": "per-gpu"}, "gate-and-route", 10**6, "per-gpu"),
    ],
)
def test_fidelity_is_as_asked_else_as_size_policy_lengths_and_engine_say(
    setting: dict[str, Any], policy: str, gpus: int, expected: str
) -> None:
    """DESIGN section 2: per GPU up to 20,000 GPUs."""
    assert Setting(**setting).fidelity_for(POLICIES[policy], gpus) == expected


@pytest.mark.parametrize(
    "setting", [{"policy": "fcfs-immediate"}, {"policy": None, "lengths": "deterministic"}]
)
def test_an_engine_that_cannot_simulate_gpu_by_gpu_is_not_replaced(setting: dict[str, Any]) -> None:
    """What --fidelity per-gpu refuses must be refused where the policy or the lengths imply it."""
    with pytest.raises(InputError, match="numpy"):
        gnr.simulate(
            gnr.load("two-class"), gpus=4, engine="numpy", replications=4, warmup=1.0, horizon=5.0,
            **setting,
        )  # fmt: skip


def test_a_record_has_as_many_columns_as_are_written() -> None:
    """`Ended` of the tests by hand and `_batch` read them by place."""
    from per_gpu_rooms import Ended

    assert len(Ended.__dataclass_fields__) == RECORD_COLUMNS
