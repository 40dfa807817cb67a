"""The structures under the per-GPU kernel: random numbers, lines, heap of deadlines, next events.

All are compiled into the kernel. Requests and GPUs are numbers, rows of the arrays of `Room`.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.prefetch import fetch_line

_UNCOUNTED: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
"""No reference counts: nothing here makes an array, and counting costs ten times the work."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inlined(function: _Function) -> _Function:
    """Compile a part of the kernel."""
    return cast(_Function, njit(forceinline=True, **_UNCOUNTED)(function))


def compiled(function: _Function) -> _Function:
    """Compile a function that is called from Python; it lets other threads run."""
    return cast(_Function, njit(cache=True, nogil=True, **_UNCOUNTED)(function))


_UNIT = 2.0**-53
_SHIFT = 52 - (at.BINS_PER_OCTAVE.bit_length() - 1)
_LOWEST = (1023 + at.LOWEST_OCTAVE) * at.BINS_PER_OCTAVE


@inlined
def fetch_rival(room: Any) -> None:
    """Fetch the row of the GPU whose event probably comes after the next one.

    It is the least of the other branches of the root: wrong now and then, which costs nothing but
    the fetch. In large clusters the rows are far away from the processor.
    """
    tree, levels = room.tree, room.levels
    if levels.size < 3:
        return
    top = levels[levels.size - 2]
    least, second, branch = tree[tree.size - 1], np.inf, 0
    for k in range(at.BRANCHES):
        time = tree[top + k]
        other = time != least and time < second
        second = time if other else second
        branch = k if other else branch
    place = branch
    for down in range(1, levels.size - 1):
        first = place * at.BRANCHES
        start = levels[levels.size - 2 - down]
        place = first
        for k in range(1, at.BRANCHES):
            place = first + k if tree[start + first + k] == second else place
    if second < np.inf:
        for column in range(0, room.gpu_reals.shape[1], at.LINE_REALS):
            fetch_line(room.gpu_reals, place, column)


@inlined
def fetch_likely(room: Any) -> None:
    """Fetch the GPUs that the next prefill and the next decode will probably be placed on."""
    ready = room.counters[at.READY_GPUS]
    if ready > 0:
        fetch_line(room.gpu_reals, room.ready[int(room.times[at.NEXT_READY] * ready)], 0)
    free = room.counters[at.FREE_GPUS + at.SOLO_LIST]
    if free > 0:
        gpu = room.free[at.SOLO_LIST, int(room.times[at.NEXT_FREE] * free)]
        for column in range(0, room.gpu_reals.shape[1], at.LINE_REALS):
            fetch_line(room.gpu_reals, gpu, column)


@inlined
def uniform(room: Any, stream: int) -> float:
    """Return a number in [0, 1) of a stream (xoshiro256+)."""
    words = room.streams
    a, b, c, d = words[stream, 0], words[stream, 1], words[stream, 2], words[stream, 3]
    number = np.float64(np.int64((a + d) >> np.uint64(11))) * _UNIT
    shifted = b << np.uint64(17)
    c ^= a
    d ^= b
    words[stream, 1] = b ^ c
    words[stream, 0] = a ^ d
    words[stream, 2] = c ^ shifted
    words[stream, 3] = (d << np.uint64(45)) | (d >> np.uint64(19))
    return number


@inlined
def exponential(u: float) -> float:
    """Return an exponential number of mean 1 from a uniform one."""
    return -math.log(1.0 - u)


@inlined
def pick_ahead(room: Any, draw: int, choices: int) -> int:
    """Return one of ``0 .. choices - 1``, all alike, by a number that was drawn ahead."""
    chosen = min(int(room.times[draw] * choices), choices - 1)
    room.times[draw] = uniform(room, 1)
    return chosen


@inlined
def pick(room: Any, stream: int, choices: int) -> int:
    """Return one of ``0 .. choices - 1``, all alike."""
    return min(int(uniform(room, stream) * choices), choices - 1)


@inlined
def join(room: Any, line: int, request: int) -> None:
    """Put a request at the end of a line."""
    integers = room.request_integers
    last = room.tail[line]
    integers[request, at.LINE] = line
    integers[request, at.BEFORE] = last
    integers[request, at.BEHIND] = at.NOBODY
    if last == at.NOBODY:
        room.head[line] = request
    else:
        integers[last, at.BEHIND] = request
    room.tail[line] = request


@inlined
def leave(room: Any, request: int) -> None:
    """Take a request out of its line."""
    integers = room.request_integers
    line = integers[request, at.LINE]
    before, behind = integers[request, at.BEFORE], integers[request, at.BEHIND]
    if before == at.NOBODY:
        room.head[line] = behind
    else:
        integers[before, at.BEHIND] = behind
    if behind == at.NOBODY:
        room.tail[line] = before
    else:
        integers[behind, at.BEFORE] = before
    integers[request, at.LINE] = at.NOBODY


@inlined
def set_alarm(room: Any, request: int) -> None:
    """Put a waiting request into the heap of deadlines."""
    place = room.counters[at.ALARMS]
    room.counters[at.ALARMS] = place + 1
    _rise(room, request, place)


@inlined
def clear_alarm(room: Any, request: int) -> None:
    """Take a request out of the heap of deadlines, if it is there."""
    place = room.request_integers[request, at.ALARM]
    if place == at.NOBODY:
        return
    room.request_integers[request, at.ALARM] = at.NOBODY
    size = room.counters[at.ALARMS] - 1
    room.counters[at.ALARMS] = size
    if place == size:
        return
    moved = room.alarms[size]
    deadline = room.request_reals[moved, at.DEADLINE]
    above = room.alarms[(place - 1) // 2] if place > 0 else moved
    if room.request_reals[above, at.DEADLINE] > deadline:
        _rise(room, moved, place)
    else:
        _sink(room, moved, place, size)


@inlined
def _rise(room: Any, request: int, place: int) -> None:
    deadline = room.request_reals[request, at.DEADLINE]
    while place > 0:
        parent = (place - 1) // 2
        above = room.alarms[parent]
        if room.request_reals[above, at.DEADLINE] <= deadline:
            break
        room.alarms[place] = above
        room.request_integers[above, at.ALARM] = place
        place = parent
    room.alarms[place] = request
    room.request_integers[request, at.ALARM] = place


@inlined
def _sink(room: Any, request: int, place: int, size: int) -> None:
    deadline = room.request_reals[request, at.DEADLINE]
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        below = room.alarms[child]
        if child + 1 < size:
            other = room.alarms[child + 1]
            if room.request_reals[other, at.DEADLINE] < room.request_reals[below, at.DEADLINE]:
                child, below = child + 1, other
        if room.request_reals[below, at.DEADLINE] >= deadline:
            break
        room.alarms[place] = below
        room.request_integers[below, at.ALARM] = place
        place = child
    room.alarms[place] = request
    room.request_integers[request, at.ALARM] = place


@inlined
def set_next_event(room: Any, gpu: int, time: float) -> None:
    """Write the next event of a GPU into the tree; cost logarithmic in the number of GPUs."""
    tree, levels = room.tree, room.levels
    place = gpu
    tree[place] = time
    for level in range(levels.size - 1):
        group = place // at.BRANCHES
        first = levels[level] + group * at.BRANCHES
        least = tree[first]
        for k in range(1, at.BRANCHES):
            least = min(least, tree[first + k])
        if tree[levels[level + 1] + group] == least:
            break
        tree[levels[level + 1] + group] = least
        place = group


@inlined
def next_gpu(room: Any) -> int:
    """Return the GPU whose event is next."""
    tree, levels = room.tree, room.levels
    least, place = tree[tree.size - 1], 0
    for down in range(levels.size - 1):
        first = place * at.BRANCHES
        start = levels[levels.size - 2 - down]
        place = first
        for k in range(1, at.BRANCHES):  # without a branch that depends on the numbers
            place = first + k if tree[start + first + k] == least else place
    return place


@inlined
def note_in_bins(room: Any, i: int, histogram: int, value: float) -> None:
    """Count a positive time, s, in its histogram: bins of a power of two in 32 equal parts."""
    room.real[0] = value
    place = (room.bits[0] >> _SHIFT) - _LOWEST
    room.bins[i, histogram, min(max(place, 0), at.BINS - 1)] += 1
