"""A program that is kept with its solver answers as a fresh one does, along any path."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnr.instance import Instance, Sli
from gnr.models import warm_program
from gnr.models.steady_state import solve
from gnr.models.warm_program import WarmProgram
from gnr.reading import build, load
from random_instances import REGIMES, random_data

PROMISES = {
    "none": (),
    "speed": (Sli(kind="mean_tpot", at_most=1.0),),
    "two": (Sli(kind="prefill_fairness", at_most=1.0), Sli(kind="token_tpot", at_most=1.0)),
}


def path_of(seed: int, regime: str, scheme: str, promises: str, steps: int) -> list[Instance]:
    """Return a walk through instances: every number moves, a promise binds now and then."""
    rng = np.random.default_rng(seed)
    data = random_data(rng, regime=regime, scheme=scheme, classes=int(rng.integers(1, 6)))
    found = []
    for _ in range(steps):
        gpu = data["gpu"]
        gpu["batch_slots"] = int(rng.integers(2, 40))
        for key in gpu["iteration_time"]:
            gpu["iteration_time"][key] *= float(rng.uniform(0.8, 1.25))
        for each in data["classes"]:
            each["arrival_rate"] *= float(rng.uniform(0.7, 1.4))
        data["prices"]["output_token"] *= float(rng.uniform(0.7, 1.4))
        instance = build(data, "random")
        slis = tuple(
            each.model_copy(update={"at_most": _bound(instance, each.kind, rng)})
            for each in PROMISES[promises]
        )
        found.append(instance.model_copy(update={"slis": slis}))
    return found


def _bound(instance: Instance, kind: str, rng: Any) -> float:
    time = instance.gpu.iteration_time
    if kind == "prefill_fairness":
        return float(rng.uniform(0.0, 0.3))
    return float(time.decode_only * rng.uniform(1.0, 1.3))


def fresh_value(instance: Instance) -> float:
    found = solve(instance).revenue_rate
    return -np.inf if found is None else found


walks = st.builds(
    path_of,
    st.integers(0, 2**32),
    st.sampled_from(REGIMES),
    st.sampled_from(["bundled", "separate"]),
    st.sampled_from(list(PROMISES)),
    st.just(6),
)


def values_along(path: list[Instance]) -> list[float]:
    kept = WarmProgram()
    found = [kept.optimum(instance).revenue_rate for instance in path]
    return [-np.inf if np.isnan(each) else each for each in found]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(walks)
def test_kept_program_finds_what_a_fresh_one_finds(path: list[Instance]) -> None:
    expected = [fresh_value(instance) for instance in path]
    assert values_along(path) == pytest.approx(expected, rel=1e-8)


@pytest.mark.long
@settings(max_examples=50, deadline=None, derandomize=True)
@given(walks)
def test_kept_program_finds_what_a_fresh_one_finds_on_many_paths(path: list[Instance]) -> None:
    expected = [fresh_value(instance) for instance in path]
    assert values_along(path) == pytest.approx(expected, rel=1e-8)


def test_an_answer_for_old_numbers_is_noticed_and_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = path_of(5, "above", "bundled", "none", 5)
    found_again = []

    def fresh(instance: Instance) -> Any:
        found_again.append(instance)
        return solved(instance)

    solved = warm_program._fresh
    monkeypatch.setattr(warm_program, "_fresh", fresh)
    monkeypatch.setattr(warm_program, "_set", lambda *_: None)  # the planted fault
    assert values_along(path) == pytest.approx([fresh_value(each) for each in path], rel=1e-8)
    assert len(found_again) == len(path) - 1


def test_other_classes_promises_or_patience_build_the_program_anew() -> None:
    kept, path = WarmProgram(), path_of(7, "above", "bundled", "none", 1)
    others = [
        *path,
        *path_of(8, "above", "separate", "two", 1),
        *path_of(9, "above", "bundled", "speed", 1),
    ]
    for instance in others:
        found = kept.optimum(instance).revenue_rate
        assert (-np.inf if np.isnan(found) else found) == pytest.approx(fresh_value(instance))


def test_a_promise_that_moves_to_another_class_is_not_kept_for_the_old_one() -> None:
    kept, base = WarmProgram(), load("two-class")
    promise = {"kind": "mean_ttft", "at_most": 0.45}
    values = []
    for owner in ("prefill-heavy", "decode-heavy", "prefill-heavy"):
        instance = base.model_copy(update={"slis": (Sli(**promise, **{"class": owner}),)})
        values.append(kept.optimum(instance).revenue_rate)
        assert values[-1] == pytest.approx(fresh_value(instance), rel=1e-9)
    assert values[0] != pytest.approx(values[1], rel=1e-6)
