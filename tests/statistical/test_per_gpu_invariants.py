"""What holds exactly in every per-GPU cluster: conservation, capacities, work conservation, order.

One look that shows a violation is proof, so that there is no level and no power here; every check
is shown to see the fault that it is there for.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from per_gpu_audit import idle, line_of, miscounted, overfull
from per_gpu_clusters import DIGEST, THREE, TWO, Case, case, instance_of, rooms

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.validation.chain import Row
from gnr.validation.lanes import lane_seeds, stretch_seeds
from gnr.validation.measures import conservation_error
from gnr.validation.per_gpu import kernel
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.layout import Room, make_room, row_of_gpu
from gnr.validation.policies import POLICIES

INSTANCES = {"two": TWO, "three": THREE}
LAWS = ("exponential", "deterministic", "lognormal:0.5", "lognormal:1.5", "listed")
GPUS, LANES = 12, 4
LOOKS = np.linspace(0.37, 40.0, 40)
"""Times at which the memory is inspected, s: some events apart."""


def law_named(law: str, instance: Instance, folder: Path) -> str:
    """Return the law as on the command line; `listed` is written to a file first."""
    if law != "listed":
        return law
    lines = [f"{each.name},{prompt},{5 * prompt}" for each in instance.classes
             for prompt in (50, 70, 900)]  # fmt: skip
    path = folder / "lengths.csv"
    path.write_text("\n".join(["class,prompt_tokens,output_tokens", *lines]))
    return str(path)


# --- conservation --------------------------------------------------------------------------------


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("policy", POLICIES)
def test_no_request_appears_or_disappears(policy: str, name: str, law: str, tmp_path: Path) -> None:
    """(P15)-(P19) in whole numbers, by class and lane, and nobody is counted in the wrong place."""
    instance = INSTANCES[name]
    cluster = case(instance, policy, GPUS, law_named(law, instance, tmp_path))
    run = cluster.lanes(LANES, planned=True)
    before = run.snapshot().state
    run.advance(np.full(LANES, 60.0))
    seen = run.snapshot()
    assert seen.events.min() > 500
    assert not conservation_error(before, seen).any()
    for room in rooms(run):
        assert not list(miscounted(cluster.rules, room))


def lose_a_decode(room: Room) -> None:
    """Drop a decode from its GPU, as if it had got lost on its way there."""
    gpu = int(np.argmax(room.gpu_integers[:, at.DECODES]))
    room.gpu_integers[gpu, at.DECODES] -= 1


def lose_a_count(room: Room) -> None:
    """Forget a decode in the books."""
    room.state.reshape(-1, at.ROWS)[0, Row.SOLO_DECODE] -= 1


def lose_a_waiting_request(room: Room) -> None:
    """Cut the last request off the longest line."""
    lines = [line_of(room, line) for line in range(len(room.head))]
    line = int(np.argmax([len(each) for each in lines]))
    kept = lines[line][-2]
    room.request_integers[kept, at.BEHIND] = at.NOBODY
    room.tail[line] = kept


def double_a_request(room: Room) -> None:
    """Let a request that waits be free for another as well."""
    waiting = next(int(head) for head in room.head if head != at.NOBODY)
    room.unused[room.counters[at.UNUSED] - 1] = waiting


LOSSES: dict[str, Callable[[Room], None]] = {
    "a decode lost in a transfer": lose_a_decode,
    "a decode lost in the books": lose_a_count,
    "a waiting request lost": lose_a_waiting_request,
    "a request in two places": double_a_request,
}
CROWDED = instance_of([300, 3000], [1000, 400], [0.7, 1.0], [0.05, 0.05])
"""Both classes wait, before prefill and, where there is a buffer, before decode."""


@pytest.mark.parametrize("loss", LOSSES)
def test_one_lost_request_is_found(loss: str) -> None:
    """Tampering with the memory of a running cluster once, in one lane."""
    cluster = case(CROWDED, "gate-and-route", GPUS)
    run = cluster.lanes(1)
    run.advance(np.full(1, 60.0))
    (room,) = rooms(run)
    assert not list(miscounted(cluster.rules, room))
    LOSSES[loss](room)
    assert list(miscounted(cluster.rules, room))


def test_a_decode_lost_in_the_books_breaks_conservation() -> None:
    """The check that users of the library have finds it without looking inside."""
    run = case(TWO, "gate-and-route", GPUS).lanes(LANES)
    before = run.snapshot().state
    run.advance(np.full(LANES, 60.0))
    lose_a_count(rooms(run)[2])
    run.advance(np.full(LANES, 120.0))
    lanes = conservation_error(before, run.snapshot()).any(axis=(0, 1))
    assert lanes.tolist() == [False, False, True, False]


# --- capacities and work conservation ------------------------------------------------------------


def looks(cluster: Case, planned: bool = False) -> Iterator[Room]:
    """Yield the memory of every lane at many times."""
    run = cluster.lanes(LANES, seed=6, planned=planned)
    for look in LOOKS:
        run.advance(np.full(LANES, look))
        yield from rooms(run)


def capacity_faults(policy: str, cluster: Case) -> set[str]:
    """Return what is seen to be wrong with the batches; B and layout as they should be."""
    instance_slots = cluster.instance.gpu.batch_slots
    right = POLICIES[policy].layout(cluster.plan, instance_slots)
    return {
        fault
        for room in looks(cluster, planned=True)
        for fault in overfull(cluster.rules, room, instance_slots, right)
    }


@pytest.mark.parametrize("name", INSTANCES)
@pytest.mark.parametrize("policy", POLICIES)
def test_no_batch_is_ever_too_full(policy: str, name: str) -> None:
    """One prefill at most, B requests in all; the mixed group keeps a slot for its prefill."""
    assert not capacity_faults(policy, case(INSTANCES[name], policy, GPUS))


@pytest.mark.parametrize(
    ("policy", "slots_more", "fault"),
    [
        ("gate-and-route", 0, "too many decodes on a GPU of the mixed group"),
        ("gate-and-route", 1, "B decodes beside a prefill"),
        ("price-index-in-place", 1, "more than B requests on a GPU"),
    ],
)
def test_a_slot_too_many_is_found_by_looking(policy: str, slots_more: int, fault: str) -> None:
    """Planted: the mixed group without its reserved slot; B + 1 slots."""
    cluster = case(CROWDED, policy, GPUS)
    rules = cluster.rules
    slots = rules.slots + slots_more
    finish, holders = row_of_gpu(len(rules.patience), slots)
    faulty = cluster.with_rules(
        slots=slots, finish=finish, holders=holders, decode_slots=np.array([slots, slots])
    )
    assert fault in capacity_faults(policy, faulty)


def idle_faults(policy: str, cluster: Case, planned: bool) -> set[str]:
    """Return what is seen to idle although the policy, as it should be, has work for it."""
    right = case(cluster.instance, policy, cluster.chain.gpus).rules
    return {
        fault
        for room in looks(cluster, planned)
        for fault in idle(right, room, POLICIES[policy], right.slots)
    }


BUSY = {"two": TWO, "three": THREE, "crowded": CROWDED}


@pytest.mark.parametrize("name", BUSY)
@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_idles_that_a_policy_would_use(policy: str, name: str) -> None:
    """No free slot beside a request that may take it, after every event, by policy."""
    assert not idle_faults(policy, case(BUSY[name], policy, GPUS), planned=False)


def test_a_decode_slot_that_is_never_used_is_found() -> None:
    """Planted: the solo group with one slot less."""
    cluster = case(CROWDED, "gate-and-route", GPUS)
    fewer = cluster.with_rules(decode_slots=cluster.rules.decode_slots - np.array([0, 1]))
    assert "a decode slot is free while a decode waits for it" in idle_faults(
        "gate-and-route", fewer, planned=False
    )


def test_a_gate_that_is_closed_too_early_is_found() -> None:
    """Planted: a limit where the price index has none."""
    cluster = case(CROWDED, "price-index-fill", GPUS)
    closed = cluster.with_rules(limit=np.full(2, 2.0))
    assert "a GPU is ready while a request that the gate admits waits" in idle_faults(
        "price-index-fill", closed, planned=False
    )


LIGHT = instance_of([3000], [200], [2.3], [0.1])


IN_PLACE = ["fcfs-immediate", "gate-immediate", "price-index-in-place"]


@pytest.mark.parametrize("policy", ["price-index-fill", *IN_PLACE])
def test_decodes_in_place_never_wait_not_even_from_the_plan(policy: str) -> None:
    """A start at the plan has decodes without a GPU of their own; they may not block the others."""
    assert not idle_faults(policy, case(LIGHT, policy, 20), planned=True)


# --- order ---------------------------------------------------------------------------------------


def records_of(cluster: Case, seconds: float) -> Floats:
    """Return the records of one lane that starts empty, as the kernel writes them."""
    seeds = lane_seeds(DIGEST, cluster.chain.gpus, 7, 1)
    streams = np.stack([seeds, stretch_seeds(seeds, 1)])[:, :, 0]
    room = make_room(cluster.rules, cluster.chain.gpus, 1 << 14, np.ascontiguousarray(streams))
    kernel.populate(cluster.rules, room, np.zeros_like(cluster.chain.planned))
    records = np.empty((1 << 16, at.RECORD_COLUMNS))
    code = kernel.advance(cluster.rules, room, seconds, 1 << 30, records)
    assert code == kernel.DONE
    return records[: room.counters[at.RECORDED]]


KIND, OUTCOME, ARRIVED, STARTED, PREFILLED, DECODING = range(6)
"""Columns of a record, as the kernel writes them."""


def overtakers(records: Floats, joined: int, served: int, reached: float) -> int:
    """Return how many requests were served before one that had joined the line earlier."""
    came = records[records[:, OUTCOME] >= reached]
    starts = came[np.argsort(came[:, joined], kind="stable"), served]
    return int(np.sum(np.diff(starts) < 0))


def overtakers_of_a_class(records: Floats, joined: int, served: int, reached: float) -> int:
    """Return the same within the classes, added up."""
    kinds = np.unique(records[:, KIND])
    return sum(overtakers(records[records[:, KIND] == i], joined, served, reached) for i in kinds)


IN_ORDER = [name for name, policy in POLICIES.items() if policy.gate is None]


@pytest.mark.parametrize("policy", IN_ORDER)
def test_first_come_first_served_starts_prefills_in_order_of_arrival(policy: str) -> None:
    """Over all classes, and the line is long enough for this to mean something."""
    records = records_of(case(CROWDED, policy, GPUS), 300.0)
    waited = records[:, STARTED] - records[:, ARRIVED] > 0
    assert np.sum(waited & (records[:, OUTCOME] >= 1)) > 500
    assert overtakers(records, ARRIVED, STARTED, 1.0) == 0


@pytest.mark.parametrize("policy", ["gate-and-route", "fcfs-route", "gate-prefill-first"])
def test_the_decode_buffer_is_first_come_first_served_over_all_classes(policy: str) -> None:
    """True order of arrival (10.2), not a lottery over the counts."""
    records = records_of(case(CROWDED, policy, GPUS), 300.0)
    waited = (records[:, DECODING] > records[:, PREFILLED]) & (records[:, OUTCOME] == 2)
    assert np.sum(waited) > 100
    assert len(np.unique(records[waited, KIND])) == 2
    assert overtakers(records, PREFILLED, DECODING, 2.0) == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_serves_each_class_in_order_of_arrival(policy: str) -> None:
    """Admissible policies are first come, first served within a class (2.7)."""
    records = records_of(case(CROWDED, policy, GPUS), 200.0)
    assert overtakers_of_a_class(records, ARRIVED, STARTED, 1.0) == 0


def test_a_gate_in_the_place_of_arrival_order_is_found() -> None:
    """Planted: the index of a class, all alike, where the arrival should count."""
    faulty = case(CROWDED, "fcfs-route", GPUS).with_rules(in_order=0)
    assert overtakers(records_of(faulty, 300.0), ARRIVED, STARTED, 1.0) > 100


def test_a_lottery_in_the_decode_buffer_is_found() -> None:
    """Planted: freed slots draw a class."""
    faulty = case(CROWDED, "gate-and-route", GPUS).with_rules(weights=np.ones((2, 2)))
    records = records_of(faulty, 300.0)
    assert overtakers(records, PREFILLED, DECODING, 2.0) > 100
    assert overtakers_of_a_class(records, PREFILLED, DECODING, 2.0) == 0
