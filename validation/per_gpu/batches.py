"""Single GPUs, compiled into the kernel: batches, modes, and the lists of those with room."""

from typing import Any

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.structures import (
    inlined,
    pick_ahead,
    set_next_event,
)
from gnr.validation.policies.routers import Place

SAME_GPU = int(Place.SAME_GPU)


@inlined
def switch_mode(
    rules: Any, room: Any, gpu: int, now: float, speed: float, before: int, after: int
) -> None:
    """Change the mode of a GPU: count its tokens so far, move its decodes, set its speed."""
    reals = room.gpu_reals
    reals[gpu, at.TOKENS] += reals[gpu, at.SPEED] * (now - reals[gpu, at.SINCE])
    reals[gpu, at.SINCE] = now
    reals[gpu, at.SPEED] = speed
    if room.gpu_integers[gpu, at.DECODES] > 0:
        for i in range(len(rules.patience)):
            moved = float(room.gpu_integers[gpu, at.HELD + i])
            room.state[i * at.ROWS + before] -= moved
            room.state[i * at.ROWS + after] += moved
    file_gpu(rules, room, gpu)
    plan_event(room, gpu)


@inlined
def start_decode(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Put a decode into a slot of a GPU: it is done once the GPU has emitted its tokens."""
    reals, integers = room.gpu_reals, room.gpu_integers
    i = room.request_integers[request, at.CLASS]
    slot = integers[gpu, at.DECODES]
    emitted = reals[gpu, at.TOKENS] + reals[gpu, at.SPEED] * (now - reals[gpu, at.SINCE])
    done = emitted + room.request_reals[request, at.OUTPUT]
    reals[gpu, rules.finish + slot] = done
    integers[gpu, rules.holders + slot] = request
    if slot == 0 or done < reals[gpu, at.NEXT]:
        integers[gpu, at.FIRST] = slot
        reals[gpu, at.NEXT] = done
    integers[gpu, at.DECODES] = slot + 1
    room.gpu_integers[gpu, at.HELD + i] += 1
    mixed = integers[gpu, at.PREFILLING] != at.NOBODY
    room.state[i * at.ROWS + (at.MIXED if mixed else at.SOLO)] += 1.0
    room.request_reals[request, at.DECODING] = now
    origin = room.request_integers[request, at.ORIGIN]
    if origin != gpu:
        room.sums[i, at.TRANSFERS] += 1.0
    file_gpu(rules, room, gpu)
    plan_event(room, gpu)


@inlined
def plan_event(room: Any, gpu: int) -> None:
    """Work out the next event of a GPU."""
    reals, integers = room.gpu_reals, room.gpu_integers
    time = reals[gpu, at.PREFILL_ENDS]
    if integers[gpu, at.DECODES] > 0:
        left = reals[gpu, at.NEXT] - reals[gpu, at.TOKENS]
        time = min(time, reals[gpu, at.SINCE] + left / reals[gpu, at.SPEED])
    set_next_event(room, gpu, time)


@inlined
def file_gpu(rules: Any, room: Any, gpu: int) -> None:
    """Keep a GPU in the lists that its batch allows: ready for a prefill, free for a decode."""
    integers, counters = room.gpu_integers, room.counters
    decodes = integers[gpu, at.DECODES]
    mixed = 1 if integers[gpu, at.PREFILLING] != at.NOBODY else 0
    group = 0 if gpu < rules.prefill_gpus else 1
    ready = group == 0 and mixed == 0 and decodes < rules.slots
    places = room.places
    place = places[gpu, at.READY]
    if ready and place == at.NOBODY:
        size = counters[at.READY_GPUS]
        room.ready[size] = gpu
        places[gpu, at.READY] = size
        counters[at.READY_GPUS] = size + 1
    elif not ready and place != at.NOBODY:
        size = counters[at.READY_GPUS] - 1
        moved = room.ready[size]
        room.ready[place] = moved
        places[moved, at.READY] = place
        places[gpu, at.READY] = at.NOBODY
        counters[at.READY_GPUS] = size
    wanted = at.NOBODY
    most = rules.decode_slots[group] + (1 if gpu < rules.roomier_gpus else 0)
    if decodes < most and decodes + mixed < rules.slots:
        wanted = 2 * group + mixed
    had = integers[gpu, at.LIST]
    if wanted == had:
        return
    if had != at.NOBODY:
        size = counters[at.FREE_GPUS + had] - 1
        moved, place = room.free[had, size], places[gpu, at.LISTED]
        room.free[had, place] = moved
        places[moved, at.LISTED] = place
        counters[at.FREE_GPUS + had] = size
    if wanted != at.NOBODY:
        size = counters[at.FREE_GPUS + wanted]
        room.free[wanted, size] = gpu
        places[gpu, at.LISTED] = size
        counters[at.FREE_GPUS + wanted] = size + 1
    integers[gpu, at.LIST] = wanted


@inlined
def find_place(rules: Any, room: Any, buffer: int, origin: int) -> int:
    """Return a GPU for the next decode of a buffer, uniformly in the first place with room."""
    for k in range(rules.places.shape[1]):
        place = rules.places[buffer, k]
        if place == SAME_GPU:
            if room.gpu_integers[origin, at.LIST] != at.NOBODY:
                return origin
            continue
        choices = 0
        for which in range(4):
            if place >> which & 1:
                choices += room.counters[at.FREE_GPUS + which]
        if choices == 0:
            continue
        chosen = pick_ahead(room, at.NEXT_FREE, choices)
        for which in range(4):
            if place >> which & 1:
                if chosen < room.counters[at.FREE_GPUS + which]:
                    found: int = room.free[which, chosen]
                    return found
                chosen -= room.counters[at.FREE_GPUS + which]
    return at.NOBODY


@inlined
def start_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Start a prefill on a GPU without one: its decodes slow down."""
    ends = now + room.request_reals[request, at.PROMPT] * rules.prefill_time
    room.request_reals[request, at.STARTED] = now
    room.request_integers[request, at.ORIGIN] = gpu
    room.gpu_reals[gpu, at.PREFILL_ENDS] = ends
    room.gpu_integers[gpu, at.PREFILLING] = request
    switch_mode(rules, room, gpu, now, rules.speeds[1], at.SOLO, at.MIXED)
