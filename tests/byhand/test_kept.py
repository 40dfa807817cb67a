"""Promises in runs, measured and judged on paper."""

import numpy as np
import pytest

import gnr
from gnr.arrays import Floats
from gnr.instance import Sli
from gnr.models.point import Point
from gnr.rates import rates_of
from gnr.simulation import MeasuredPromise
from gnr.validation.measures import Measures
from gnr.validation.studies.kept import measured_promises, verdict

RUNS = np.array([1.0, 2.0, 3.0])
"""Mean 2, s = 1, t_2(0.975) = 4.302653: half-width 4.302653 / sqrt 3 = 2.484138."""


@pytest.mark.parametrize(
    ("direction", "bound", "kept"),
    [
        ("at_most", 4.49, "yes"),
        ("at_most", 4.48, "undecided"),
        ("at_most", -0.48, "undecided"),
        ("at_most", -0.49, "no"),
        ("at_least", -0.49, "yes"),
        ("at_least", -0.48, "undecided"),
        ("at_least", 4.48, "undecided"),
        ("at_least", 4.49, "no"),
    ],
)
def test_a_promise_is_kept_by_all_of_its_interval(direction: str, bound: float, kept: str) -> None:
    """The interval is -0.484138 to 4.484138; a bound looked at from the wrong side turns it."""
    assert verdict(RUNS, direction, bound) == kept


def test_without_noise_the_bound_itself_is_kept() -> None:
    """Nothing of what must be 0 is there; one request in one run, and it is no longer sure."""
    assert verdict(np.zeros(4), "at_most", 0.0) == "yes"
    assert verdict(np.array([0.0, 0.0, 0.0, 1e-9]), "at_most", 0.0) == "undecided"
    assert verdict(np.full(4, 1e-9), "at_most", 0.0) == "no"


def test_a_run_without_a_value_decides_nothing() -> None:
    assert verdict(np.array([1.0, 1.0, np.nan]), "at_most", 5.0) == "undecided"


PREFILL = np.array([[0.25, 0.25], [0.5, 0.75]])


def measured(prefill: Floats = PREFILL, **entry: object) -> MeasuredPromise:
    """Return one promise on `two-class` in two runs written by hand.

    Prefill (0.25, 0.5) and (0.25, 0.75), solo decode (6, 2) and (6, 6), mixed decode and decode
    queue empty, prefill queue (0.25, 0) and (0.75, 0); the plan has (0.25, 0.5), (6, 4), queues 0.
    """
    instance = gnr.load("two-class")
    instance = instance.model_copy(update={"slis": (Sli.model_validate(entry),)})
    none, one = np.zeros((2, 2)), np.ones((2, 2))
    averages = Measures(
        prefill=prefill,
        mixed_decode=none,
        solo_decode=np.array([[6.0, 6.0], [2.0, 6.0]]),
        prefill_queue=np.array([[0.25, 0.75], [0.0, 0.0]]),
        decode_queue=none,
        throughput=one,
        prefills=one,
        abandoned_prefill=none,
        abandoned_decode=none,
        tpot=one,
    )
    planned = Point(
        np.array([0.25, 0.5]), np.zeros(2), np.array([6.0, 4.0]), np.zeros(2), np.zeros(2)
    )
    latencies = {"ttft": np.array([[1.0, 3.0], [5.0, 5.0], [4.0, 4.0]])}
    (found,) = measured_promises(instance, rates_of(instance), planned, averages, latencies)
    return found


def test_a_spread_is_taken_run_by_run() -> None:
    """Decode fairness: 6 - 2 = 4 and 6 - 6 = 0, mean 2 and not |6 - 4|; t_1 = 12.7062, s = 2.8284.

    The half-width is 12.7062 * 2.8284 / sqrt 2 = 25.4124: a bound of 30 is kept, one of 3 is not
    decided.
    """
    found = measured(kind="decode_fairness", at_most=30.0, name="fair")
    assert (found.name, found.kind, found.direction) == ("fair", "decode_fairness", "at_most")
    assert (found.promised, found.planned, found.kept) == (30.0, 2.0, "yes")
    assert found.measured is not None
    assert found.measured.mean == pytest.approx(2.0)
    assert found.measured.half_width == pytest.approx(25.4124, rel=1e-5)
    assert found.served_only is None
    assert measured(kind="decode_fairness", at_most=3.0).kept == "undecided"


def test_a_mean_time_counts_completions_as_rate_times_occupancy() -> None:
    """TTFT of class 0: (0.25 + 0.25) / (25.64719 * 0.25) = 0.0779813 s and (0.75 + 0.25) / ... =
    0.1559625 s, mean 0.1169719 s; the requests served alone took 1 and 3 s."""  # fmt: skip
    found = measured(kind="mean_ttft", at_most=1.0, **{"class": "decode-heavy"})
    assert found.class_name == "decode-heavy"
    assert found.planned == pytest.approx(1 / 25.64719083)
    assert found.measured is not None
    assert found.measured.mean == pytest.approx(0.1169719, rel=1e-6)
    assert found.served_only is not None
    assert found.served_only.mean == pytest.approx(2.0)
    whole = measured(kind="mean_ttft", at_most=1.0).served_only
    assert whole is not None
    assert (whole.mean, whole.half_width) == (4.0, 0.0)


@pytest.mark.parametrize(
    ("started", "kept"),
    [((0.0, 0.0), "no"), ((0.25, 0.0), "undecided")],
)
def test_a_class_that_waits_and_is_never_started_breaks_its_promise(
    started: tuple[float, float], kept: str
) -> None:
    """Its queue is 0.25 and 0.75 and its wait, queue / 0, infinite; in one run of two, who knows.

    The other class has neither queue nor starts: 0/0 breaks nothing.
    """
    prefill = np.array([started, (0.0, 0.0)])
    promise = {"kind": "mean_wait", "at_most": 1e9}
    assert measured(prefill, **promise, **{"class": "decode-heavy"}).kept == kept
    assert measured(prefill, **promise, **{"class": "prefill-heavy"}).kept == "undecided"


def test_a_penalty_is_measured_and_not_judged() -> None:
    found = measured(kind="prefill_fairness", penalty_weight=10.0)
    assert (found.promised, found.kept, found.keepable) == (None, None, None)
    assert found.measured is not None
    assert found.measured.mean == pytest.approx((0.25 + 0.5) / 2)
    assert found.penalty is not None
    assert found.penalty.mean == pytest.approx(10 * (0.25 + 0.5) / 2)


def test_beside_a_promise_that_may_be_broken_stands_what_can_be_kept() -> None:
    """(P47) is at least 1/gamma = 20/909 = 0.0220022 (S-g), rounded to the looser side."""
    found = measured(kind="mean_tpot", at_most=0.0221)
    assert (found.kept, found.keepable) == ("undecided", 0.0220023)
    assert measured(kind="mean_tpot", at_most=1.0).keepable is None
