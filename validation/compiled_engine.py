"""The pooled chain on the CPU, compiled: blocks of lanes, one thread per block at a time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.spreading import usable_cores
from gnr.validation import kernels as rows
from gnr.validation.chain import SPLIT_ROWS, Chain, Flow, Row
from gnr.validation.lanes import Lanes, Seeds, check_alike, stretch_seeds

WIDTHS = (1, 8, 16, 32, 64)
"""Lanes of a block. A step costs about the same up to 8; beyond 64 the block leaves the cache."""

ROUND = 1 << 23
"""Lane-steps between two looks at the clock, the keyboard and the progress bar."""

Progress = Callable[[float], None]
"""Called with the number of events so far."""


@dataclass
class _Block:
    """Up to `width` lanes in the layout of `gnr.validation.kernels`."""

    lanes: slice
    width: int
    kernel: rows.Kernel
    classes: Floats
    """Rows of the classes, shape ``(classes, CLASS_ROWS, width)``."""
    shared: Floats
    """Rows of the lanes, shape ``(LANE_ROWS, width)``."""
    seeds: Seeds

    def feed(self, uniforms: Floats) -> None:
        """Make as many steps as `uniforms` has; shape ``(steps, 3, width)``; overwritten."""
        for first in range(0, len(uniforms), rows.STEPS):
            draws = uniforms[first : first + rows.STEPS].reshape(-1)
            self._call(np.empty(0, np.uint64), draws, 1)

    def run(self) -> None:
        """Make a round of steps with the block's own random numbers; stop when all are done."""
        draws = _aligned((rows.STEPS * rows.DRAWS * self.width,))
        self._call(self.seeds.reshape(-1), draws, max(ROUND // self.width // rows.STEPS, 1))

    def _call(self, seeds: Seeds, draws: Floats, blocks: int) -> None:
        c, g, power = self.classes.reshape(-1), self.shared.reshape(-1), _aligned((self.width,))
        bits = draws.view(np.int64)
        self.kernel(c, g, seeds, draws, bits, power, len(self.classes), blocks)

    @property
    def finished(self) -> bool:
        """Whether every lane has reached its end."""
        return bool(np.all(self.shared[rows.CLOCK] >= self.shared[rows.UNTIL]))


class CompiledEngine:
    """Lanes of pooled chains that advance together.

    Parameters
    ----------
    chains
        One per lane; same policy and number of classes.
    start
        State of the lanes, shape ``(classes, 6, lanes)``.
    seeds
        Unsigned, shape ``(4, lanes)``, as from `gnr.validation.lanes.lane_seeds`.
    threads
        Most threads to use; by default as many as there are usable cores.
    """

    name = "compiled"

    def __init__(
        self,
        chains: Sequence[Chain],
        start: Floats,
        seeds: Seeds,
        threads: int | None = None,
    ) -> None:
        check_alike(chains)
        self._chains = tuple(chains)
        self._threads = threads or usable_cores()
        self._seeds, self._stretch = seeds, 0
        self._blocks = [
            _pack(self._chains, start, part, width)
            for part, width in _partition(len(chains), self._threads)
        ]

    def advance(self, until: Floats, progress: Progress | None = None) -> None:
        """Simulate every lane until its time in `until`, s, shape ``(lanes,)``."""
        seeds = stretch_seeds(self._seeds, self._stretch)
        self._stretch += 1
        for block in self._blocks:
            block.shared[rows.UNTIL] = _spread(until[block.lanes], block.width)
            block.seeds = np.ascontiguousarray(_spread(seeds[:, block.lanes], block.width))
        with ThreadPoolExecutor(self._threads) as pool:
            pending = self._blocks
            while pending:
                alone = self._threads == 1 or len(pending) == 1
                list((map if alone else pool.map)(_Block.run, pending))
                if progress is not None:
                    progress(float(self.snapshot().events.sum()))
                pending = [block for block in pending if not block.finished]

    def feed(self, uniforms: Floats) -> None:
        """Simulate one event per lane for each of the `uniforms`, shape ``(steps, 3, lanes)``."""
        for block in self._blocks:
            block.shared[rows.UNTIL] = np.inf
            part = uniforms[:, :, block.lanes]
            filler = np.repeat(part[:, :, :1], block.width - part.shape[2], axis=2)
            block.feed(np.ascontiguousarray(np.concatenate([part, filler], axis=2)))

    def snapshot(self) -> Lanes:
        """Return a copy of state and records."""
        parts = [
            (block.classes[..., : _held(block)], block.shared[:, : _held(block)])
            for block in self._blocks
        ]
        c = np.concatenate([part for part, _ in parts], axis=-1)
        g = np.concatenate([part for _, part in parts], axis=-1)
        return Lanes(
            state=c[:, rows.STATE : rows.STATE + SPLIT_ROWS].copy(),
            integral=c[:, rows.INTEGRAL : rows.INTEGRAL + SPLIT_ROWS].copy(),
            count=c[:, rows.COUNT : rows.COUNT + len(Flow)].copy(),
            clock=g[rows.CLOCK].copy(),
            events=c[:, rows.COUNT : rows.COUNT + len(Flow)].sum(axis=(0, 1)),
        )


def _held(block: _Block) -> int:
    return int(block.lanes.stop - block.lanes.start)


def _partition(lanes: int, threads: int) -> list[tuple[slice, int]]:
    """Return slices of the lanes and the width of the block that holds each."""
    share = min(-(-lanes // threads), WIDTHS[-1])
    width = min(width for width in WIDTHS if width >= share)
    return [(slice(at, min(at + width, lanes)), width) for at in range(0, lanes, width)]


def _aligned(shape: tuple[int, ...]) -> Floats:
    """Return zeros that start on a cache line: loads of eight numbers then never straddle two."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 8)
    first = -raw.ctypes.data % 64 // 8
    return raw[first : first + size].reshape(shape)


def _spread(values: Any, width: int) -> Any:
    """Return `values` with the last one repeated up to `width`, along the last axis."""
    filler = np.repeat(values[..., -1:], width - values.shape[-1], axis=-1)
    return np.concatenate([values, filler], axis=-1)


def _pack(chains: Sequence[Chain], start: Floats, part: slice, width: int) -> _Block:
    """Return the block of the lanes in `part`; spare lanes repeat the last one."""
    own = list(chains[part])
    own += [own[-1]] * (width - len(own))
    state = _spread(start[..., part], width)
    c = _aligned((len(state), rows.CLASS_ROWS, width))
    c[:, rows.STATE : rows.STATE + SPLIT_ROWS] = state
    arrival = np.stack([chain.arrival for chain in own], axis=-1)
    high = np.cumsum(arrival, axis=0)
    c[:, rows.LOW], c[:, rows.HIGH] = high - arrival, high
    c[1:, rows.LOW] = high[:-1]
    c[:, rows.LEAVING : rows.LEAVING + SPLIT_ROWS] = np.stack(
        [chain.leaving for chain in own], axis=-1
    )
    for row, name in (
        (rows.PROBABILITY, "solo_probability"),
        (rows.MIXED_WEIGHT, "mixed_weight"),
        (rows.SOLO_WEIGHT, "solo_weight"),
    ):
        c[:, row] = np.stack([getattr(chain, name) for chain in own], axis=-1)
    gates = [chain.gate for chain in own if chain.gate is not None]
    if gates:
        c[:, rows.SLOPE] = np.stack([gate.slope for gate in gates], axis=-1)
        c[:, rows.OFFSET] = np.stack([gate.offset for gate in gates], axis=-1)
        c[:, rows.TARGET] = np.stack([gate.queue_target for gate in gates], axis=-1)
    g = _aligned((rows.LANE_ROWS, width))
    g[rows.ARRIVAL] = high[-1]
    g[rows.PREFILL_SLOTS] = [chain.prefill_slots for chain in own]
    g[rows.MIXED_SLOTS] = [chain.mixed_decode_slots for chain in own]
    g[rows.SOLO_SLOTS] = [chain.solo_decode_slots for chain in own]
    for total, row in (
        (rows.PREFILL, Row.PREFILL),
        (rows.MIXED, Row.MIXED_DECODE),
        (rows.SOLO, Row.SOLO_DECODE),
        (rows.WAITING, Row.DECODE_QUEUE),
        (rows.SOLO_WAITING, Row.SOLO_QUEUE),
    ):
        g[total] = state[:, row].sum(axis=0)
    g[rows.CHOSEN] = -1.0
    return _Block(
        lanes=slice(part.start, min(part.stop, len(chains))),
        width=width,
        kernel=_kernel(own[0], width),
        classes=c,
        shared=g,
        seeds=np.empty((4, width), np.uint64),
    )


def _kernel(chain: Chain, width: int) -> rows.Kernel:
    if chain.split_buffers:
        return rows.split_index_kernel(width)
    return rows.shared_fcfs_kernel(width) if chain.gate is None else rows.shared_index_kernel(width)
