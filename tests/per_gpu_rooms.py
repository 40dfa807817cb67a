"""Per-GPU clusters that tests look into: plans and requests by hand, event by event."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gnr.plan import ClassPlan, Plan
from gnr.rates import Rates, compute_rates
from gnr.validation.chain import Flow
from gnr.validation.per_gpu import choices, kernel
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.layout import Room, Rules, make_room
from gnr.validation.per_gpu.lengths import LengthLaw
from gnr.validation.per_gpu.requests import line_up, new_request, start_waiting
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import POLICIES

FIXED = LengthLaw("deterministic", at.DETERMINISTIC)

NEVER = np.inf


def plan_by_hand(
    gpus: int,
    mixed_gpus: int,
    targets: Sequence[float] = (1.0,),
    ranks: Sequence[int | None] | None = None,
    solo_probability: float = 1.0,
    indices: Sequence[float] | None = None,
    mixed_decodes: float = 0.0,
    **changes: Any,
) -> Plan:
    """Return a plan of B = 2 that no program has made; one class per gate target n x_i.

    `indices` are D_i / P_i; `mixed_decodes` is n y_m of each class.
    """
    ranks = ranks or [1] * len(targets)
    indices = indices or [1.0] * len(targets)
    classes = tuple(
        ClassPlan(
            name=f"c{i}",
            admitted=target > 0,
            gate_target=target,
            queue_target=0.0,
            mixed_decode_target=mixed_decodes,
            solo_decode_target=0.0,
            mixed_queue_target=0.0,
            solo_queue_target=0.0,
            solo_probability=solo_probability,
            mixed_weight=1 / len(targets),
            solo_weight=1 / len(targets),
            prefill_index=index,
            rank=rank,
        )
        for i, (target, rank, index) in enumerate(zip(targets, ranks, indices, strict=True))
    )
    usual: dict[str, Any] = {
        "objective": "bundled",
        "promises": (),
        "empty_decode_buffer": True,
        "disaggregated": False,
        "revenue_rate": 1.0,
    }
    return Plan(
        gpus=gpus,
        mixed_gpus=mixed_gpus,
        solo_gpus=gpus - mixed_gpus,
        mixed_decode_slots=mixed_gpus,
        solo_decode_slots=2 * (gpus - mixed_gpus),
        classes=classes,
        warnings=(),
        **(usual | changes),
    )


def rates_by_hand(classes: int = 1, patience: float = 0.0, slots: int = 2) -> Rates:
    """Return C = 100, tau = 1 s, tau_solo = 1/2 s: a prompt of 100 tokens is prefilled in 1 s.

    A stream emits 2 tokens/s on a GPU without a prefill and 1 token/s beside one.
    """
    return compute_rates(
        batch_slots=float(slots),
        chunk_tokens=100.0,
        base=0.5,
        per_chunk_token=0.005,
        decode_only=0.5,
        prompt_price=0.0,
        output_price=1.0,
        prompt_tokens=np.full(classes, 100.0),
        output_tokens=np.full(classes, 10.0),
        arrival_rate=np.full(classes, 1.0),
        patience_rate=np.full(classes, patience),
    )


@dataclass
class ByHand:
    """An empty cluster whose arrivals a test makes; lengths and times are exact.

    Every request that has ended is a row of `ended`, columns as the kernel writes them.
    """

    rules: Rules
    gpus: int
    room: Room = field(init=False)
    records: np.ndarray[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.room = empty_room(self.rules, self.gpus)
        self.records = np.empty((1000, at.RECORD_COLUMNS))

    def arrive(
        self, time: float, prompt: float, output: float, kind: int = 0, stays: float = NEVER
    ) -> None:
        """Let a request of class `kind` arrive, lengths in tokens, after all that came before.

        It waits `stays` seconds at most, in either queue; only where patience_rate is not 0.
        """
        self.run(time)
        room, theta = self.room, self.rules.patience[kind]
        request = new_request(self.rules, room, kind, time, 0)
        draw = -np.expm1(-theta * stays) if stays < NEVER else 1 - 2.0**-53
        columns = [at.PROMPT, at.OUTPUT, at.PATIENCE]
        room.request_reals[request, columns] = prompt, output, draw
        line_up(room, kind, request)
        start_waiting(self.rules, room, request, time, draw)
        room.counts[kind, Flow.ARRIVALS] += 1

    def run(self, until: float) -> None:
        """Simulate until that time, s."""
        code = kernel.advance(self.rules, self.room, float(until), 1 << 20, self.records)
        assert code == kernel.DONE

    @property
    def ended(self) -> list["Ended"]:
        """Return the requests that have ended, in the order of arrival, then of prefill."""
        rows = self.records[: self.room.counters[at.RECORDED]]
        arrived, started, prefilled = rows[:, 2:5].T
        return [Ended(*row) for row in rows[np.lexsort((prefilled, started, arrived))]]


@dataclass(frozen=True)
class Ended:
    """A record, columns as `gnr.validation.per_gpu.requests.write_record` writes them."""

    kind: float
    outcome: float
    arrived: float
    started: float
    prefilled: float
    decoding: float
    end: float
    prompt: float
    output: float
    origin: float
    gpu: float
    moved: float


def cluster_by_hand(policy: str, plan: Plan, rates: Rates | None = None) -> ByHand:
    """Return an empty cluster under a policy and a plan made by hand."""
    rates = rates or rates_by_hand(len(plan.classes))
    return ByHand(make_rules(rates, plan, POLICIES[policy], FIXED), plan.gpus)


def empty_room(rules: Rules, gpus: int, requests: int = 64) -> Room:
    """Return an empty cluster that nobody comes to by himself."""
    streams = np.arange(1, 9, dtype=np.uint64).reshape(2, 4) * np.uint64(0x9E3779B97F4A7C15 // 9)
    room = make_room(rules, gpus, requests, streams)
    kernel.populate(rules, room, np.zeros((len(rules.patience), at.ROWS)))
    room.times[at.NEXT_ARRIVAL] = NEVER
    return room


def faults_in(rules: Rules, room: Room) -> list[str]:
    """Return what is inconsistent in a cluster between two events, found by brute force."""
    return [told for told, wrong in _checks(rules, room) if wrong]


def _checks(rules: Rules, room: Room) -> list[tuple[str, bool]]:
    classes, gpus = len(rules.patience), len(room.ready)
    reals, whole = room.gpu_reals, room.gpu_integers
    decodes, prefilling = whole[:, at.DECODES], whole[:, at.PREFILLING]
    busy = prefilling != at.NOBODY
    seated = [list(whole[g, rules.holders : rules.holders + decodes[g]]) for g in range(gpus)]
    kind = room.request_integers[:, at.CLASS]
    held = np.array([np.bincount(kind[each], minlength=classes) for each in seated])
    lines = [_line(room, line) for line in range(3 * classes)]
    waiting = [request for line in lines for request in line]
    expected = np.zeros((classes, at.ROWS))
    expected[:, at.PREFILL] = np.bincount(kind[prefilling[busy]], minlength=classes)
    expected[:, at.MIXED], expected[:, at.SOLO] = held[busy].sum(0), held[~busy].sum(0)
    for stage, row in enumerate((at.QUEUE, at.BUFFER, at.SOLO_BUFFER)):
        expected[:, row] = [len(lines[stage * classes + i]) for i in range(classes)]
    everyone = sorted([*waiting, *prefilling[busy], *(each for gpu in seated for each in gpu)])
    unused = list(room.unused[: room.counters[at.UNUSED]])
    first = np.array([np.min(reals[g, rules.finish :][: decodes[g]], initial=np.inf)
                      for g in range(gpus)])  # fmt: skip
    left = np.where(decodes > 0, first - reals[:, at.TOKENS], np.inf)
    events = np.minimum(reals[:, at.PREFILL_ENDS], reals[:, at.SINCE] + left / reals[:, at.SPEED])
    group = np.where(np.arange(gpus) < rules.prefill_gpus, 0, 1)
    most = rules.decode_slots[group] + (np.arange(gpus) < rules.roomier_gpus)
    ready = (group == 0) & ~busy & (decodes < rules.slots)
    free = (decodes < most) & (decodes + busy < rules.slots)
    lists = [set(room.free[k, : room.counters[at.FREE_GPUS + k]]) for k in range(4)]
    credit, cap = float(room.times[at.CREDIT]), float(rules.prefill_cap)
    spent = float(room.integral.reshape(classes, at.ROWS)[:, at.PREFILL].sum())
    granted = cap * float(room.times[at.CLOCK]) * (1 + 1e-12) + 1e-9
    alarms = list(room.alarms[: room.counters[at.ALARMS]])
    deadline = room.request_reals[:, at.DEADLINE]
    patient = [each for each in waiting if rules.patience[kind[each]] == 0]
    return [
        ("state", not np.array_equal(room.state.reshape(expected.shape), expected)),
        ("held by class", not np.array_equal(whole[:, at.HELD : at.HELD + classes], held)),
        ("slots", bool(np.any(decodes + busy > rules.slots))),
        ("decode slots of a group", bool(np.any(decodes > most))),
        ("prefill outside the group", bool(np.any(busy & (group == 1)))),
        ("a request twice or lost", sorted([*everyone, *unused]) != list(range(len(room.unused)))),
        ("speed", not np.array_equal(reals[:, at.SPEED], rules.speeds[busy.astype(int)])),
        ("next event of a GPU", not np.array_equal(room.tree[:gpus], events)),
        ("first event", room.tree[-1] != events.min()),
        ("ready", set(room.ready[: room.counters[at.READY_GPUS]]) != set(np.flatnonzero(ready))),
        ("lists", any(lists[k] != set(np.flatnonzero(free & (2 * group + busy == k)))
                      for k in range(4))),
        ("who may leave", sorted([*alarms, *patient]) != sorted(waiting)),
        ("heap", any(deadline[alarms[k]] < deadline[alarms[(k - 1) // 2]]
                     for k in range(1, len(alarms)))),
        ("places in the heap", any(room.request_integers[each, at.ALARM] != k
                                   for k, each in enumerate(alarms))),
        ("sizes of the buffers", [len(line) for line in _buffers(lines, classes)]
         != list(room.counters[at.WAITING : at.WAITING + 2])),
        ("credit", credit > choices.MOST_CREDIT or spent + credit > granted),
        ("cap on prefills", bool(busy.sum() > rules.most_prefills)),
        ("balance", not np.array_equal(_present(room), expected.sum(axis=1))),
    ]  # fmt: skip


def _buffers(lines: Sequence[Sequence[int]], classes: int) -> list[list[int]]:
    return [
        [each for line in lines[k * classes : (k + 1) * classes] for each in line] for k in (1, 2)
    ]


def _present(room: Room) -> np.ndarray[Any, Any]:
    """Return arrivals less departures of each class, for a cluster that started empty."""
    counts = room.counts
    gone = [Flow.PREFILL_ABANDONMENTS, Flow.DECODE_ABANDONMENTS, Flow.SOLO_QUEUE_ABANDONMENTS,
            Flow.MIXED_COMPLETIONS, Flow.SOLO_COMPLETIONS]  # fmt: skip
    return np.asarray(counts[:, Flow.ARRIVALS] - counts[:, gone].sum(axis=1))


def _line(room: Room, line: int) -> list[int]:
    """Return the requests of a line, walked from its head and checked from its tail."""
    forward, request = [], int(room.head[line])
    while request != at.NOBODY:
        assert room.request_integers[request, at.LINE] == line
        forward.append(request)
        request = int(room.request_integers[request, at.BEHIND])
    backward, request = [], int(room.tail[line])
    while request != at.NOBODY:
        backward.append(request)
        request = int(room.request_integers[request, at.BEFORE])
    assert forward == backward[::-1]
    return forward
