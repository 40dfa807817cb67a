"""Many independent chains side by side: one lane per replication, cluster size and instance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.validation.chain import Chain, Flow, Row

Seeds: TypeAlias = NDArray[np.uint64]
"""States of the random number generators, one per lane, shape ``(4, lanes)``."""


@dataclass(frozen=True)
class Lanes:
    """State and records of every lane; class axes first, lanes last.

    Attributes
    ----------
    state
        Requests in each row, shape ``(classes, 6, lanes)``, rows as `Row`.
    integral
        Time integral of `state`, request-seconds, same shape.
    count
        Events so far, shape ``(classes, 7, lanes)``, rows as `Flow`.
    clock
        Simulated time, s, shape ``(lanes,)``.
    events
        Poisson events so far, shape ``(lanes,)``.
    """

    state: Floats
    integral: Floats
    count: Floats
    clock: Floats
    events: Floats

    @classmethod
    def starting_at(cls, state: Floats) -> "Lanes":
        """Return lanes with `state` of shape ``(classes, 6, lanes)`` and clean records."""
        classes, _, lanes = state.shape
        return cls(
            state=state.astype(float),
            integral=np.zeros_like(state, dtype=float),
            count=np.zeros((classes, len(Flow), lanes)),
            clock=np.zeros(lanes),
            events=np.zeros(lanes),
        )

    def since(self, earlier: Self) -> Self:
        """Return the present state with the records since `earlier` only."""
        records = {
            name: value if name == "state" else value - vars(earlier)[name]
            for name, value in vars(self).items()
        }
        return replace(self, **records)

    def joined(self, later: Self) -> Self:
        """Return these lanes and then the `later` ones."""
        records = {
            name: np.concatenate([value, vars(later)[name]], axis=-1)
            for name, value in vars(self).items()
        }
        return replace(self, **records)

    def mean_state(self) -> Floats:
        """Return time averages of the state, requests, shape ``(classes, 6, lanes)``."""
        return self.integral / self.clock

    def flow(self) -> Floats:
        """Return the rates of what is counted, 1/s, shape ``(classes, 7, lanes)``."""
        return self.count / self.clock


def empty_cluster(chain: Chain) -> Floats:
    """Return the state of a cluster without requests, shape ``(classes, 6)``."""
    return np.zeros_like(chain.planned)


def fluid_point(chain: Chain) -> Floats:
    """Return the plan in whole requests, with no slot idle beside a waiting request.

    Shape ``(classes, 6)``. The policy keeps that property from then on.
    """
    return settled(chain, np.floor(chain.planned))


def settled(chain: Chain, state: Floats) -> Floats:
    """Return `state` after waiting requests took the free slots, in file order.

    Parameters
    ----------
    chain
        The cluster; a state above its slots is cut down to them first.
    state
        Whole requests, shape ``(classes, 6)``.
    """
    state = state.copy()
    everyone = np.ones(len(state), bool)
    admitted = everyone if chain.gate is None else np.isfinite(chain.gate.offset)
    moves = [
        (Row.PREFILL_QUEUE, Row.PREFILL, chain.prefill_slots, admitted),
        (
            Row.SOLO_QUEUE if chain.split_buffers else Row.DECODE_QUEUE,
            Row.SOLO_DECODE,
            chain.solo_decode_slots,
            everyone,
        ),
        (Row.DECODE_QUEUE, Row.MIXED_DECODE, chain.mixed_decode_slots, everyone),
    ]
    for queue, service, slots, allowed in moves:
        state[:, service] = np.diff(np.minimum(np.cumsum(state[:, service]), slots), prepend=0.0)
        waiting = np.where(allowed, state[:, queue], 0.0)
        free = slots - state[:, service].sum()
        taken = np.diff(np.minimum(np.cumsum(waiting), free), prepend=0.0)
        state[:, queue] -= taken
        state[:, service] += taken
    return state


def lane_seeds(digest: str, gpus: int, seed: int, replications: int, first: int = 0) -> Seeds:
    """Return the seeds of the lanes of one cluster size, unsigned, shape ``(4, replications)``.

    They depend on the instance, the size and the replication and not on the policy: two policies
    meet the same random numbers (common random numbers).

    Parameters
    ----------
    digest
        SHA-256 of the instance, hexadecimal.
    gpus, seed
        Size of the cluster; the user's seed.
    replications, first
        How many lanes, from which replication on.
    """
    words = [int(digest[start:stop], 16) for start, stop in pairwise(range(0, 72, 8))]
    root = np.random.SeedSequence([seed, gpus, *words])
    children = [
        np.random.SeedSequence(root.entropy, spawn_key=(first + lane,))
        for lane in range(replications)
    ]
    return np.stack([child.generate_state(4, np.uint64) for child in children], axis=-1)


def stretch_seeds(seeds: Seeds, stretch: int) -> Seeds:
    """Return the seeds of the lanes for their `stretch`-th stretch of time; shape ``(4, lanes)``.

    Lanes of a block stop at different steps. With fresh numbers for each stretch, a lane does not
    depend on how long it stood waiting for the others, that is, on blocks, engines and threads.
    The words are mixed with the number of the stretch by the finaliser of splitmix64.
    """
    with np.errstate(over="ignore"):
        place = np.arange(1, 5, dtype=np.uint64)[:, None] + np.uint64(4 * stretch)
        mixed = seeds + place * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def check_alike(chains: Sequence[Chain]) -> None:
    """Raise ValueError unless the chains can share a batch: same classes count, same kind."""
    kinds = {(len(chain.names), chain.split_buffers, chain.gate is None) for chain in chains}
    if len(kinds) != 1:
        raise ValueError("the lanes of a batch must have one policy kind and one number of classes")
