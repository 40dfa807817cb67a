"""Promises as they are typed: kinds, classes, bounds with units, and what cannot be read."""

import pytest

import gnr
from gnr.errors import InputError
from gnr.instance import Sli
from gnr.latency_promise import LatencyPromise, read_promises

INSTANCE = gnr.load("two-class")


@pytest.mark.parametrize(
    ("text", "label", "bound"),
    [
        ("p99_ttft=500ms", "p99_ttft", 0.5),
        ("p50_end_to_end=20", "p50_end_to_end", 20.0),
        ("p90_end_to_end=120", "p90_end_to_end", 120.0),
        ("p99_tpot=30s", "p99_tpot", 30.0),
        ("p90_ttft=60", "p90_ttft", 60.0),
        ("p95_tpot:decode-heavy=0.03s", "p95_tpot:decode-heavy", 0.03),
        (" p95_tpot : decode-heavy = 30 ms", "p95_tpot:decode-heavy", 0.03),
    ],
)
def test_percentiles_are_read(text: str, label: str, bound: float) -> None:
    (promise,), others = read_promises([text], INSTANCE)
    assert (promise.label, promise.at_most, others) == (label, pytest.approx(bound), ())


def test_other_kinds_take_the_bound_of_their_natural_direction() -> None:
    percentiles, (leaving, flow) = read_promises(
        ["abandonment_fraction=1%", "throughput:prefill-heavy=0.2"], INSTANCE
    )
    assert percentiles == ()
    assert leaving == Sli(kind="abandonment_fraction", at_most=0.01)
    assert (flow.at_least, flow.class_name) == (0.2, "prefill-heavy")


def test_the_share_that_may_take_longer() -> None:
    found = LatencyPromise(latency="ttft", percentile="p99", at_most=1.0)
    assert found.share_above == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("p99_ttft", "has no bound", "KIND=BOUND"),
        ("p99_tfft=1", "no promise 'p99_tfft'", "p99_ttft?"),
        ("p90_tfft=1", "no promise 'p90_tfft'", "p90_ttft?"),
        ("p99_tpot=30", "ms or s?", "write 30ms or 30s"),
        ("p99_ttft=500", "ms or s?", "write 500ms or 500s"),
        ("mean_tpot=30", "ms or s?", "write 30ms or 30s"),
        ("mean_ttft:decode-heavy=200", "ms or s?", "write 200ms or 200s"),
        ("p99_ttft:decode=1", "no class 'decode'", "decode-heavy?"),
        ("p99_ttft=fast", "no bound 'fast'", "write a number"),
        ("p99_ttft=0", "no bound '0'", "write a number"),
        ("p99_ttft=-1s", "no bound '-1s'", "write a number"),
        ("p99_ttft=nan", "no bound 'nan'", "write a number"),
        ("p99_ttft=inf", "no bound 'inf'", "write a number"),
        ("mean_tpot:decode-heavy=1", "mean_tpot is not of a class", "write mean_tpot"),
        ("proportional_share=0.5", "is not of a cluster", "proportional_share:CLASS"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_remedy(text: str, message: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        read_promises([text], INSTANCE)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.file == "--promise"


def test_all_faults_are_told_at_once_and_doubles_too() -> None:
    with pytest.raises(InputError) as caught:
        read_promises(["p99_ttft=x", "p1_ttft=1", "p99_tpot=1", "p99_tpot=0.5"], INSTANCE)
    assert len(caught.value.problems) == 3
    assert "p99_tpot is promised twice" in str(caught.value.problems[-1])
