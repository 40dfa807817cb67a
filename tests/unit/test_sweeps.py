"""Sweeps: interrupts, documents, arrays."""

import numpy as np
import pytest

import gnr
from gnr.reading import build
from gnr.sweep_result import Sweep
from gnr.varying import plain

INSTANCE = gnr.load("two-class")


def test_an_interrupt_keeps_the_points_that_are_done() -> None:
    data = plain(INSTANCE) | {"slis": [{"kind": "prefill_fairness", "at_most": 0.05}]}

    def interrupt(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    found = gnr.sweep(build(data, "x"), "gpu.batch_slots=8:11", progress=interrupt)
    assert not found.complete
    assert [value is None for value in found.revenue_rate] == [False, False, True, True]
    assert found.binding[2:] == ("missing", "missing")
    assert found.alone is None
    assert any("2 of 4 points: interrupted" in warning for warning in found.warnings)


def test_a_sweep_is_read_back_from_its_json() -> None:
    found = gnr.sweep(INSTANCE, ["gpu.batch_slots=2:4", "gpu.chunk_tokens=64,256"])
    assert Sweep.model_validate_json(found.to_json()) == found
    assert found.array("revenue_rate").shape == found.shape == (3, 2)
    arrays = found.to_dataset()
    at = arrays.sel({"gpu.batch_slots": 3, "gpu.chunk_tokens": 256})
    single = gnr.sweep(INSTANCE, "gpu.batch_slots=3,4")
    assert float(at.revenue_rate) == pytest.approx(single.revenue_rate[0], rel=1e-12)
    assert str(at.binding.values) == single.binding[0]


def test_points_that_cannot_be_served_have_no_numbers() -> None:
    """Patient requests above the capacity: the program is infeasible."""
    patient = plain(INSTANCE)
    for each in patient["classes"]:
        each["patience_rate"] = 0
    found = gnr.sweep(build(patient, "x"), "classes.decode-heavy.arrival_rate=0.1,9")
    assert found.binding[1] == "infeasible"
    assert found.method == ("re-solved", "re-solved")
    assert np.isnan(found.array("mixed_share")).tolist() == [False, True]
    assert found.price_segment is None


def test_below_the_threshold_the_sweep_says_what_does_not_hold() -> None:
    found = gnr.sweep(INSTANCE, "gpu.iteration_time.decode_only=0.02,0.05")
    assert found.method == ("closed form (D4)", "closed form (D12)")
    assert any("1 of 2 points kappa is below (B-1)/B" in warning for warning in found.warnings)


def test_the_best_point_is_the_best_after_penalties() -> None:
    """More arrivals never earn less, and more of them leave: the penalty counts those."""
    paid = {"kind": "abandonment_fraction", "penalty_weight": 1000.0}
    instance = build(plain(INSTANCE) | {"slis": [paid]}, "x")
    found = gnr.sweep(instance, "classes.decode-heavy.arrival_rate=0.4,0.45,2.0")
    worth = found.array("revenue_rate") - found.array("penalty")
    solved = []
    for rate in (0.4, 0.45, 2.0):
        data = plain(instance)
        data["classes"][0]["arrival_rate"] = rate
        solved.append(gnr.solve(build(data, "x")))
    assert worth == pytest.approx([each.revenue_rate - each.penalty for each in solved], rel=1e-9)
    assert np.argmax(found.array("revenue_rate")) == 2
    assert found.best is not None
    assert found.best.values == {"classes.decode-heavy.arrival_rate": 0.45}
    assert found.best.revenue_rate - found.best.penalty == worth.max()
    assert found.alone is not None
    assert found.alone.best is not None
    assert found.alone.best.values == {"classes.decode-heavy.arrival_rate": 2.0}
