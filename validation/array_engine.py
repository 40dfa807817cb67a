"""The pooled chain on any array library of the array API standard: NumPy on the CPU, CuPy on a GPU.

The plain reading of the chain: one Poisson event per lane and step, arrays of shape ``(lanes,)``,
``(classes, lanes)`` and ``(classes, rows, lanes)``. The compiled engine is checked against it,
event by event.
"""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from gnr.arrays import Floats
from gnr.validation.chain import FAR, SPLIT_ROWS, ZERO_WEIGHT, Chain, Flow, Row
from gnr.validation.lanes import Lanes, Seeds, check_alike, stretch_seeds

ROUND = 64
"""Steps between two looks at the clock and the progress bar."""


class ArrayEngine:
    """Lanes of pooled chains that advance together, one event each at a time.

    Parameters
    ----------
    chains
        One per lane; same policy and number of classes.
    start
        State of the lanes, shape ``(classes, 6, lanes)``.
    seeds
        Unsigned, shape ``(4, lanes)``, as from `gnr.validation.lanes.lane_seeds`.
    library
        Namespace of the array library, for example `numpy`.
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        start: Floats,
        seeds: Seeds,
        library: ModuleType = np,
    ) -> None:
        check_alike(chains)
        self.name = library.__name__.partition(".")[0]
        self._namespace = array_namespace(library.asarray(0.0))
        self._rows = chains[0].rows
        self._route = _route_split if chains[0].split_buffers else _route_shared
        self._choose = _choose_by_count if chains[0].gate is None else _choose_by_index
        send = self._namespace.asarray
        self._numbers = _numbers(chains, send)
        lanes = len(chains)
        self._state = send(start[:, : self._rows].astype(float))
        self._integral = self._namespace.zeros_like(self._state)
        self._count = send(np.zeros((len(start), 1 + self._rows, lanes)))
        self._clock = send(np.zeros(lanes))
        self._seeds, self._stretch = seeds, 0

    def advance(self, until: Floats, progress: Callable[[float], None] | None = None) -> None:
        """Simulate every lane until its time in `until`, s, shape ``(lanes,)``."""
        xp, end = self._namespace, self._namespace.asarray(until)
        numbers = _Uniforms(xp, stretch_seeds(self._seeds, self._stretch))
        self._stretch += 1
        while bool(xp.any(self._clock < end)):
            for _ in range(ROUND):
                self._step(numbers.draw(), numbers.draw(), numbers.draw(), end)
            if progress is not None:
                progress(float(xp.sum(self._count)))

    def feed(self, uniforms: Floats) -> None:
        """Simulate one event per lane for each of the `uniforms`, shape ``(steps, 3, lanes)``."""
        xp = self._namespace
        end = xp.asarray(np.full(uniforms.shape[-1], np.inf))
        for draws in uniforms:
            self._step(xp.asarray(draws[0]), xp.asarray(draws[1]), xp.asarray(draws[2]), end)

    def snapshot(self) -> Lanes:
        """Return a copy of state and records, as NumPy arrays."""
        spare = SPLIT_ROWS - self._rows
        padding = ((0, 0), (0, spare), (0, 0))
        return Lanes(
            state=np.pad(_fetch(self._state), padding),
            integral=np.pad(_fetch(self._integral), padding),
            count=np.pad(_fetch(self._count), padding),
            clock=_fetch(self._clock),
            events=_fetch(self._count).sum(axis=(0, 1)),
        )

    def _step(self, first: Any, second: Any, third: Any, end: Any) -> None:
        """Make one event happen in every lane whose end is not reached."""
        xp, numbers, state = self._namespace, self._numbers, self._state
        clocks = xp.reshape(numbers["leaving"] * state, (-1, state.shape[-1]))
        edges = _running_sums(xp, numbers["arrivals"], clocks)
        total = edges[-1, :]
        elapsed = -xp.log1p(-first) / total
        left = end - self._clock
        alive = elapsed < left
        elapsed = xp.where(alive, elapsed, left)
        self._clock += elapsed
        self._integral += state * elapsed
        point = xp.where(alive, second * total, xp.inf)
        reached = xp.astype(point >= edges, xp.float64)
        leaves = xp.reshape(reached[:-1, :] - reached[1:, :], state.shape)
        arrives = (point >= numbers["low"]) & (point < numbers["high"])
        arrives = xp.astype(arrives, xp.float64)
        state -= leaves
        state[:, Row.PREFILL_QUEUE, :] += arrives
        self._count[:, Flow.ARRIVALS, :] += arrives
        self._count[:, Flow.PREFILL_ABANDONMENTS :, :] += leaves
        self._route(xp, numbers, state, leaves, third)
        self._choose(xp, numbers, state, third)


def _route_shared(xp: Any, numbers: dict[str, Any], state: Any, leaves: Any, third: Any) -> None:
    """Place a finished prefill; give a freed slot to the one decode buffer (Algorithm 3)."""
    mixed, solo = _total(state, Row.MIXED_DECODE), _total(state, Row.SOLO_DECODE)
    waiting = state[:, Row.DECODE_QUEUE, :]
    freed_mixed, freed_solo = (
        _total(leaves, Row.MIXED_DECODE),
        _total(leaves, Row.SOLO_DECODE),
    )
    taken = _draw_by_count(xp, waiting, third) * (freed_mixed + freed_solo)
    prefilled = leaves[:, Row.PREFILL, :]
    solo_free = xp.astype(solo < numbers["solo_slots"], xp.float64)
    mixed_free = xp.astype(mixed < numbers["mixed_slots"], xp.float64) * (1.0 - solo_free)
    state[:, Row.DECODE_QUEUE, :] += prefilled * (1.0 - solo_free - mixed_free) - taken
    state[:, Row.MIXED_DECODE, :] += prefilled * mixed_free + taken * freed_mixed
    state[:, Row.SOLO_DECODE, :] += prefilled * solo_free + taken * freed_solo


def _route_split(xp: Any, numbers: dict[str, Any], state: Any, leaves: Any, third: Any) -> None:
    """Send a finished prefill to the group it draws; a freed slot serves its own buffer only."""
    prefilled = leaves[:, Row.PREFILL, :]
    solo_share = prefilled * xp.astype(third < numbers["probability"], xp.float64)
    groups = (
        (Row.MIXED_DECODE, Row.DECODE_QUEUE, "mixed_slots", "mixed_weight", prefilled - solo_share),
        (Row.SOLO_DECODE, Row.SOLO_QUEUE, "solo_slots", "solo_weight", solo_share),
    )
    for service, buffer, slots, weights, sent in groups:
        waiting = state[:, buffer, :]
        weight = numbers[weights] * xp.astype(waiting > 0, xp.float64) + ZERO_WEIGHT * waiting
        reached = _running_sums(xp, xp.zeros_like(third), weight)
        drawn = xp.minimum(third, xp.asarray(1.0 - 1e-9)) * reached[-1, :]
        taken = _hits(xp, drawn, reached) * _total(leaves, service)
        free = xp.astype(_total(state, service) < numbers[slots], xp.float64)
        state[:, buffer, :] += sent * (1.0 - free) - taken
        state[:, service, :] += sent * free + taken


def _choose_by_index(xp: Any, numbers: dict[str, Any], state: Any, third: Any) -> None:
    """Start the waiting class of least index if a prefill slot is free (Algorithm 2)."""
    queue = state[:, Row.PREFILL_QUEUE, :]
    indices = state[:, Row.PREFILL, :] * numbers["slope"] + numbers["offset"]
    indices = xp.where(queue > 0, indices, xp.inf)
    surpluses = queue - numbers["target"]
    best, most = xp.full_like(third, FAR), xp.zeros_like(third)
    chosen = xp.full_like(third, -1.0)
    for i in range(queue.shape[0]):
        index, surplus = indices[i, :], surpluses[i, :]
        better = (index < best) | ((index == best) & (surplus > most))
        best, most = xp.where(better, index, best), xp.where(better, surplus, most)
        chosen = xp.where(better, float(i), chosen)
    _start(xp, numbers, state, xp.astype(chosen == numbers["place"], xp.float64))


def _choose_by_count(xp: Any, numbers: dict[str, Any], state: Any, third: Any) -> None:
    """Start a waiting class in proportion to the counts if a prefill slot is free (FG-SP)."""
    _start(xp, numbers, state, _draw_by_count(xp, state[:, Row.PREFILL_QUEUE, :], third))


def _start(xp: Any, numbers: dict[str, Any], state: Any, chosen: Any) -> None:
    """Start the prefill of the chosen class where a slot is free."""
    free = xp.astype(_total(state, Row.PREFILL) < numbers["prefill_slots"], xp.float64)
    starts = chosen * free
    state[:, Row.PREFILL_QUEUE, :] -= starts
    state[:, Row.PREFILL, :] += starts


def _draw_by_count(xp: Any, counts: Any, third: Any) -> Any:
    """Return 1 for the class drawn in proportion to `counts`; 0 everywhere if nothing waits."""
    reached = _running_sums(xp, xp.zeros_like(third), counts)
    total = reached[-1, :]
    return _hits(xp, xp.minimum(third * total, total - 0.5), reached)


def _hits(xp: Any, drawn: Any, reached: Any) -> Any:
    """Return 1 where `drawn` lies between two numbers of `reached`, a growing sequence."""
    below = xp.astype(drawn >= reached, xp.float64)
    return below[:-1, ...] - below[1:, ...]


def _total(table: Any, row: Row) -> Any:
    """Return the sum over the classes; class by class, since libraries sum slowly that way."""
    total = table[0, row, :]
    for i in range(1, table.shape[0]):
        total = total + table[i, row, :]
    return total


def _running_sums(xp: Any, first: Any, rows: Any) -> Any:
    """Return `first`, `first` plus one row, plus two and so on, as rows.

    Row by row, since libraries sum slowly along the first axis.
    """
    sums = [first]
    for row in range(rows.shape[0]):
        sums.append(sums[-1] + rows[row, :])
    return xp.stack(sums)


class _Uniforms:
    """Numbers in [0, 1), one per lane and draw: xoshiro256+, as in the compiled engine."""

    def __init__(self, namespace: Any, seeds: Seeds) -> None:
        self._namespace = namespace
        self._words = [namespace.asarray(each) for each in seeds]
        self._11, self._17, self._19, self._45 = (
            namespace.asarray(shift, dtype=namespace.uint64) for shift in (11, 17, 19, 45)
        )

    def draw(self) -> Any:
        """Return the next numbers, shape ``(lanes,)``."""
        xp = self._namespace
        a, b, c, d = self._words
        drawn = xp.astype((a + d) >> self._11, xp.float64) * 2.0**-53
        shifted = b << self._17
        c = c ^ a
        d = d ^ b
        self._words = [a ^ d, b ^ c, c ^ shifted, (d << self._45) | (d >> self._19)]
        return drawn


def _numbers(chains: Sequence[Chain], send: Callable[[Floats], Any]) -> dict[str, Any]:
    """Return the constants of the lanes, class axes first, lanes last."""
    arrival = np.stack([chain.arrival for chain in chains], axis=-1)
    high = np.cumsum(arrival, axis=0)
    low = np.concatenate([np.zeros_like(high[:1]), high[:-1]])
    rows = chains[0].rows
    numbers = {
        "arrivals": high[-1],
        "place": np.arange(len(high), dtype=float)[:, None],
        "low": low,
        "high": high,
        "leaving": np.stack([chain.leaving[:, :rows] for chain in chains], axis=-1),
        "prefill_slots": np.array([chain.prefill_slots for chain in chains]),
        "mixed_slots": np.array([chain.mixed_decode_slots for chain in chains]),
        "solo_slots": np.array([chain.solo_decode_slots for chain in chains]),
        "probability": np.stack([chain.solo_probability for chain in chains], axis=-1),
        "mixed_weight": np.stack([chain.mixed_weight for chain in chains], axis=-1),
        "solo_weight": np.stack([chain.solo_weight for chain in chains], axis=-1),
    }
    gates = [chain.gate for chain in chains if chain.gate is not None]
    if gates:
        numbers["slope"] = np.stack([gate.slope for gate in gates], axis=-1)
        numbers["offset"] = np.stack([gate.offset for gate in gates], axis=-1)
        numbers["target"] = np.stack([gate.queue_target for gate in gates], axis=-1)
    return {name: send(value) for name, value in numbers.items()}


def _fetch(array: Any) -> Floats:
    """Return a NumPy copy of an array of any library."""
    fetched = array.get() if hasattr(array, "get") else np.asarray(array)
    return np.array(fetched)
