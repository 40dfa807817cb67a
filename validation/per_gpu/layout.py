"""What one simulated cluster holds in memory: the rows of its arrays, and how they start.

Two bundles of arrays go through every compiled function: `Rules`, which never change, and `Room`,
which does. Rows are named here once.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.validation.chain import Flow, Row

Integers = NDArray[np.int64]
Places = NDArray[np.int32]
Words = NDArray[np.uint64]

LINE_REALS = 8
"""Reals of a cache line."""

NOBODY = -1
"""In place of the number of a request, a GPU or a list."""

ROWS = len(Row)
QUEUE, PREFILL, BUFFER, MIXED, SOLO, SOLO_BUFFER = (int(row) for row in Row)
ARRIVALS, LEFT_PREFILL, PREFILLS, LEFT_DECODE, MIXED_DONE, SOLO_DONE, LEFT_SOLO_DECODE = (
    int(flow) for flow in Flow
)

FILLING_ORDER = (PREFILL, MIXED, SOLO, BUFFER, SOLO_BUFFER, QUEUE)
"""How a planned state is placed: prefills first, since they make GPUs mixed."""

# A request is one cache line. Some places are used twice: the prompt is forgotten once its prefill
# has started, the draw of its patience once the prefill is done; who waits has a deadline, who
# decodes the time that it began. Whole numbers follow: line and neighbours there while it waits,
# place in the heap of deadlines, class, GPU of the prefill.
ARRIVED, OUTPUT, DEADLINE, PROMPT, PATIENCE = range(5)
DECODING, STARTED, PREFILLED = DEADLINE, PROMPT, PATIENCE
LINE, BEFORE, BEHIND, ALARM, CLASS, ORIGIN = range(10, 16)

# A GPU is a few cache lines. The first: output tokens that each of its streams has seen, when that
# was counted, how fast they come, when its prefill ends, the tokens at which its next decode is
# done; then decodes, the request in prefill, the slot of the next decode, the list of GPUs with a
# free decode slot it is in, decodes held by class. Then, by slot, the tokens at which the decode
# there is done; then the requests there.
TOKENS, SINCE, SPEED, PREFILL_ENDS, NEXT = range(5)
DECODES, PREFILLING, FIRST, LIST, HELD = range(10, 15)
# Places of a GPU among those that may start a prefill and in its list.
READY, LISTED = range(2)

BRANCHES = 8
"""GPUs, or groups of them, below each node of the tree of next events: one cache line."""

# Whole numbers of the cluster.
UNUSED, ALARMS, READY_GPUS, RECORDED = range(4)
FREE_GPUS = 4
"""First of the four sizes of the lists of GPUs with a free decode slot."""
SOLO_LIST = 2
"""List of the GPUs of the solo group: it is the router's first choice where there is one."""
WAITING = 8
"""First of the two sizes of the decode buffers."""
COUNTERS = 10

# Reals of the cluster: times, s, the numbers by which the next GPUs will be picked, and the credit
# of a cap on prefills, request-seconds.
CLOCK, NEXT_ARRIVAL, NEXT_READY, NEXT_FREE, CREDIT = range(5)

# What is added up over the requests of a class: sums of times (s) and numbers of requests.
WAIT_PREFILL, WAIT_DECODE, TTFT, END_TO_END, STARTS, DECODE_STARTS, TRANSFERS = range(7)
SUMS = 7

# What has a histogram: times to the first token, times per output token, end-to-end times.
HISTOGRAMS = 3
TTFT_BINS, TPOT_BINS, END_TO_END_BINS = range(HISTOGRAMS)
BINS_PER_OCTAVE = 32
LOWEST_OCTAVE, HIGHEST_OCTAVE = -20, 20
BINS = BINS_PER_OCTAVE * (HIGHEST_OCTAVE - LOWEST_OCTAVE)

# Columns of a record, as `gnr.validation.per_gpu.records` names them.
RECORD_COLUMNS = 12

# How a length is drawn.
EXPONENTIAL, DETERMINISTIC, LOGNORMAL, LISTED_LENGTHS = range(4)


class Rules(NamedTuple):
    """Constants of a cluster and its policy; class arrays have shape ``(classes,)``."""

    arrivals: Floats
    """Cumulative arrival rates of the whole cluster, requests/s."""
    patience: Floats
    """theta_i, 1/s."""
    prompt_tokens: Floats
    output_tokens: Floats
    law: Integers
    """How the lengths of each class are drawn."""
    spread: Floats
    """Standard deviation of the logarithm of a lognormal length."""
    listed: Floats
    """Prompt and output lengths of listed laws, tokens, shape ``(lengths, 2)``."""
    listed_from: Integers
    """Where the list of each class starts; one more entry than classes."""
    speeds: Floats
    """Output tokens/s of a stream alone and beside a prefill; shape ``(2,)``."""
    prefill_time: float
    """Seconds per prompt token."""
    slots: int
    """B."""
    finish: int
    holders: int
    """Where the two lists by slot begin in the row of a GPU, in reals and in whole numbers."""
    prefill_gpus: int
    """GPUs that may prefill: the first ones."""
    decode_slots: Integers
    """Most decodes of a GPU that may prefill, and of one that may not; shape ``(2,)``."""
    roomier_gpus: int
    """GPUs, the first ones, that may hold one decode more."""
    in_order: int
    """1 if prefills start first come, first served over all classes."""
    slope: Floats
    offset: Floats
    limit: Floats
    queue_target: Floats
    """The gate's index, see `gnr.validation.policies.GateIndex`."""
    prefill_cap: float
    """Most requests in prefill on average; infinite where there is no cap."""
    most_prefills: float
    """Most requests in prefill at a time, the cap rounded up."""
    crowded_offset: Floats
    """In place of `offset` while no more slots than the cap are free in the whole cluster."""
    decodes_first: int
    """1 if no prefill starts while a finished one waits for a decode slot."""
    prefill_first: int
    """1 if a freed slot starts a prefill in preference to a waiting decode."""
    places: Integers
    """Where the head of each decode buffer may go, in order of preference; 0 ends the list;
    shape ``(2, preferences)``."""
    solo_probability: Floats
    """Chance that a finished prefill joins the second buffer."""
    weights: Floats
    """Weights of the classes when a slot frees, shape ``(2, classes)``; zeros: in order."""


class Room(NamedTuple):
    """Everything that changes in one simulated cluster."""

    request_reals: Floats
    request_integers: Places
    """The same memory, shapes ``(requests, 8)`` and ``(requests, 16)``."""
    unused: Places
    """Rows of requests that are free: a stack."""
    alarms: Places
    """Heap of the waiting requests that may leave, least deadline first."""
    gpu_reals: Floats
    gpu_integers: Places
    """The same memory; one row per GPU."""
    places: Places
    """Shape ``(gpus, 2)``: `READY` and `LISTED`."""
    tree: Floats
    """Time of the next event, s: of every GPU, then of every eight, until one is left."""
    levels: Integers
    """Where the levels of the tree begin, the leaves first."""
    ready: Places
    """GPUs that may start a prefill."""
    free: Places
    """GPUs with a free decode slot, shape ``(4, gpus)``: by group, then by mode."""
    head: Places
    tail: Places
    """Ends of the lines: prefill queues, then both decode buffers, by class."""
    counters: Integers
    times: Floats
    streams: Words
    """Generators of the requests and of the choices, shape ``(2, 4)``."""
    state: Floats
    """Requests in each row, flat ``(classes, 6)``, as `Row`."""
    integral: Floats
    """Its time integral, request-seconds."""
    counts: Floats
    """What has happened, shape ``(classes, 7)``, as `Flow`."""
    sums: Floats
    """Shape ``(classes, SUMS)``."""
    bins: Integers
    """Histograms, shape ``(classes, HISTOGRAMS, BINS)``."""
    real: Floats
    bits: Integers
    """The same eight bytes twice: to read the exponent of a number."""
    own: Any
    """What one of the kernels keeps beside this: a named tuple, or nothing."""


def make_room(
    rules: Rules, gpus: int, requests: int, streams: Words, own: tuple[Any, ...] = ()
) -> Room:
    """Return an empty cluster with room for that many requests at a time."""
    classes = len(rules.patience)
    real = np.zeros(1)
    counters = np.zeros(COUNTERS, np.int64)
    counters[UNUSED] = requests
    gpu_reals = _rows(gpus, rules.holders // 2 + -(-rules.slots // 2))
    gpu_integers = gpu_reals.view(np.int32)
    gpu_reals[:, SPEED], gpu_reals[:, PREFILL_ENDS] = rules.speeds[0], np.inf
    gpu_integers[:, [PREFILLING, LIST]] = NOBODY
    request_reals = _rows(requests, LINE_REALS)
    levels = _levels(gpus)
    return Room(
        request_reals=request_reals,
        request_integers=request_reals.view(np.int32),
        unused=np.arange(requests, dtype=np.int32)[::-1].copy(),
        alarms=np.zeros(requests, np.int32),
        gpu_reals=gpu_reals,
        gpu_integers=gpu_integers,
        places=np.full((gpus, 2), NOBODY, np.int32),
        tree=_full(int(levels[-1]) + 1, np.inf),
        levels=levels,
        ready=np.zeros(gpus, np.int32),
        free=np.zeros((4, gpus), np.int32),
        head=np.full(3 * classes, NOBODY, np.int32),
        tail=np.full(3 * classes, NOBODY, np.int32),
        counters=counters,
        times=np.zeros(5),
        streams=streams.copy(),
        state=np.zeros(classes * len(Row)),
        integral=np.zeros(classes * len(Row)),
        counts=np.zeros((classes, len(Flow))),
        sums=np.zeros((classes, SUMS)),
        bins=np.zeros((classes, HISTOGRAMS, BINS), np.int64),
        real=real,
        bits=real.view(np.int64),
        own=own,
    )


def with_more_room(room: Room) -> Room:
    """Return the same cluster with room for twice as many requests."""
    had = len(room.unused)
    unused = np.zeros(2 * had, np.int32)
    left = int(room.counters[UNUSED])
    unused[:left] = room.unused[:left]
    unused[left : left + had] = np.arange(2 * had - 1, had - 1, -1)
    room.counters[UNUSED] += had
    reals = _rows(2 * had, LINE_REALS)
    reals[:had] = room.request_reals
    return room._replace(
        request_reals=reals,
        request_integers=reals.view(np.int32),
        unused=unused,
        alarms=np.concatenate([room.alarms, np.zeros(had, np.int32)]),
    )


def row_of_gpu(classes: int, slots: int) -> tuple[int, int]:
    """Return where finish and holders begin in the row of a GPU; see `Rules`."""
    finish = _whole_lines(-(-(HELD + classes) // 2))
    return finish, 2 * (finish + _whole_lines(slots))


def _levels(gpus: int) -> Integers:
    """Return where the levels of the tree begin, the leaves first, the root last."""
    starts, size = [0], gpus
    while size > 1:
        groups = -(-size // BRANCHES)
        starts.append(starts[-1] + groups * BRANCHES)
        size = groups
    return np.array(starts, np.int64)


def _whole_lines(reals: int) -> int:
    return -(-reals // LINE_REALS) * LINE_REALS


def _rows(count: int, reals: int) -> Floats:
    """Return zeros of shape ``(count, reals)`` or wider, every row on whole cache lines."""
    width = _whole_lines(reals)
    return _full(count * width, 0.0).reshape(count, width)


def _full(count: int, value: float) -> Floats:
    """Return reals of one value that begin on a cache line."""
    raw = np.full(count + LINE_REALS, value)
    first = -raw.ctypes.data % (8 * LINE_REALS) // 8
    return raw[first : first + count]
