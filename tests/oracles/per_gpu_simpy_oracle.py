"""Plain SimPy simulator of n GPUs at the per-GPU fidelity, written from THEORY.md alone.

A GPU is mixed while a prefill is in progress on it, otherwise solo; its decodes change speed when
its mode changes and keep the tokens they have. Lengths are exponential and drawn per request,
patience is exponential and drawn afresh in each queue. The instance is a dict::

    {"B", "C", "alpha", "beta", "tau_solo", "c_p", "c_d", "classes": [{"P", "D", "lam", "theta"}]}

with rates per GPU and times in seconds; the plan is a dict of "x_star", "q_p_star" and "phi_hat"
(the ranks, exactly 0 for a marginal class), one number per class each.

Where the theory is silent: the cluster starts empty; a policy sees the counts after the event
that calls it; at a prefill completion the finished prefill is placed before the next one is
admitted; GPUs are drawn uniformly; the last tie goes to the class of the lower index.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from typing import Any

import simpy

Params = dict[str, Any]
STATES = ("x", "y_m", "y_s", "q_p", "q_d")


class Record:
    """The occupancies, and per class what was counted and integrated since the last reset."""

    def __init__(self, env: simpy.Environment, classes: int) -> None:
        self.env = env
        self.level = {(state, kind): 0 for state in STATES for kind in range(classes)}
        self.reset()

    def reset(self) -> None:
        """Forget what was measured so far; the occupancies themselves stay."""
        self.start = self.env.now
        self.since = dict.fromkeys(self.level, self.start)
        self.area = dict.fromkeys(self.level, 0.0)
        self.events: Counter[tuple[str, int]] = Counter()
        self.ttft_sum: defaultdict[int, float] = defaultdict(float)

    def change(self, state: str, kind: int, step: int) -> None:
        """Change the number of class-`kind` jobs in `state` by `step`."""
        key, now = (state, kind), self.env.now
        self.area[key] += self.level[key] * (now - self.since[key])
        self.since[key] = now
        self.level[key] += step

    def mean(self, state: str, kind: int) -> float:
        """Return the time average of the number of class-`kind` jobs in `state`."""
        self.change(state, kind, 0)
        return self.area[state, kind] / (self.env.now - self.start)


@dataclass(eq=False)
class Job:
    """One request: its class, its output length, and the starts of its two services."""

    kind: int
    output: float
    prefill_started: simpy.Event
    decode_started: simpy.Event
    prefill_gpu: Gpu | None = None


class Gpu:
    """One GPU: at most one prefill, and decodes that all advance at the speed of its mode.

    `emitted` counts the tokens that a decode present from time 0 would have emitted by `updated`;
    a decode of d tokens that starts when it reads e finishes when it reads e + d.
    """

    def __init__(self, cluster: Cluster, index: int) -> None:
        self.cluster = cluster
        self.env = cluster.env
        self.index = index
        self.mode = "y_s"  # the state of the decodes here: "y_m" while a prefill is in progress
        self.decodes: list[tuple[float, int, Job]] = []
        self.emitted = 0.0
        self.updated = 0.0
        self.timer: simpy.Event | None = None

    def set_mode(self, mode: str) -> None:
        """Switch the decodes to `mode`, with their progress carried over."""
        self._advance()
        for _, _, job in self.decodes:
            self.cluster.record.change(self.mode, job.kind, -1)
            self.cluster.record.change(mode, job.kind, 1)
        self.mode = mode
        self._set_timer()

    def add_decode(self, job: Job) -> None:
        """Start the decode of `job` in this batch."""
        self._advance()
        heapq.heappush(self.decodes, (self.emitted + job.output, next(self.cluster.serial), job))
        self.cluster.record.change(self.mode, job.kind, 1)
        self._set_timer()

    def _advance(self) -> None:
        self.emitted += (self.env.now - self.updated) * self.cluster.speed[self.mode]
        self.updated = self.env.now

    def _set_timer(self) -> None:
        """Wait for the end of the shortest decode; a timer set earlier is thereby void."""
        self.timer = None
        if self.decodes:
            tokens = max(0.0, self.decodes[0][0] - self.emitted)
            self.timer = self.env.timeout(tokens / self.cluster.speed[self.mode])
            self.timer.callbacks.append(self._finish_decode)

    def _finish_decode(self, timer: simpy.Event) -> None:
        if timer is self.timer:
            self._advance()
            job = heapq.heappop(self.decodes)[2]
            self.cluster.record.change(self.mode, job.kind, -1)
            self._set_timer()
            self.cluster.decode_finished(self, job)


@dataclass(frozen=True)
class Rules:
    """A policy: who may start a prefill, which class is next (least key), where a decode goes."""

    may_prefill: Callable[[Gpu], bool]
    key: Callable[[int], tuple[float, float]]
    route: Callable[[Gpu], Gpu | None]  # from the GPU of the prefill; None: to the decode buffer


class Cluster:
    """The GPUs, the prefill queue of each class and the decode buffer, driven by one policy."""

    def __init__(self, instance: Params, plan: Params, policy: Policy, n: int, seed: int) -> None:
        self.env = simpy.Environment()
        self.rng = random.Random(seed)
        self.classes = instance["classes"]
        self.plan = plan
        self.slots = instance["B"]
        mixed_iteration = instance["alpha"] + instance["beta"] * instance["C"]
        self.prefill_token_time = mixed_iteration / instance["C"]
        self.speed = {"y_m": 1 / mixed_iteration, "y_s": 1 / instance["tau_solo"]}
        self.record = Record(self.env, len(self.classes))
        self.serial = count()
        self.gpus = [Gpu(self, index) for index in range(n)]
        self.queues: list[deque[Job]] = [deque() for _ in self.classes]
        self.buffer: deque[Job] = deque()
        self.rules = policy(self)
        for kind in range(len(self.classes)):
            self.env.process(self._arrivals(kind))

    def _arrivals(self, kind: int) -> Generator[simpy.Event, Any, None]:
        rate = len(self.gpus) * self.classes[kind]["lam"]
        while True:
            yield self.env.timeout(self.rng.expovariate(rate))
            self.env.process(self._request(kind))

    def _request(self, kind: int) -> Generator[simpy.Event, Any, None]:
        """Live the life of one request up to the start of its decode."""
        record, arrival = self.record, self.env.now
        prompt = self.rng.expovariate(1 / self.classes[kind]["P"])
        output = self.rng.expovariate(1 / self.classes[kind]["D"])
        job = Job(kind, output, self.env.event(), self.env.event())
        record.events["arrived", kind] += 1
        record.change("q_p", kind, 1)
        self.queues[kind].append(job)
        self._admit()
        yield from self._wait(job, job.prefill_started, self.queues[kind], "q_p")
        if job.prefill_gpu is None:
            return
        yield self.env.timeout(prompt * self.prefill_token_time)
        record.events["prefilled", kind] += 1
        record.ttft_sum[kind] += self.env.now - arrival
        record.change("x", kind, -1)
        job.prefill_gpu.set_mode("y_s")
        record.change("q_d", kind, 1)
        gpu = self.rules.route(job.prefill_gpu)
        if gpu is None:
            self.buffer.append(job)
        else:
            self._start_decode(job, gpu)
        self._admit()
        yield from self._wait(job, job.decode_started, self.buffer, "q_d")

    def _wait(
        self, job: Job, start: simpy.Event, queue: deque[Job], state: str
    ) -> Generator[simpy.Event, Any, None]:
        """Wait in `queue` for `start`, or leave when the patience ends."""
        theta = self.classes[job.kind]["theta"]
        if not start.triggered:
            yield start | self.env.timeout(self.rng.expovariate(theta)) if theta > 0 else start
        if not start.triggered:
            queue.remove(job)
            self.record.change(state, job.kind, -1)
            self.record.events["left " + state, job.kind] += 1

    def _admit(self) -> None:
        """Start prefills as long as the policy has a GPU and a class (of x_star > 0) for one."""
        while waiting := [k for k, q in enumerate(self.queues) if q and self.plan["x_star"][k] > 0]:
            idle = [g for g in self.gpus if g.mode == "y_s" and self.rules.may_prefill(g)]
            if not idle:
                return
            kind = min(waiting, key=self.rules.key)
            job = self.queues[kind].popleft()
            job.prefill_gpu = self.rng.choice(idle)
            self.record.change("q_p", kind, -1)
            self.record.change("x", kind, 1)
            job.prefill_gpu.set_mode("y_m")
            job.prefill_started.succeed()

    def _start_decode(self, job: Job, gpu: Gpu) -> None:
        self.record.change("q_d", job.kind, -1)
        gpu.add_decode(job)
        job.decode_started.succeed()

    def decode_finished(self, gpu: Gpu, job: Job) -> None:
        """Count the finished request, and hand its slot on: first to the decode buffer."""
        self.record.events["finished", job.kind] += 1
        self.record.events["moved", job.kind] += gpu is not job.prefill_gpu
        if self.buffer:
            self._start_decode(self.buffer.popleft(), gpu)
        self._admit()


Policy = Callable[[Cluster], Rules]


def gate_and_route(cluster: Cluster) -> Rules:
    """Algorithms 1 to 3: the occupancy gate and the work-conserving router on two fixed groups."""
    n, slots, plan, level = len(cluster.gpus), cluster.slots, cluster.plan, cluster.record.level
    mixed = math.ceil(n * sum(plan["x_star"]) - 1e-9)

    def key(kind: int) -> tuple[float, float]:
        excess = level["q_p", kind] - n * plan["q_p_star"][kind]
        return level["x", kind] / plan["x_star"][kind], -excess

    def route(_: Gpu) -> Gpu | None:
        solo = [gpu for gpu in cluster.gpus[mixed:] if len(gpu.decodes) < slots]
        free = solo or [gpu for gpu in cluster.gpus[:mixed] if len(gpu.decodes) < slots - 1]
        return cluster.rng.choice(free) if free else None

    return Rules(lambda gpu: gpu.index < mixed, key, route)


def price_index_fill(cluster: Cluster) -> Rules:
    """Algorithm 10: admit by rank to any free slot, move a finished prefill into a mixed hole."""
    slots, plan, level = cluster.slots, cluster.plan, cluster.record.level

    def key(kind: int) -> tuple[float, float]:
        return -plan["phi_hat"][kind], level["x", kind] / plan["x_star"][kind]

    def route(origin: Gpu) -> Gpu | None:
        mixed = (gpu for gpu in cluster.gpus if gpu.mode == "y_m")
        holes = [gpu for gpu in mixed if len(gpu.decodes) < slots - 1]
        return cluster.rng.choice(holes) if holes else origin

    return Rules(lambda gpu: len(gpu.decodes) < slots, key, route)


def simulate(
    instance: Params, plan: Params, policy: Policy, n: int, warmup: float, horizon: float, seed: int
) -> dict[str, Any]:
    """Simulate `warmup` seconds, then measure for `horizon` seconds more.

    Lists have one entry per class. Every count is of events inside the window: "abandoned_prefill"
    is per arrival, "abandoned_decode" per completed prefill, "ttft" the mean time from arrival to
    the end of prefill, "kv_transfers" the share of finished requests that decoded on another GPU
    than they prefilled on. "revenue" (bundled) and the occupancies are per GPU.
    """
    cluster = Cluster(instance, plan, policy, n, seed)
    cluster.env.run(until=warmup)
    cluster.record.reset()
    cluster.env.run(until=warmup + horizon)
    record, events = cluster.record, cluster.record.events
    kinds = range(len(cluster.classes))
    prices = [instance["c_p"] * c["P"] + instance["c_d"] * c["D"] for c in cluster.classes]
    finished = [events["finished", k] for k in kinds]
    moved = sum(events["moved", k] for k in kinds)
    return {
        "revenue": sum(w * f for w, f in zip(prices, finished, strict=True)) / (n * horizon),
        "ttft": [_ratio(record.ttft_sum[k], events["prefilled", k]) for k in kinds],
        "abandoned_prefill": [_ratio(events["left q_p", k], events["arrived", k]) for k in kinds],
        "abandoned_decode": [_ratio(events["left q_d", k], events["prefilled", k]) for k in kinds],
        "kv_transfers": _ratio(moved, sum(finished)),
        **{state: [record.mean(state, k) / n for k in kinds] for state in STATES},
    }


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else math.nan
