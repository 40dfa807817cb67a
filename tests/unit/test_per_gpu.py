"""The per-GPU engine: consistent after every event, reproducible, and the records it keeps."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from per_gpu_clusters import promising
from per_gpu_rooms import faults_in
from pooled_chains import DIGEST

import gnr
from gnr.validation.lanes import empty_cluster, fluid_point, lane_seeds
from gnr.validation.per_gpu import engine, kernel, records
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.engine import PerGpuEngine
from gnr.validation.per_gpu.layout import Room, Rules, make_room
from gnr.validation.per_gpu.records import Recorder, recording
from gnr.validation.policies import POLICIES
from gnr.validation.studies.cluster import Cluster, make_cluster
from gnr.validation.studies.optima import planning_optimum
from gnr.validation.studies.setting import PER_GPU, Setting
from gnr.validation.studies.simulation import prepare

NAMES = ("decode-heavy", "prefill-heavy")


@cache
def cluster_of(policy: str, gpus: int = 6, lengths: str = "exponential") -> Cluster:
    """Return a per-GPU cluster of the base instance at two and a half times its load."""
    busy = [f"classes.{name}.arrival_rate=1.25" for name in NAMES]
    instance = promising(gnr.load("two-class", busy), policy)
    plan = planning_optimum(instance, POLICIES[policy]).plan(gpus)
    return make_cluster(instance, plan, policy, Setting(fidelity=PER_GPU, lengths=lengths))


def lanes_of(
    cluster: Cluster,
    lanes: int = 4,
    planned: bool = True,
    seed: int = 1,
    threads: int | None = None,
    recorder: Recorder | None = None,
) -> PerGpuEngine:
    assert cluster.rules is not None
    chain = cluster.chain
    start = fluid_point(chain) if planned else empty_cluster(chain)
    starts = np.repeat(start[..., None], lanes, axis=-1)
    seeds = lane_seeds(DIGEST, chain.gpus, seed, lanes)
    return PerGpuEngine(cluster.rules, [chain] * lanes, starts, seeds, threads, recorder)


def after(run: PerGpuEngine, *times: float) -> dict[str, np.ndarray[Any, Any]]:
    """Return state and records of all lanes once they have reached the last of `times`, s."""
    for until in times:
        run.advance(np.full(len(run._rooms), until))
    return dict(vars(run.snapshot()))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Bit for bit."""
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


def busy_room(policy: str) -> tuple[Rules, Room]:
    """Return a cluster that started empty, after 400 events."""
    rules = cluster_of(policy).rules
    assert rules is not None
    streams = np.random.default_rng(6).integers(1, 2**63, (2, 4)).astype(np.uint64)
    room = make_room(rules, 6, 500, streams)
    kernel.populate(rules, room, np.zeros((2, at.ROWS)))
    assert not faults_in(rules, room)
    code = kernel.advance(rules, room, np.inf, 400, np.empty((0, at.RECORD_COLUMNS)))
    assert code == kernel.MORE
    return rules, room


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cluster_is_consistent_after_every_event(policy: str) -> None:
    """Counts, slots, speeds, next events, lists of GPUs, heap, lines, conservation: recounted.

    And no policy lets a ready GPU idle beside a request that its gate admits.
    """
    rules, room = busy_room(policy)
    none = np.empty((0, at.RECORD_COLUMNS))
    for _ in range(250):
        kernel.advance(rules, room, np.inf, 1, none)
        assert not faults_in(rules, room)
        kernel.advance(rules, room, float(room.times[at.CLOCK]), 1, none)
        assert not faults_in(rules, room), "after the policy has acted"
        if room.counters[at.READY_GPUS] > 0:
            state = room.state.reshape(2, at.ROWS)
            shut = np.isinf(rules.offset) | (state[:, at.PREFILL] >= rules.limit)
            shut |= bool(rules.decodes_first) and room.counters[at.WAITING] > 0
            shut |= room.times[at.CREDIT] < 0
            shut |= state[:, at.PREFILL].sum() >= np.ceil(rules.prefill_cap)
            assert not np.any((state[:, at.QUEUE] > 0) & ~shut)
    admitted = np.isfinite(rules.offset)
    assert room.counts[admitted, at.PREFILLS].min() > 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda room: room.tree.__setitem__(0, 1e9), "next event of a GPU"),
        (lambda room: room.tree.__setitem__(-1, 0.0), "first event"),
        (lambda room: room.state.__setitem__(at.SOLO, room.state[at.SOLO] + 1), "state"),
        (lambda room: room.counters.__setitem__(at.WAITING, 999), "sizes of the buffers"),
        (lambda room: room.counters.__setitem__(at.FREE_GPUS + 2, 6), "lists"),
        (lambda room: room.counters.__setitem__(at.READY_GPUS, 6), "ready"),
        (lambda room: room.counters.__setitem__(at.ALARMS, 0), "who may leave"),
        (lambda room: room.alarms.__setitem__([0, 1], room.alarms[[1, 0]]), "heap"),
        (lambda room: room.gpu_reals.__setitem__((0, at.SPEED), 1.0), "speed"),
        (lambda room: room.gpu_integers.__setitem__((0, at.DECODES), 99), "slots"),
        (lambda room: room.unused.__setitem__(0, room.unused[1]), "a request twice or lost"),
        (lambda room: room.counts.__setitem__((0, at.ARRIVALS), 0.0), "balance"),
        (lambda room: room.times.__setitem__(at.CREDIT, 9.0), "credit"),
    ],
)
def test_the_recount_finds_planted_faults(fault: Callable[[Room], None], told: str) -> None:
    """A recount that is blind would make the test above green for ever."""
    rules, room = busy_room("gate-and-route")
    fault(room)
    assert told in faults_in(rules, room)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_start_at_the_plan_is_consistent(policy: str) -> None:
    """Every planned request has a place, no slot is taken twice, the decode slots of each group."""
    cluster = cluster_of(policy)
    run = lanes_of(cluster, lanes=1)
    assert cluster.rules is not None
    (room,) = run._rooms
    assert room.state.sum() == fluid_point(cluster.chain).sum()
    faults = faults_in(cluster.rules, room)
    assert set(faults) <= {"balance"}, "who is there at the start did not arrive"


@pytest.mark.parametrize("policy", ["gate-and-route", "sli-aware-general", "price-index-fill"])
def test_threads_do_not_change_a_run(policy: str) -> None:
    """Lanes share nothing: one thread or three, the same numbers to the last bit."""
    cluster = cluster_of(policy)
    one, three = (after(lanes_of(cluster, 5, threads=threads), 30.0) for threads in (1, 3))
    assert_same(one, three)
    other = after(lanes_of(cluster, 5, seed=2), 30.0)
    assert not np.array_equal(one["integral"], other["integral"])


def test_a_lane_does_not_depend_on_the_others() -> None:
    cluster = cluster_of("gate-and-route")
    few, many = (after(lanes_of(cluster, lanes), 20.0) for lanes in (2, 6))
    assert_same(few, {name: value[..., :2] for name, value in many.items()})


@pytest.mark.parametrize("policy", ["price-index-fill", "price-index-capped"])
def test_stops_do_not_change_what_happens(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots and rounds only look: counts agree exactly, integrals to rounding."""
    cluster = cluster_of(policy)
    straight, halting = (
        after(lanes_of(cluster), *times) for times in ((40.0,), np.linspace(0.1, 40, 123))
    )
    monkeypatch.setattr(engine, "ROUND", 7)
    rounds = after(lanes_of(cluster), 40.0)
    for other in (halting, rounds):
        for name in ("state", "count", "bins"):
            assert np.array_equal(straight[name], other[name]), name
        for name in ("integral", "sums"):
            assert other[name] == pytest.approx(straight[name], rel=1e-10)


@pytest.mark.parametrize("policy", ["gate-and-route", "fcfs-immediate", "sli-aware"])
def test_a_run_that_outgrows_its_room_is_the_run_with_room_from_the_start(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubling the room keeps every request, deadline and draw."""
    cluster = cluster_of(policy)
    roomy = lanes_of(cluster, planned=False)
    monkeypatch.setattr(engine, "LEAST_REQUESTS", 1)
    tight = lanes_of(cluster, planned=False)
    assert len(tight._rooms[0].unused) == 1
    expected, found = after(roomy, 40.0), after(tight, 40.0)
    assert len(tight._rooms[0].unused) >= 64
    assert len(roomy._rooms[0].unused) == 1024
    assert_same(expected, found)


def test_memory_does_not_grow_with_time() -> None:
    """Rows of requests that are gone are used again."""
    run = lanes_of(cluster_of("price-index-in-place"), 2)
    after(run, 300.0)
    rows = [len(room.unused) for room in run._rooms]
    assert sum(room.counts[:, at.ARRIVALS].sum() for room in run._rooms) > 2 * sum(rows)
    after(run, 600.0)
    assert [len(room.unused) for room in run._rooms] == rows


def test_uniform_steps_cannot_be_fed() -> None:
    """The pooled engines are compared step by step; a request here draws its lengths at once."""
    with pytest.raises(NotImplementedError, match="whole requests"):
        lanes_of(cluster_of("gate-and-route"), 1).feed(np.zeros((1, 3, 1)))


# Records.


def recorded(
    folder: Path, policy: str, until: float, since: float = 0.0, lengths: str = "exponential"
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns of the records of four lanes that started empty."""
    path = folder / f"{policy}.parquet"
    with recording(path, NAMES, since, "{}") as recorder:
        run = lanes_of(cluster_of(policy, 6, lengths), planned=False, recorder=recorder)
        after(run, until / 2, until)
    return columns_of(path)


def columns_of(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns of a file; numbers that are null become nan."""
    table = pq.read_table(path)
    return {
        name: np.array([np.nan if each is None else each for each in table[name].to_pylist()])
        for name in table.column_names
    }


@pytest.fixture(scope="module")
def gate_and_route(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return recorded(tmp_path_factory.mktemp("records"), "gate-and-route", 80.0)


def test_what_a_request_did_not_reach_is_null(gate_and_route: dict[str, Any]) -> None:
    """All three ends occur; a 0 in the place of a null would pull means down."""
    of_prefill = {"prefill_wait_s", "ttft_s", "prefill_gpu"}
    of_decode = {"decode_wait_s", "tpot_s", "decode_gpu", "kv_transfer"}
    expected = {
        "left before prefill": of_prefill | of_decode,
        "left before decode": of_decode,
        "finished": set(),
    }
    for outcome, missing in expected.items():
        rows = gate_and_route["outcome"] == outcome
        assert rows.sum() > 20
        for name, values in gate_and_route.items():
            if name in ("class", "outcome"):
                continue
            null = np.isnan(values[rows].astype(float))
            assert null.all() if name in missing else not null.any(), (outcome, name)


@pytest.mark.parametrize("policy", POLICIES)
def test_times_of_a_record_add_up(policy: str, tmp_path: Path) -> None:
    """Arrival, wait, prefill, wait, decode, end: nothing is lost between and nothing negative."""
    rows = recorded(tmp_path, policy, 60.0)
    rules = cluster_of(policy).rules
    assert rules is not None
    prefilled, done = ~np.isnan(rows["ttft_s"]), rows["outcome"] == "finished"
    assert done.sum() > 100
    span = rows["end_to_end_s"]
    assert span == pytest.approx(rows["end_s"] - rows["arrival_s"])
    prefill = rows["prompt_tokens"] * rules.prefill_time
    ttft = rows["prefill_wait_s"] + prefill
    assert rows["ttft_s"][prefilled] == pytest.approx(ttft[prefilled])
    decode = rows["tpot_s"] * rows["output_tokens"]
    total = rows["ttft_s"] + rows["decode_wait_s"] + decode
    assert span[done] == pytest.approx(total[done])
    fast, slow = 1 / rules.speeds
    assert np.all(rows["tpot_s"][done] >= fast * (1 - 1e-6))
    assert np.all(rows["tpot_s"][done] <= slow * (1 + 1e-6))
    for name in ("arrival_s", "prefill_wait_s", "decode_wait_s", "ttft_s", "prompt_tokens"):
        assert np.nanmin(rows[name].astype(float)) >= 0, name
    assert set(rows["prefill_gpu"][prefilled]) <= set(range(rules.prefill_gpus))
    moved = rows["prefill_gpu"][done] != rows["decode_gpu"][done]
    assert np.array_equal(rows["kv_transfer"][done].astype(bool), moved)
    if policy in ("fcfs-immediate", "gate-immediate", "price-index-in-place"):
        assert not moved.any(), "who stays in place moves no cache"
        assert np.all(rows["decode_wait_s"][done] == 0)
    if policy == "disaggregated":
        assert moved.all()


def test_requests_of_a_file_are_those_that_the_engine_counted(tmp_path: Path) -> None:
    """One row per request that ended, by class and by fate; sums of times agree."""
    path = tmp_path / "all.parquet"
    with recording(path, NAMES, 0.0, "{}") as recorder:
        run = lanes_of(cluster_of("gate-and-route"), planned=False, recorder=recorder)
        after(run, 60.0)
    rows, lanes = columns_of(path), run.snapshot()
    for i, name in enumerate(NAMES):
        mine = rows["class"] == name
        counts = lanes.count[i].sum(axis=-1)
        fates = {
            "left before prefill": counts[at.LEFT_PREFILL],
            "left before decode": counts[at.LEFT_DECODE] + counts[at.LEFT_SOLO_DECODE],
            "finished": counts[at.MIXED_DONE] + counts[at.SOLO_DONE],
        }
        for fate, expected in fates.items():
            assert np.sum(mine & (rows["outcome"] == fate)) == expected
        done = mine & (rows["outcome"] == "finished")
        total = lanes.sums[i, at.END_TO_END].sum()
        assert rows["end_to_end_s"][done].sum() == pytest.approx(total)
    assert set(rows["replication"]) == {0, 1, 2, 3}


def test_keeping_records_does_not_change_the_run(tmp_path: Path) -> None:
    cluster = cluster_of("sli-aware")
    with recording(tmp_path / "a.parquet", NAMES, 0.0, "{}") as recorder:
        watched = after(lanes_of(cluster, recorder=recorder), 40.0)
    alone = after(lanes_of(cluster), 40.0)
    for name in ("state", "count", "bins", "clock"):
        assert np.array_equal(alone[name], watched[name])


def test_prompt_lengths_are_recovered_from_the_prefill_times(tmp_path: Path) -> None:
    """The kernel forgets the prompt when its prefill starts: the record has it from the times."""
    lengths = tmp_path / "lengths.csv"
    lengths.write_text(
        "class,prompt_tokens,output_tokens\ndecode-heavy,100,500\ndecode-heavy,500,1500\n"
        "prefill-heavy,2000,100\nprefill-heavy,4000,700\n"
    )
    rows = recorded(tmp_path, "fcfs-route", 60.0, lengths=str(lengths))
    for name, pairs in zip(
        NAMES, ([[100, 500], [500, 1500]], [[2000, 100], [4000, 700]]), strict=True
    ):
        mine = rows["class"] == name
        found = np.stack([rows["prompt_tokens"], rows["output_tokens"]], axis=1)[mine]
        apart = np.abs(found[:, None] / np.array(pairs) - 1).max(axis=2)
        assert apart.min(axis=1).max() < 1e-9
        assert set(np.argmin(apart, axis=1)) == {0, 1}


def test_policies_meet_the_same_arrivals_and_lengths(tmp_path: Path) -> None:
    """Common random numbers: who came before 20 s, in every lane, whatever became of him."""
    found = []
    for policy in ("gate-and-route", "fcfs-immediate", "price-index-fill"):
        rows = recorded(tmp_path, policy, 400.0)
        early = rows["arrival_s"] < 20.0
        order = np.lexsort((rows["arrival_s"][early], rows["replication"][early]))
        names = ("replication", "class", "arrival_s", "output_tokens", "prompt_tokens")
        found.append([rows[name][early][order] for name in names])
    assert len(found[0][0]) > 500
    for other in found[1:]:
        for mine, theirs in zip(found[0][:4], other[:4], strict=True):
            assert np.array_equal(mine, theirs)
        assert other[4] == pytest.approx(found[0][4], rel=1e-7, abs=1e-6)


def test_lengths_do_not_change_when_requests_arrive(tmp_path: Path) -> None:
    """Every law takes as many numbers: arrivals are shared between laws, too."""
    found = []
    for lengths in ("deterministic", "lognormal:0.5"):
        rows = recorded(tmp_path, "price-index-in-place", 200.0, lengths=lengths)
        early = rows["arrival_s"] < 10.0
        order = np.lexsort((rows["arrival_s"][early], rows["replication"][early]))
        found.append([rows[name][early][order] for name in ("arrival_s", "class")])
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_only_requests_that_end_in_the_window_are_recorded(tmp_path: Path) -> None:
    """The warm-up is thrown away here as in every other result; the file is one of its own."""
    everything = recorded(tmp_path, "gate-and-route", 60.0)
    window = recorded(tmp_path, "gate-and-route", 60.0, since=25.0)
    assert window["end_s"].min() >= 25.0
    assert window["end_s"].max() <= 60.0
    assert np.sum(everything["end_s"] >= 25.0) == len(window["end_s"])


def test_records_are_written_while_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays flat: never more than a row group and a round of records are held."""
    monkeypatch.setattr(records, "ROW_GROUP", 100)
    monkeypatch.setattr(engine, "RECORDED_ROUND", 50)
    held = []
    taken = Recorder.write

    def write(self: Recorder, lane: int, rows: np.ndarray[Any, Any]) -> None:
        assert len(rows) <= 50
        taken(self, lane, rows)
        held.append(sum(each.num_rows for each in self._gathered))

    monkeypatch.setattr(Recorder, "write", write)
    rows = recorded(tmp_path, "gate-and-route", 60.0)
    assert max(held) < 100
    file = pq.ParquetFile(tmp_path / "gate-and-route.parquet")
    assert file.num_row_groups > 5
    assert file.metadata.num_rows == len(rows["class"])


@pytest.fixture
def rows() -> np.ndarray[Any, Any]:
    """A finished request and one that left, as the kernel writes them."""
    return np.array(
        [
            [0, 2, 1.0, 2.0, 3.0, 3.5, 9.0, 300.0, 10.0, 0, 1, 1],
            [1, 0, 4.0, np.nan, np.nan, np.nan, 8.0, 50.0, 5.0, -1, -1, 0],
        ]
    )


def write_and_raise(path: Path, rows: np.ndarray[Any, Any], error: BaseException) -> None:
    """Write records of replication 3, then fail."""
    with recording(path, NAMES, 0.0, "{}") as recorder:
        recorder.write(3, rows)
        raise error


def test_an_interrupted_file_is_complete_and_the_interrupt_goes_on(
    rows: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    path = tmp_path / "new" / "folder" / "kept.parquet"
    with pytest.raises(KeyboardInterrupt):
        write_and_raise(path, rows, KeyboardInterrupt())
    first, second = pq.read_table(path).to_pylist()
    assert first == {
        "replication": 3, "class": "decode-heavy", "outcome": "finished", "arrival_s": 1.0,
        "end_s": 9.0, "prompt_tokens": 300.0, "output_tokens": 10.0, "prefill_wait_s": 1.0,
        "decode_wait_s": 0.5, "ttft_s": 2.0, "tpot_s": 0.55, "end_to_end_s": 8.0,
        "prefill_gpu": 0, "decode_gpu": 1, "kv_transfer": True,
    }  # fmt: skip
    assert (second["class"], second["outcome"]) == ("prefill-heavy", "left before prefill")
    assert {name for name, value in second.items() if value is None} == {
        "prefill_wait_s", "decode_wait_s", "ttft_s", "tpot_s", "prefill_gpu", "decode_gpu",
        "kv_transfer",
    }  # fmt: skip
    assert [each.name for each in path.parent.iterdir()] == ["kept.parquet"]


def test_a_run_that_fails_leaves_no_file_and_an_older_one_as_it_was(
    rows: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    path = tmp_path / "kept.parquet"
    for _ in range(2):
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(ValueError, match="broken"):
            write_and_raise(path, rows, ValueError("broken"))
        assert list(tmp_path.iterdir()) == ([path] if before else [])
        assert (path.read_bytes() if path.exists() else None) == before
        path.write_bytes(b"older")


def test_records_say_where_they_come_from_and_in_which_unit(tmp_path: Path) -> None:
    instance = gnr.load("two-class")
    setting = Setting(replications=4, warmup=5.0, horizon=10.0, seed=7)
    study = prepare(instance, "price-index-fill", None, setting)
    path = tmp_path / "a.parquet"
    study.run(study.plan(5), records=path)
    schema = pq.read_schema(path)
    origin = json.loads(schema.metadata[b"provenance"])
    assert origin["instance_sha256"] == instance.sha256()
    assert origin["seed"] == origin["options"]["seed"] == 7
    assert (origin["options"]["policy"], origin["options"]["gpus"]) == ("price-index-fill", 5)
    assert {"python", "numpy"} <= set(origin["versions"])
    assert all(b"unit" in column.metadata for column in schema)
    rows = columns_of(path)
    assert rows["end_s"].min() >= 5.0
    assert rows["end_s"].max() <= 15.0


def test_requests_that_were_there_at_the_start_have_sound_records(tmp_path: Path) -> None:
    """Without a warm-up they end in the window: their prompts were below zero once."""
    path = tmp_path / "start.parquet"
    with recording(path, NAMES, 0.0, "{}") as recorder:
        after(lanes_of(cluster_of("gate-and-route"), recorder=recorder), 20.0)
    rows = columns_of(path)
    for name in ("prompt_tokens", "prefill_wait_s", "decode_wait_s", "ttft_s"):
        assert np.nanmin(rows[name].astype(float)) >= 0, name
    assert not np.any(rows["ttft_s"] > rows["end_to_end_s"])
