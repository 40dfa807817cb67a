"""Test oracle: the pooled chain of THEORY 10.1 (d') and 10.2, written with SimPy.

A second implementation from the text of THEORY alone.  Every request is a process with its own
exponential clocks: it waits in a line, may lose patience, and holds a slot while in service.
All changes of state happen at the instant of the event (grants included), so that the gate and
the router always see the state just after the event that called them.

Choices where THEORY leaves room:

* The gate runs after the prefill that completes has left and after the arrival has joined its
  queue: X_i and Q_p,i are counted then.
* Indices X_i / x_i* within one part in 10^12 are a tie; the tie goes to the largest delta_i
  (U5), and equal deltas to the first class in file order.
* A class of x_i* = 0 is dropped by the gate of Algorithm 2 only; prioritize-and-route and
  fcfs-route admit it.
* When a decode slot frees, the class served is drawn in proportion to the buffer's counts;
  within a class the first come is served.  Algorithm 7 draws by weight, and in proportion to
  counts when only classes of zero weight wait.
* The measured window is [warmup, warmup + horizon].
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

STATES = ("prefill_queue", "prefill", "decode_queue", "mixed_decode", "solo_decode")
EVENTS = (
    "arrivals",
    "prefill_abandonments",
    "prefill_completions",
    "decode_abandonments",
    "mixed_completions",
    "solo_completions",
)
POLICIES = (
    "gate-and-route",
    "prioritize-and-route",
    "sli-aware",
    "sli-aware-general",
    "fcfs-route",
)

Line = dict[simpy.Event, int]  # the ticket of each waiting request and its class, as they came
Process = Generator[simpy.Event, Any, Any]


@dataclass(frozen=True)
class PooledCluster:
    """The cluster, its rates per class (1/s) and its plan (per GPU)."""

    gpus: int
    mixed_gpus: int
    batch_slots: int
    arrival: list[float]
    patience: list[float]
    prefill: list[float]
    mixed: list[float]
    solo: list[float]
    prefill_target: list[float]
    queue_target: list[float]
    prefill_index: list[float]
    solo_probability: list[float]
    solo_weight: list[float]
    mixed_weight: list[float]


class PooledChain:
    """One run of the chain, from an empty cluster."""

    def __init__(
        self, cluster: PooledCluster, policy: str, horizon: float, warmup: float, seed: int
    ) -> None:
        if policy not in POLICIES:
            raise ValueError(f"unknown policy {policy!r}")
        self.cluster, self.policy = cluster, policy
        self.warmup, self.end = warmup, warmup + horizon
        self.random, self.env = random.Random(seed), simpy.Environment()
        self.classes = range(len(cluster.arrival))
        self.now_in = {state: [0 for _ in self.classes] for state in STATES}
        self.area = {state: [0.0 for _ in self.classes] for state in STATES}
        self.events = {event: [0 for _ in self.classes] for event in EVENTS}
        solo_gpus = cluster.gpus - cluster.mixed_gpus
        self.rate = {"mixed": cluster.mixed, "solo": cluster.solo}
        self.slots = {
            "mixed": (cluster.batch_slots - 1) * cluster.mixed_gpus,
            "solo": cluster.batch_slots * solo_gpus,
        }
        self.queue: Line = {}
        shared: Line = {}
        self.split = policy.startswith("sli-aware")
        self.buffer = {pool: {} if self.split else shared for pool in self.slots}

    # Bookkeeping

    def move(self, state: str, kind: int, step: int) -> None:
        """Change a count by one; its effect on the integral lasts until the end of the run."""
        self.now_in[state][kind] += step
        self.area[state][kind] += step * (self.end - max(self.env.now, self.warmup))

    def note(self, event: str, kind: int) -> None:
        """Count an event of the window."""
        self.events[event][kind] += self.env.now >= self.warmup

    def clock(self, rate: float) -> simpy.Event:
        """An exponential clock; one of rate zero never rings."""
        return self.env.timeout(self.random.expovariate(rate) if rate > 0 else math.inf)

    # Waiting

    def join(self, line: Line, state: str, kind: int) -> simpy.Event:
        """Put a request at the end of a line."""
        self.move(state, kind, +1)
        ticket = self.env.event()
        line[ticket] = kind
        return ticket

    def leave(self, line: Line, state: str, ticket: simpy.Event) -> None:
        """Take a request out of a line."""
        self.move(state, line.pop(ticket), -1)

    def wait(self, line: Line, state: str, ticket: simpy.Event) -> Process:
        """Wait for the grant; give up when patience ends.  Returns whether it was granted."""
        if not ticket.triggered:
            yield ticket | self.clock(self.cluster.patience[line[ticket]])
        if not ticket.triggered:
            self.leave(line, state, ticket)
        return ticket.triggered

    def grant(self, line: Line, state: str, kind: int, place: str) -> None:
        """Move the first waiting request of a class into service."""
        ticket = next(t for t, k in line.items() if k == kind)
        self.leave(line, state, ticket)
        self.move(place, kind, +1)
        ticket.succeed(place)

    # Decisions

    def admit(self) -> None:
        """Fill idle prefill slots (the gate; run after an arrival or a prefill completion)."""
        while self.queue and sum(self.now_in["prefill"]) < self.cluster.mixed_gpus:
            kind = self.next_prefill()
            if kind is None:
                return
            self.grant(self.queue, "prefill_queue", kind, "prefill")

    def next_prefill(self) -> int | None:
        """The class to admit, None when no admissible class waits."""
        plan, waiting = self.cluster, sorted(set(self.queue.values()))
        if self.policy == "fcfs-route":
            return next(iter(self.queue.values()))
        if self.policy == "prioritize-and-route":
            return max(waiting, key=lambda i: plan.prefill_index[i])
        index = {
            i: self.now_in["prefill"][i] / plan.prefill_target[i]
            for i in waiting
            if plan.prefill_target[i] > 0
        }
        tied = [i for i in index if math.isclose(index[i], min(index.values()), rel_tol=1e-12)]
        queues = self.now_in["prefill_queue"]
        return max(tied, key=lambda i: queues[i] - plan.gpus * plan.queue_target[i], default=None)

    def pools(self, kind: int) -> list[str]:
        """The pools that a request may enter after its prefill, in order of preference."""
        if not self.split:
            return ["solo", "mixed"]
        to_solo = self.random.random() < self.cluster.solo_probability[kind]
        return ["solo" if to_solo else "mixed"]

    def next_decode(self, pool: str) -> int:
        """The class that takes a slot just freed in a pool whose buffer is not empty."""
        waiting = list(self.buffer[pool].values())
        if self.policy == "sli-aware-general":
            plan = self.cluster
            weights = plan.solo_weight if pool == "solo" else plan.mixed_weight
            present = [i for i in sorted(set(waiting)) if weights[i] > 0]
            if present:
                return self.random.choices(present, [weights[i] for i in present])[0]
        return self.random.choice(waiting)

    # Processes

    def request(self, kind: int) -> Process:
        """The life of a request."""
        self.note("arrivals", kind)
        ticket = self.join(self.queue, "prefill_queue", kind)
        self.admit()
        if not (yield from self.wait(self.queue, "prefill_queue", ticket)):
            self.note("prefill_abandonments", kind)
            return
        yield self.clock(self.cluster.prefill[kind])
        self.move("prefill", kind, -1)
        self.note("prefill_completions", kind)
        self.admit()
        yield from self.decode(kind)

    def decode(self, kind: int) -> Process:
        """The decode phase: a free slot at once, or the buffer."""
        choice = self.pools(kind)
        free = [p for p in choice if sum(self.now_in[f"{p}_decode"]) < self.slots[p]]
        if free:
            pool = free[0]
            self.move(f"{pool}_decode", kind, +1)
        else:
            line = self.buffer[choice[0]]
            ticket = self.join(line, "decode_queue", kind)
            if not (yield from self.wait(line, "decode_queue", ticket)):
                self.note("decode_abandonments", kind)
                return
            pool = str(ticket.value).removesuffix("_decode")
        yield self.clock(self.rate[pool][kind])
        self.move(f"{pool}_decode", kind, -1)
        self.note(f"{pool}_completions", kind)
        if self.buffer[pool]:
            served = self.next_decode(pool)
            self.grant(self.buffer[pool], "decode_queue", served, f"{pool}_decode")

    def arrivals(self, kind: int) -> Process:
        """The Poisson arrivals of a class to the whole cluster."""
        while True:
            yield self.clock(self.cluster.gpus * self.cluster.arrival[kind])
            self.env.process(self.request(kind))

    def run(self) -> None:
        """Run to the end of the window."""
        for kind in self.classes:
            self.env.process(self.arrivals(kind))
        self.env.run(until=self.end)


def simulate(
    cluster: PooledCluster, policy: str, horizon: float, warmup: float, seed: int
) -> dict[str, list[float]]:
    """Time averages per GPU and counts of events, per class, over ``horizon`` after ``warmup``."""
    chain = PooledChain(cluster, policy, horizon, warmup, seed)
    chain.run()
    scale = 1 / (cluster.gpus * horizon)
    averages = {state: [scale * area for area in chain.area[state]] for state in STATES}
    counts = {event: [float(count) for count in chain.events[event]] for event in EVENTS}
    return {**averages, **counts}
