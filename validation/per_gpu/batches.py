"""Single GPUs, compiled into the kernels: batches, modes, and the lists of those with room."""

from typing import Any

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.structures import inlined, note_in_bins, set_next_event


@inlined
def switch_mode(
    rules: Any, room: Any, gpu: int, now: float, speed: float, before: int, after: int
) -> None:
    """Change the mode of a GPU: count its tokens so far, move its decodes, set its speed."""
    reals = room.gpu_reals
    reals[gpu, at.TOKENS] += reals[gpu, at.SPEED] * (now - reals[gpu, at.SINCE])
    reals[gpu, at.SINCE] = now
    reals[gpu, at.SPEED] = speed
    move_decodes(rules, room, gpu, before, after)
    file_gpu(rules, room, gpu)
    plan_event(room, gpu)


@inlined
def move_decodes(rules: Any, room: Any, gpu: int, before: int, after: int) -> None:
    """Count the decodes of a GPU in another row of the state."""
    if room.gpu_integers[gpu, at.DECODES] > 0:
        for i in range(len(rules.patience)):
            moved = float(room.gpu_integers[gpu, at.HELD + i])
            room.state[i * at.ROWS + before] -= moved
            room.state[i * at.ROWS + after] += moved


@inlined
def start_decode(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Put a decode into a slot of a GPU: it is done once the GPU has emitted its tokens."""
    reals = room.gpu_reals
    emitted = reals[gpu, at.TOKENS] + reals[gpu, at.SPEED] * (now - reals[gpu, at.SINCE])
    take_slot(rules, room, gpu, request, emitted + room.request_reals[request, at.OUTPUT], now)
    file_gpu(rules, room, gpu)
    plan_event(room, gpu)


@inlined
def take_slot(rules: Any, room: Any, gpu: int, request: int, done: float, now: float) -> None:
    """Seat a decode that will be done when its GPU has counted `done` tokens."""
    reals, integers = room.gpu_reals, room.gpu_integers
    i = room.request_integers[request, at.CLASS]
    slot = integers[gpu, at.DECODES]
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


@inlined
def leave_slot(rules: Any, room: Any, gpu: int, now: float) -> int:
    """Take the decode that is done first out of its GPU and count it; return its request."""
    finish, integers = room.gpu_reals, room.gpu_integers
    begin, holders = rules.finish, rules.holders
    slot, last = integers[gpu, at.FIRST], integers[gpu, at.DECODES] - 1
    request = int(integers[gpu, holders + slot])
    i = room.request_integers[request, at.CLASS]
    finish[gpu, begin + slot] = finish[gpu, begin + last]
    integers[gpu, holders + slot] = integers[gpu, holders + last]
    integers[gpu, at.DECODES] = last
    first, least = 0, finish[gpu, begin]
    for k in range(1, last):
        if finish[gpu, begin + k] < least:
            first, least = k, finish[gpu, begin + k]
    integers[gpu, at.FIRST] = first
    finish[gpu, at.NEXT] = least
    room.gpu_integers[gpu, at.HELD + i] -= 1
    mixed = integers[gpu, at.PREFILLING] != at.NOBODY
    room.state[i * at.ROWS + (at.MIXED if mixed else at.SOLO)] -= 1.0
    room.counts[i, at.MIXED_DONE if mixed else at.SOLO_DONE] += 1.0
    total = now - room.request_reals[request, at.ARRIVED]
    room.sums[i, at.END_TO_END] += total
    note_in_bins(room, i, at.END_TO_END_BINS, total)
    return request


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
def start_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Start a prefill on a GPU without one: its decodes slow down."""
    ends = now + room.request_reals[request, at.PROMPT] * rules.prefill_time
    room.request_reals[request, at.STARTED] = now
    room.request_integers[request, at.ORIGIN] = gpu
    room.gpu_reals[gpu, at.PREFILL_ENDS] = ends
    room.gpu_integers[gpu, at.PREFILLING] = request
    switch_mode(rules, room, gpu, now, rules.speeds[1], at.SOLO, at.MIXED)
