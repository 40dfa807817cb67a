"""The reported optimum is the same whatever vertex the solver returns (Algorithm 0, 10.1(d))."""

from typing import Any

import pytest

from gnr.models import steady_state
from gnr.models.solver import Outcome, optimize
from gnr.models.steady_state import solve
from gnr.reading import load

AT_THRESHOLD = [
    "gpu.batch_slots=2",
    "gpu.chunk_tokens=100",
    "gpu.iteration_time.base=0.5",
    "gpu.iteration_time.per_chunk_token=0.005",
    "gpu.iteration_time.decode_only=2.0",
]
"""tau = 1 s, kappa = 1/2 = (B-1)/B exactly: prefill costs no decode capacity."""


def other_vertex(monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    """Let the solver return another optimum than its own."""

    def moved(model: Any) -> Outcome:
        found = optimize(model)
        change(model, found.values)
        return found

    monkeypatch.setattr(steady_state, "optimize", moved)
    monkeypatch.setattr(steady_state, "optimize_scaled", moved)


def test_a_backlog_that_costs_nothing_is_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = load("two-class", AT_THRESHOLD)
    expected = solve(instance)

    def prefill_too_much(model: Any, values: Any) -> None:
        """Start more of class 0, which then waits to decode: as good at the threshold."""
        values[model.prefill_occupancy[0]] += 0.01

    other_vertex(monkeypatch, prefill_too_much)
    found = solve(instance)
    assert found.status == "optimal"
    assert all(each.decode_queue == 0 for each in found.classes)
    assert found.revenue_rate == pytest.approx(expected.revenue_rate, rel=1e-12)
    for one, other in zip(found.classes, expected.classes, strict=True):
        assert one.prefill == pytest.approx(other.prefill, abs=1e-12)


def test_separate_decodes_are_given_out_in_file_order(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = load("two-class-separate")
    expected = solve(instance)

    def decode_class_1_first(model: Any, values: Any) -> None:
        """The vertex of 11.3 with the whole backlog in class 0: v = (15.569, 6.6544)."""
        work = 16.636 - 1.06694042
        for i, solo in enumerate((work, 6.6544)):
            values[model.mixed_decode_occupancy[i]] = 0.0
            values[model.solo_decode_occupancy[i]] = solo / 1.5122124

    other_vertex(monkeypatch, decode_class_1_first)
    found = solve(instance)
    assert found.status == "optimal"
    for one, other in zip(found.classes, expected.classes, strict=True):
        assert one.decode_queue == pytest.approx(other.decode_queue, abs=1e-6)
        assert one.solo_decode == pytest.approx(other.solo_decode, abs=1e-6)
