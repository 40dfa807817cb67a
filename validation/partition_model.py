r"""What a partition of n GPUs earns under backpressure, predicted without simulation.

A deterministic model of `gate-and-route-backpressure` on M mixed and n - M solo GPUs, per-GPU
accounting (10.1(d')). Two stages, each solved exactly as a Markov chain, are coupled by two numbers
and by the flows of the classes; the coupling is the approximation.

**Decode stage.** Let :math:`S=M(B-1)+(n-M)B` be the decode slots. While slots are free the gate is
open and prefills end at rate :math:`r`; m busy slots free at rate

.. math:: d(m)=\big[\gamma\min(m,S_s)+v\,(m-S_s)^+\big]/\bar D,\quad
   v=\tfrac XM\tfrac1\tau+\big(1-\tfrac XM\big)\gamma,\quad S_s=(n-M)B,

with :math:`\bar D` the mean output of the requests let in and X the prefills in progress. A prefill
that ends with all slots busy closes the gate. The closed time is a chain of its own: b waiting
requests and k prefills ended since; :math:`r\bar s-k` prefills, of mean length
:math:`\bar s`, are still in progress, each ends with rate :math:`1/\bar s`, a slot frees with rate
:math:`d(S)+\bar\theta b`, and the gate opens at b = 0. Its mean duration T, its prefills and its
integral of b follow by recursion in k and b; with them the birth-death chain up to S gives the flow
F(r), the mean line Q_d, and the part of time p_c that the gate is closed.

**Prefill stage.** A closed gate slows a class of rate :math:`\mu` that always waits to the share

.. math:: \sigma(\mu)=1-p_c\,\frac{\mu T}{1+\mu T}

of its prefill slots: what is in progress goes on for :math:`1/\mu`. The classes that rank from 1 to
k are together an Erlang-A queue of M servers with that slowing, patience that of class k (who
waits is mostly of the last rank); work goes to class k by the difference of busy servers. A class
also waits where a lower rank holds all servers, for :math:`1/(M\bar\mu)`. The last rank takes the
servers that the others leave, at most its limit; what it lacks while they leave too few is made up
later by those who are still there, the share :math:`1/(1+\theta\,T_l)`, T_l the mean time of lack.

**Fixed point.** r is the root of F(r) = sum of the prefill flows, unique since F grows with r and
the flows fall with it. The flows set X, :math:`\bar D,\bar s,\bar\theta` and are iterated.

Near the best group size the predicted gap is off by half a percentage point or so, mostly by the
same for neighbours; groups that are too small are predicted too well. What is closer than that is
for `gnr.validation.studies.finite_plan` to decide by simulation.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numba import njit
from scipy import optimize

from gnr.arrays import Floats
from gnr.plan import Plan
from gnr.rates import Rates

FAR = 1e100
"""Weights are scaled down beyond this."""

NEGLIGIBLE = 1e-14
"""A weight below this share of the sum ends a chain."""

WINDOW = 40.0
"""Square roots of the servers below the mode at which a chain begins; the rest weighs nothing."""

LONGEST_QUEUE = 100_000
"""States of a queue at most: that of a class that never leaves is cut off."""

DAMPING, TOLERANCE, MOST_ROUNDS = 0.5, 1e-5, 60
"""Of the iteration over the flows."""

_compiled = njit(cache=True, error_model="numpy")


@dataclass(frozen=True)
class Prediction:
    """What the model says of a plan; class arrays have shape ``(classes,)``.

    Attributes
    ----------
    revenue_rate
        Money/s per GPU, bundled (eq. P22).
    prefills
        Finished prefills of the whole cluster, requests/s.
    decode_queue
        Requests that wait for a decode slot, whole cluster.
    closed
        Part of the time that the gate is closed by backpressure.
    """

    revenue_rate: float
    prefills: Floats
    decode_queue: float
    closed: float


@dataclass(frozen=True)
class _Decode:
    """The decode stage at a rate r of prefills while the gate is open."""

    flow: float
    queue: float
    closed: float
    closure: float
    """T, s."""

    def share(self, rate: float) -> float:
        """Return sigma: the part of its prefill slots that a class of that rate can use."""
        lasting = rate * self.closure
        return 1 - self.closed * lasting / (1 + lasting)


def predict(rates: Rates, plan: Plan) -> Prediction:
    """Return what `plan` earns under gate-and-route-backpressure.

    Parameters
    ----------
    rates
        Rates of the instance.
    plan
        A plan for the same classes; its group size, ranks, targets and limits are read.
    """
    stages = _Stages.of(rates, plan)
    if not stages.levels or plan.mixed_gpus == 0:
        return Prediction(0.0, np.zeros(rates.classes), 0.0, 0.0)
    flows = np.where(
        stages.admitted, np.minimum(stages.arrival, rates.prefill * stages.target), 0.0
    )
    for _ in range(MOST_ROUNDS):
        decode, found = stages.balance(flows)
        change = float(np.abs(found - flows).max())
        flows = DAMPING * flows + (1 - DAMPING) * found
        if change <= TOLERANCE * float(flows.sum()):
            break
    left = rates.patience_rate * flows / flows.sum() * decode.queue
    return Prediction(
        float(rates.reward @ (flows - left)) / plan.gpus, flows, decode.queue, decode.closed
    )


class _LastRank(NamedTuple):
    """What the last rank asks of the prefill servers."""

    load: float
    """Servers that would be busy with all of it."""
    limit: float
    """Most servers that it may have."""
    patience: float
    """Rate at which it leaves, 1/s."""
    share: float
    """Part of its servers that it can use, see `_Decode.share`."""


@dataclass(frozen=True)
class _Stages:
    """The numbers of both stages; class arrays have shape ``(classes,)``, whole cluster."""

    rates: Rates
    gpus: int
    servers: int
    arrival: Floats
    target: Floats
    admitted: Floats
    levels: list[list[int]]
    """Classes of each rank, the first rank first."""
    limit: float
    """Most prefills of the last rank."""

    @classmethod
    def of(cls, rates: Rates, plan: Plan) -> "_Stages":
        ranks = [each.rank for each in plan.classes]
        levels = [
            [i for i, rank in enumerate(ranks) if rank == place]
            for place in sorted({rank for rank in ranks if rank is not None})
        ]
        limits = [plan.classes[i].prefill_limit for i in (levels[-1] if levels else [])]
        most = min((each for each in limits if each is not None), default=plan.mixed_gpus)
        return cls(
            rates,
            plan.gpus,
            plan.mixed_gpus,
            plan.gpus * np.asarray(rates.arrival_rate),
            np.array([each.gate_target for each in plan.classes]),
            np.array([rank is not None for rank in ranks]),
            levels,
            float(min(most, plan.mixed_gpus)),
        )

    def balance(self, flows: Floats) -> tuple[_Decode, Floats]:
        """Return the decode stage and the prefill flows that agree, with the mix of `flows`."""
        total = float(flows.sum())
        stay = float((flows / self.rates.prefill).sum()) / total

        def surplus(rate: float) -> float:
            decode = self.decode(rate, stay, flows)
            return decode.flow - float(self.prefill(decode, rate, flows).sum())

        most = self.servers / stay
        least = 1e-9 * most
        if surplus(most) <= 0:
            rate = most
        else:
            rate = float(optimize.brentq(surplus, least, most, xtol=1e-9 * most, rtol=1e-7))
        decode = self.decode(rate, stay, flows)
        return decode, self.prefill(decode, rate, flows)

    def decode(self, rate: float, stay: float, flows: Floats) -> _Decode:
        """Return the decode stage while prefills of mean length `stay` end at `rate`."""
        rates, total = self.rates, float(flows.sum())
        output = float(flows @ rates.output_tokens) / total
        mixed = min(total * stay / self.servers, 1.0)
        solo_slots = (self.gpus - self.servers) * int(rates.batch_slots)
        slots = solo_slots + self.servers * (int(rates.batch_slots) - 1)
        fast = 1 / (float(rates.solo_time) * output)
        slow = mixed / (float(rates.mixed_time) * output) + (1 - mixed) * fast
        patience = float(flows @ rates.patience_rate) / total
        return _Decode(*_decode_stage(rate, stay, solo_slots, slots, fast, slow, patience))

    def prefill(self, decode: _Decode, rate: float, flows: Floats) -> Floats:
        """Return the prefill flow of each class beside that decode stage, requests/s."""
        rates, last = self.rates, self.levels[-1]
        everybody = [i for level in self.levels for i in level]
        speed, all_speed = self._speed(last, flows), self._speed(everybody, flows)
        load, patience = float(self.arrival[last].sum()) / speed, self._patience(last)
        share = decode.share(speed)
        others = _LastRank(load, self.limit, patience, share)
        found, before, used = np.zeros(len(flows)), 0.0, min(load, self.limit * share)
        held, waits, below = 0.0, [], list[int]()
        for level in self.levels[:-1]:
            below = below + level
            own = self._speed(below, self.arrival)
            busy, full, held, used = self._stage(
                below, own, decode.share(own), self._patience(level), others
            )
            found[level] = (busy - before) * self._speed(level, self.arrival) * self._parts(level)
            waits.append((level, full))
            before = busy
        for level, full in waits:
            waiting = float(self.arrival[level].sum()) * (held - full) / (self.servers * all_speed)
            lost = self._patience(level) * max(waiting, 0.0) * self._parts(level)
            found[level] = np.clip(found[level] - lost, 0.0, self.arrival[level])
        slowed = min(decode.flow / rate, 1.0)
        total = self._stage(everybody, all_speed, slowed, patience, _LastRank(0.0, 0.0, 0.0, 1.0))
        left = min(used, max(total[0] - before, 0.0)) * speed
        found[last] = _fill(left, self.arrival[last], (rates.prefill * self.target)[last])
        return found

    def _stage(
        self, classes: list[int], speed: float, share: float, patience: float, others: "_LastRank"
    ) -> tuple[float, float, float, float]:
        arrival = float(self.arrival[classes].sum())
        found = _prefill_stage(arrival, speed, float(self.servers), share, patience, *others)
        return cast(tuple[float, float, float, float], found)

    def _speed(self, classes: list[int], weight: Floats) -> float:
        """Return the rate of a prefill of these classes, 1/s, mixed by `weight`."""
        each = np.maximum(weight[classes], 1e-12)
        return float(each.sum() / (each / self.rates.prefill[classes]).sum())

    def _patience(self, classes: list[int]) -> float:
        """Return the rate at which one of these classes leaves while it waits, 1/s."""
        return float(self._parts(classes) @ self.rates.patience_rate[classes])

    def _parts(self, classes: list[int]) -> Floats:
        """Return the share of each of these classes in their arrivals."""
        return np.asarray(self.arrival[classes] / self.arrival[classes].sum())


def _fill(total: float, most: Floats, weight: Floats) -> Floats:
    """Return `total` split in proportion to `weight`, none above `most`; shape ``(classes,)``."""
    found, left = np.zeros(len(most)), min(total, float(most.sum()))
    for _ in most:
        open_ = np.where(found < most * (1 - 1e-12), weight, 0.0)
        if left <= 0 or open_.sum() <= 0:
            break
        added = np.minimum(left * open_ / open_.sum(), most - found)
        found, left = found + added, left - float(added.sum())
    return found


@_compiled
def _closure(prefills, stay, freeing, patience):  # type: ignore[no-untyped-def]
    """Return duration, prefills ended and integral of the line of a time with the gate closed.

    It begins with one in the line and `prefills` - 1 in progress; beyond 4 times their number to
    the 2/3, which only a large cluster could reach, no more end.
    """
    most = min(math.ceil(prefills), int(4 * prefills ** (2 / 3)) + 10)
    time, ended, line = np.zeros(most + 2), np.zeros(most + 2), np.zeros(most + 2)
    for k in range(most, 0, -1):  # prefills that have ended; the arrays hold those of k + 1
        before = np.zeros(3)
        up = max(prefills - k, 0.0) / stay if k < most else 0.0
        for b in range(1, k + 1):
            down = freeing + patience * b
            total = up + down
            before[0] = (1.0 + up * time[b + 1] + down * before[0]) / total
            before[1] = (up * (1.0 + ended[b + 1]) + down * before[1]) / total
            before[2] = (b + up * line[b + 1] + down * before[2]) / total
            # b is not read again at k: only b + 1 of the later ones is
            time[b], ended[b], line[b] = before[0], before[1], before[2]
    return time[1], ended[1], line[1]


@_compiled
def _decode_stage(rate, stay, solo, slots, fast, slow, patience):  # type: ignore[no-untyped-def]
    """Return prefills per second, mean line, part of time closed and mean closed time, s."""
    mode = min(float(slots), rate / fast)
    m = max(0, int(mode - WINDOW * math.sqrt(slots + 1.0)))
    weight = total = 1.0
    while m < slots:
        m += 1
        weight *= rate / (fast * min(m, solo) + slow * max(m - solo, 0))
        total += weight
        if weight > FAR:
            total /= weight
            weight = 1.0
    freeing = fast * solo + slow * (slots - solo)
    time, ended, line = _closure(max(rate * stay, 1.0), stay, freeing, patience)
    into = weight * rate
    births, closed = rate * total + into * ended, into * time
    total += closed
    return births / total, into * line / total, closed / total, time


@_compiled
def _prefill_stage(  # type: ignore[no-untyped-def]
    arrival, speed, servers, share, patience, load, limit, last_patience, last_share
):
    """Return the busy servers of an Erlang-A queue, and what it leaves to the last rank.

    The four are busy servers, the part of time that all are busy by the queue, or by it and the
    last rank together, and the servers that the last rank uses of the `load` that it asks for.
    """
    j = max(0, int(min(arrival / (share * speed), servers) - WINDOW * math.sqrt(servers + 1.0)))
    weight = 1.0
    total = busy = full = held = used = spare = lack = lacking = entering = 0.0
    for _ in range(LONGEST_QUEUE):
        serving = share * min(float(j), servers)
        free = min(max(servers - j, 0.0), limit) * last_share
        got = min(load, free)
        total += weight
        busy += weight * serving
        used += weight * got
        spare += weight * free
        if got < load:
            lacking += weight
            lack += weight * (load - got)
        else:
            entering = weight * arrival
        if j >= servers:
            full += weight
            held += weight
        elif servers - j <= limit and load > 0.0:  # Sakasegawa: chance that all of them are busy
            root = math.sqrt(2.0 * (servers - j + 1.0))
            held += weight * min(1.0, load / free) ** (root - 1.0)
        if j > servers and weight < NEGLIGIBLE * total:
            break
        j += 1
        serving = share * min(float(j), servers)
        weight *= arrival / (speed * serving + patience * (j - serving))
        if weight > FAR:
            total, busy, used, spare = total / weight, busy / weight, used / weight, spare / weight
            lacking, lack, entering = lacking / weight, lack / weight, entering / weight
            full, held = full / weight, held / weight
            weight = 1.0
    if entering > 0.0:
        used = min(spare, used + lack / (1.0 + last_patience * lacking / entering))
    return busy / total, full / total, held / total, used / total
