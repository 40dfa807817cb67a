"""Figure 7: what each quantity is, on runs made up by hand, and what the claims make of them."""

from dataclasses import replace

import numpy as np
import pytest

from gnr.reproduction import Experiment, Lines
from gnr.validation.studies.reproduction.ablation import POLICIES
from gnr.validation.studies.reproduction.compared import median_of
from gnr.validation.studies.reproduction.effort import FULL, QUICK
from gnr.validation.studies.reproduction.figure7 import (
    Key,
    drawn,
    measured,
    optimum_of,
    parts,
    unsettled,
)
from gnr.validation.studies.reproduction.outline import judged
from gnr.validation.studies.reproduction.parts import ClusterRun

EFFORT = replace(QUICK, drawn=70)

AS_THE_PAPER_SAYS = {
    "gate-and-route": 99.8,
    "fcfs-immediate": 90.0,
    "gate-immediate": 97.0,
    "gate-prefill-first": 98.0,
    "fcfs-route": 80.0,
    "price-index-fill": 99.9,
}
"""Revenue, % of the optimum."""

SPREAD = dict.fromkeys(POLICIES, 0.5) | {"gate-and-route": 0.005}
"""Standard deviation of it, between runs and between instances."""


def made_up(earned: dict[str, float], spread: dict[str, float]) -> dict[Key, ClusterRun]:
    """Return runs that earn as told; runs of one cluster differ by little but on the base."""
    rng, found = np.random.default_rng(20250109), {}
    for key, part in parts(EFFORT).items():
        kind, policy, _ = key
        own = rng.normal(earned[policy], spread[policy], part.replications)
        if kind == "drawn":
            own[:] = own[0]
        revenue = own / 100 * optimum_of(part.instance)
        found[key] = ClusterRun(
            policy=policy,
            gpus=500,
            fidelity="per-gpu",
            revenue={"bundled": revenue.tolist(), "separate": [0.0] * part.replications},
            occupancy={},
            horizon_s=1.0,
            warnings=(),
        )
    return found


def experiment(runs: dict[Key, ClusterRun]) -> Experiment:
    return judged("figure7", measured(runs, EFFORT))


def swapped(one: str, other: str) -> dict[Key, ClusterRun]:
    runs = made_up(AS_THE_PAPER_SAYS, SPREAD)
    names = {one: other, other: one}
    return {
        (kind, policy, number): runs[kind, names.get(policy, policy), number]
        for kind, policy, number in runs
    }


def test_all_is_confirmed_where_runs_are_as_the_paper_says() -> None:
    found = experiment(made_up(AS_THE_PAPER_SAYS, SPREAD))
    assert {each.name: each.finding for each in found.claims} == {
        each.name: "confirmed" for each in found.claims
    }
    assert found.verdict == "not specified enough"
    assert not found.warnings


@pytest.mark.parametrize(
    ("one", "other", "fails"),
    [
        ("gate-and-route", "gate-prefill-first", ("only-gate-and-route", "gate-and-route-is")),
        ("gate-immediate", "fcfs-immediate", ("gate-alone-gains",)),
        ("fcfs-route", "fcfs-immediate", ("plan-alone-can-hurt",)),
    ],
)
def test_swapped_revenues_turn_the_verdicts(one: str, other: str, fails: tuple[str, ...]) -> None:
    """Planted faults: two policies each have the runs of the other."""
    for claim in experiment(swapped(one, other)).claims:
        wanted = "not confirmed" if claim.name.startswith(fails) else "confirmed"
        assert claim.finding == wanted, claim.name


def test_price_index_fill_has_no_part_in_the_verdicts() -> None:
    worst = AS_THE_PAPER_SAYS | {"price-index-fill": 10.0}
    same, found = experiment(made_up(AS_THE_PAPER_SAYS, SPREAD)), experiment(made_up(worst, SPREAD))
    assert found.claims == same.claims
    assert found.quantity("base_gap_pi_fill").value == pytest.approx(90, abs=1)


def test_quantities_are_what_they_are_called() -> None:
    """By hand from the runs: means on the base instance, medians and shares over the others."""
    earned = dict(zip(POLICIES, (97.0, 96.5, 98.0, 97.5, 95.0, 99.0), strict=True))
    spread = dict.fromkeys(POLICIES, 1.0)
    runs = made_up(earned, spread)
    found = experiment(runs)
    base = {key[1]: of(runs, key) for key in runs if key[0] == "base"}
    value = {each.name: each.value for each in found.quantities}
    assert value["base_gap_gg_sp"] == pytest.approx(100 - base["gate-and-route"].mean())
    gate = base["gate-immediate"].mean() - base["fcfs-immediate"].mean()
    assert value["base_gate"] == pytest.approx(gate)
    plan = base["fcfs-route"].mean() - base["fcfs-immediate"].mean()
    assert value["base_planning"] == pytest.approx(plan)
    lead = base["gate-and-route"].mean() - base["gate-immediate"].mean()
    assert value["base_lead"] == pytest.approx(lead)
    rest = list(POLICIES)[1:5]
    least = min(base[each].std(ddof=1) for each in rest)
    assert value["base_spread"] == pytest.approx(least / base["gate-and-route"].std(ddof=1))
    own = {
        policy: np.array([of(runs, ("drawn", policy, number))[0] for number in range(70)])
        for policy in POLICIES
    }
    gaps = 100 - own["gate-and-route"]
    assert value["drawn_gap_gg_sp"] == pytest.approx(np.median(gaps))
    gains = own["gate-immediate"] - own["fcfs-immediate"]
    assert value["drawn_gate"] == pytest.approx(np.median(gains))
    hurt = sum(own["fcfs-immediate"][k] - own["fcfs-route"][k] >= 1 for k in range(70))
    assert value["drawn_planning"] == pytest.approx(100 * hurt / 70)
    ahead = [own["gate-and-route"][k] - max(own[each][k] for each in rest) for k in range(70)]
    leads = [np.median(own["gate-and-route"] - own[each]) for each in rest]
    assert value["drawn_lead"] == pytest.approx(min(leads))
    share = sum(each > 0 for each in ahead) / 70
    assert value["drawn_ahead"] == pytest.approx(100 * share)
    closer = [
        sum(abs(np.diff(own["gate-and-route"][k : k + 2])) < abs(np.diff(own[each][k : k + 2]))
            for k in range(0, 70, 2))
        for each in rest
    ]  # fmt: skip
    assert value["drawn_spread"] == pytest.approx(100 * float(min(closer)[0]) / 35)


def of(runs: dict[Key, ClusterRun], key: Key) -> np.ndarray:
    """Return revenue by replication, % of the optimum."""
    return np.asarray(100 * runs[key].earned("bundled") / optimum_of(parts(EFFORT)[key].instance))


def test_a_start_that_is_not_forgotten_is_measured_and_told() -> None:
    """Planted: on drawn instances, runs from an empty cluster earn a fiftieth less."""
    runs = made_up(AS_THE_PAPER_SAYS, dict.fromkeys(POLICIES, 1e-6))
    for key, run in runs.items():
        if key[0] == "drawn":
            lower = [each * (0.98 if k % 2 else 1) for k, each in enumerate(run.earned("bundled"))]
            runs[key] = run.model_copy(update={"revenue": {"bundled": lower}})
    found = experiment(runs)
    assert found.quantity("base_starts").value == pytest.approx(0, abs=1e-5)
    assert found.quantity("drawn_starts").value == pytest.approx(
        -0.02 * np.mean(list(AS_THE_PAPER_SAYS.values()))
    )
    (told,) = found.warnings
    assert told.startswith("drawn instances: runs from an empty cluster less those from the plan")
    assert "The warm-up was too short" in told


@pytest.mark.parametrize("instances", [QUICK.drawn, FULL.drawn])
def test_chance_alone_warns_of_no_start(instances: int) -> None:
    """Runs that differ by one percent of the optimum whatever their start: 400 times over."""
    rng = np.random.default_rng(20250110)
    noise = rng.normal(0, 1, (400, instances, 4))
    halves = noise[..., 1::2].mean(axis=-1) - noise[..., ::2].mean(axis=-1)
    warned = [bool(unsettled(median_of("q", "", each, "%"))) for each in halves]
    assert sum(warned) <= 5, "0.8 on average, more than 5 with a chance below 0.001"
    shifted = [bool(unsettled(median_of("q", "", each + 2, "%"))) for each in halves]
    assert sum(shifted) >= 150, "and a start that is not forgotten is found"


def test_policies_meet_the_same_random_numbers() -> None:
    """Parts that differ in the policy alone have one instance, seed and number of runs."""
    for effort in (QUICK, FULL):
        met: dict[tuple[str, int], set[tuple[str, int, int]]] = {}
        for (kind, _, number), part in parts(effort).items():
            facts = (part.instance.sha256(), part.seed, part.replications)
            met.setdefault((kind, number), set()).add(facts)
        assert {len(each) for each in met.values()} == {1}
        assert len(set().union(*met.values())) == effort.base_batches + effort.drawn


def test_instances_follow_the_seed_of_the_effort() -> None:
    assert drawn(EFFORT)[0].name == f"paper-{EFFORT.seed}-0"
    assert drawn(replace(EFFORT, seed=1))[0].name == "paper-1-0"


def test_instances_are_drawn_in_the_order_of_gate_and_route() -> None:
    (panel,) = (each for each in experiment(made_up(AS_THE_PAPER_SAYS, SPREAD)).panels
                if isinstance(each, Lines))  # fmt: skip
    (own, *_) = panel.series
    assert own.label == "GG-SP"
    assert list(own.y) == sorted(own.y)
