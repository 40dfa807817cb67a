"""The clusters around the one found: one side at a time, and only sides that promises need."""

import gnr
from gnr.instance import Sli
from gnr.latency_promise import LatencyPromise
from gnr.validation.policies import find_policy
from gnr.validation.studies.size_ladder import DECODE_STEPS, PREFILL_STEPS, ladder
from gnr.validation.studies.size_search import Vector
from gnr.validation.studies.trials import Task

TTFT = LatencyPromise(latency="ttft", percentile="p99", at_most=0.5)
END_TO_END = LatencyPromise(latency="end_to_end", percentile="p99", at_most=9.0)
LEAVING = Sli(kind="abandonment_fraction", at_most=0.01)


def rungs(
    policy: str,
    centre: Vector,
    percentiles: tuple[LatencyPromise, ...] = (),
    promises: tuple[Sli, ...] = (),
) -> list[Vector]:
    task = Task(gnr.load("two-class"), find_policy(policy), percentiles, promises)
    seen: list[Vector] = []

    def keeps(vector: Vector) -> bool:
        seen.append(vector)
        return True

    ladder(task, keeps, centre)
    return seen


def test_each_side_is_varied_by_itself() -> None:
    prefill = [(round(100 * step), 200) for step in PREFILL_STEPS]
    decode = [(100, round(200 * step)) for step in DECODE_STEPS]
    assert rungs("gate-and-route", (100, 200), promises=(LEAVING,)) == prefill + decode
    assert rungs("gate-and-route", (100, 200), (END_TO_END,)) == prefill + decode
    assert rungs("gate-and-route", (100, 200), (TTFT,)) == prefill


def test_without_a_partition_all_gpus_are_varied() -> None:
    wanted = [(round(100 * step),) for step in PREFILL_STEPS]
    assert rungs("price-index-fill", (100,), (TTFT,), (LEAVING,)) == wanted


def test_small_clusters_lose_no_whole_side_and_the_one_found_is_not_tried_again() -> None:
    seen = rungs("gate-and-route", (1, 2), (TTFT,), (LEAVING,))
    assert seen
    assert all(min(each) >= 1 for each in seen)
    assert (1, 2) not in seen
