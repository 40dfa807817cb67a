"""The compiled inner loop of the per-GPU cluster: one event after another.

Three clocks: the next arrival, the next event of a GPU (the end of its prefill or of the decode
that is done first), the next deadline of a waiting request. A policy with a cap on prefills has a
fourth: the moment at which its credit is back at zero. After each event the policy acts: free
slots go to waiting decodes, idle GPUs to waiting prompts, in the order that it says.

A decode is done when its GPU has emitted a given number of tokens since the start. A GPU counts
the tokens of its streams, fast alone and slowly beside a prefill: a change of mode touches one
number, whatever the batch, and progress is carried over exactly.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gnr.validation import chain
from gnr.validation.chain import FAR
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.batches import (
    SAME_GPU,
    file_gpu,
    find_place,
    plan_event,
    start_decode,
    start_prefill,
    switch_mode,
)
from gnr.validation.per_gpu.requests import (
    forget,
    give_up,
    line_up,
    new_request,
    start_waiting,
    wait_for_decode,
    write_record,
)
from gnr.validation.per_gpu.structures import (
    clear_alarm,
    compiled,
    exponential,
    fetch_likely,
    fetch_rival,
    inlined,
    leave,
    next_gpu,
    note_in_bins,
    pick,
    pick_ahead,
    uniform,
)
from gnr.validation.policies import routers

DONE, MORE, NO_ROOM, RECORDS_FULL = range(4)
"""Why the loop came back: time is up, so many events are done, an array is full."""

MOST_CREDIT = 5.0
"""What a cap on prefills saves up at most, request-seconds (Algorithm 11)."""


@inlined
def _advance(rules: Any, room: Any, until: float, events: int, records: Any) -> int:
    request, draw, now = at.NOBODY, 0.0, room.times[at.CLOCK]
    for _ in range(events):
        _act(rules, room, now)
        if request != at.NOBODY:
            start_waiting(rules, room, request, now, draw)
            request = at.NOBODY
        if room.counters[at.UNUSED] == 0:
            return NO_ROOM
        if len(records) > 0 and room.counters[at.RECORDED] == len(records):
            return RECORDS_FULL
        gpu_time, arrival = room.tree[room.tree.size - 1], room.times[at.NEXT_ARRIVAL]
        deadline = np.inf
        if room.counters[at.ALARMS] > 0:
            deadline = room.request_reals[room.alarms[0], at.DEADLINE]
        paid = _paid_off(rules, room)
        now = min(gpu_time, arrival, deadline, paid)
        _pass_time(rules, room, min(now, until))
        if now > until:
            return DONE
        if now == paid:
            room.times[at.CREDIT] = 0.0
        elif now == gpu_time:
            gpu = next_gpu(room)
            fetch_rival(room)
            fetch_likely(room)
            if room.gpu_reals[gpu, at.PREFILL_ENDS] <= now:
                request = room.gpu_integers[gpu, at.PREFILLING]
                draw = room.request_reals[request, at.PATIENCE]
                _end_prefill(rules, room, gpu, request, now)
            else:
                _end_decode(rules, room, gpu, now, records)
        elif now == arrival:
            request = _arrive(rules, room, now)
            draw = room.request_reals[request, at.DEADLINE]
        else:
            give_up(rules, room, now, records)
    if request != at.NOBODY:
        start_waiting(rules, room, request, now, draw)
    return MORE


@inlined
def _populate(rules: Any, room: Any, planned: Any) -> None:
    n, classes = len(room.ready), len(rules.patience)
    room.times[at.NEXT_ARRIVAL] = _next_arrival(rules, room, 0.0)
    for gpu in range(n):
        file_gpu(rules, room, gpu)
    gpu, busy = 0, 0
    for row in at.FILLING_ORDER:
        if row == at.MIXED:
            gpu, busy = 0, gpu
        if row == at.SOLO:
            gpu = busy
        for i in range(classes):
            for _ in range(int(planned[i, row])):
                request = new_request(rules, room, i, 0.0, 1)
                if row == at.PREFILL and gpu < rules.prefill_gpus:
                    room.state[i * at.ROWS + at.PREFILL] += 1.0
                    start_prefill(rules, room, gpu, request, 0.0)
                    gpu += 1
                elif row == at.PREFILL or row == at.QUEUE:
                    line_up(room, i, request)
                else:
                    gpu = _seat(rules, room, request, row, gpu, busy)
    for line in range(3 * classes):
        request = room.head[line]
        while request != at.NOBODY:
            start_waiting(rules, room, request, 0.0, uniform(room, 1))
            request = room.request_integers[request, at.BEHIND]


@inlined
def _seat(rules: Any, room: Any, request: int, row: int, gpu: int, busy: int) -> int:
    """Place a planned decode, `gpu` first; return the GPU to begin with next time.

    The first `busy` GPUs are mixed. The request seems to have come from where it is placed. Who
    finds no room waits; where decodes never leave their GPU, nobody waits for one: he is left out.
    """
    first, stop = (0, busy) if row == at.MIXED else (busy, len(room.ready))
    room.request_reals[request, at.STARTED] = 0.0
    room.request_reals[request, at.PREFILLED] = 0.0
    if row == at.MIXED or row == at.SOLO:
        for step in range(stop - first):
            place = first + (gpu - first + step) % (stop - first)
            if room.gpu_integers[place, at.LIST] != at.NOBODY:
                room.request_integers[request, at.ORIGIN] = place
                start_decode(rules, room, place, request, 0.0)
                return place + 1 if place + 1 < stop else first
    if rules.places[0, rules.places.shape[1] - 1] == SAME_GPU:
        forget(room, request)
    else:
        room.request_integers[request, at.ORIGIN] = pick(room, 1, len(room.ready))
        wait_for_decode(rules, room, request, 1 if row == at.SOLO_BUFFER else 0)
    return gpu


@inlined
def _pass_time(rules: Any, room: Any, now: float) -> None:
    elapsed = now - room.times[at.CLOCK]
    for k in range(room.state.size):
        room.integral[k] += room.state[k] * elapsed
    room.times[at.CLOCK] = now
    if rules.prefill_cap < np.inf:
        earned = (rules.prefill_cap - _present(rules, room, at.PREFILL)) * elapsed
        room.times[at.CREDIT] = min(room.times[at.CREDIT] + earned, MOST_CREDIT)


@inlined
def _present(rules: Any, room: Any, row: int) -> float:
    """Return the requests of all classes in a row of the state."""
    total = 0.0
    for i in range(len(rules.patience)):
        total += room.state[i * at.ROWS + row]
    return total


@inlined
def _paid_off(rules: Any, room: Any) -> float:
    """Return when a debt of the cap on prefills will be paid off if nothing else happens, s."""
    credit, time = room.times[at.CREDIT], np.inf
    if credit < 0.0 and rules.prefill_cap < np.inf:
        earning = rules.prefill_cap - _present(rules, room, at.PREFILL)
        if earning > 0.0:
            time = room.times[at.CLOCK] - credit / earning
    return time


@inlined
def _act(rules: Any, room: Any, now: float) -> None:
    """Let the policy fill what is free."""
    for turn in range(2):
        if turn == rules.prefill_first:
            _route(rules, room, now)
        else:
            _start_prefills(rules, room, now)


@inlined
def _next_arrival(rules: Any, room: Any, now: float) -> float:
    rate: float = rules.arrivals[-1]
    return now + exponential(uniform(room, 0)) / rate


@inlined
def _arrive(rules: Any, room: Any, now: float) -> int:
    """Draw a request, put it in the queue of its class, return it."""
    total = uniform(room, 0) * rules.arrivals[-1]
    i = 0
    while i < rules.arrivals.size - 1 and rules.arrivals[i] <= total:
        i += 1
    request = new_request(rules, room, i, now, 0)
    room.request_reals[request, at.DEADLINE] = uniform(room, 0)
    room.counts[i, at.ARRIVALS] += 1.0
    line_up(room, i, request)
    room.times[at.NEXT_ARRIVAL] = _next_arrival(rules, room, now)
    return request


@inlined
def _start_prefills(rules: Any, room: Any, now: float) -> None:
    """Start prefills while a GPU is ready and the gate lets somebody in."""
    if rules.decodes_first and room.counters[at.WAITING] > 0:
        return
    while room.counters[at.READY_GPUS] > 0 and _within_cap(rules, room):
        i = _admitted(rules, room)
        if i == at.NOBODY:
            break
        request = room.head[i]
        leave(room, request)
        clear_alarm(room, request)
        room.state[i * at.ROWS + at.QUEUE] -= 1.0
        room.state[i * at.ROWS + at.PREFILL] += 1.0
        room.sums[i, at.WAIT_PREFILL] += now - room.request_reals[request, at.ARRIVED]
        room.sums[i, at.STARTS] += 1.0
        gpu = room.ready[pick_ahead(room, at.NEXT_READY, room.counters[at.READY_GPUS])]
        start_prefill(rules, room, gpu, request, now)


@inlined
def _within_cap(rules: Any, room: Any) -> bool:
    """Return whether the cap lets one more prefill start (Algorithm 11, step 2)."""
    if rules.prefill_cap == np.inf:
        return True
    inside = _present(rules, room, at.PREFILL)
    return bool(room.times[at.CREDIT] >= 0.0 and inside < rules.most_prefills)


@inlined
def _crowded(rules: Any, room: Any) -> bool:
    """Return whether no more slots than the cap on prefills are free in the whole cluster."""
    if rules.prefill_cap == np.inf:
        return False
    free = float(len(room.ready) * rules.slots)
    for row in (at.PREFILL, at.MIXED, at.SOLO):
        free -= _present(rules, room, row)
    return bool(free <= rules.prefill_cap)


@inlined
def _admitted(rules: Any, room: Any) -> int:
    """Return the class that the gate lets in next, or nobody."""
    best, least, most = at.NOBODY, FAR, -FAR
    offset = rules.crowded_offset if _crowded(rules, room) else rules.offset
    for i in range(len(rules.patience)):
        request = room.head[i]
        if request == at.NOBODY:
            continue
        if rules.in_order:
            index, surplus = room.request_reals[request, at.ARRIVED], 0.0
        else:
            prefill = room.state[i * at.ROWS + at.PREFILL]
            if prefill >= rules.limit[i]:
                continue
            index = rules.slope[i] * prefill + offset[i]
            surplus = room.state[i * at.ROWS + at.QUEUE] - rules.queue_target[i]
        if index < least or (index == least and surplus > most and index < FAR):
            best, least, most = i, index, surplus
    return best


@inlined
def _end_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Finish a prefill: its GPU speeds up, the request goes to the router."""
    i = room.request_integers[request, at.CLASS]
    room.gpu_integers[gpu, at.PREFILLING] = at.NOBODY
    room.gpu_reals[gpu, at.PREFILL_ENDS] = np.inf
    switch_mode(rules, room, gpu, now, rules.speeds[0], at.MIXED, at.SOLO)
    room.state[i * at.ROWS + at.PREFILL] -= 1.0
    room.counts[i, at.PREFILLS] += 1.0
    room.request_reals[request, at.PREFILLED] = now
    first_token = now - room.request_reals[request, at.ARRIVED]
    room.sums[i, at.TTFT] += first_token
    note_in_bins(room, i, at.TTFT_BINS, first_token)
    share = rules.solo_probability[i]
    wait_for_decode(rules, room, request, 1 if share > 0.0 and uniform(room, 1) < share else 0)


@inlined
def _route(rules: Any, room: Any, now: float) -> None:
    """Give free decode slots to the heads of the decode buffers."""
    for buffer in range(2):
        while room.counters[at.WAITING + buffer] > 0:
            request = _next_decode(rules, room, buffer)
            gpu = find_place(rules, room, buffer, room.request_integers[request, at.ORIGIN])
            if gpu == at.NOBODY:
                break
            i = room.request_integers[request, at.CLASS]
            leave(room, request)
            clear_alarm(room, request)
            room.state[i * at.ROWS + (at.SOLO_BUFFER if buffer else at.BUFFER)] -= 1.0
            room.counters[at.WAITING + buffer] -= 1
            room.sums[i, at.WAIT_DECODE] += now - room.request_reals[request, at.PREFILLED]
            room.sums[i, at.DECODE_STARTS] += 1.0
            start_decode(rules, room, gpu, request, now)


@inlined
def _next_decode(rules: Any, room: Any, buffer: int) -> int:
    """Return the request that is next in a buffer: by drawn class (eq. U11), or the oldest."""
    classes = len(rules.patience)
    total = 0.0
    for i in range(classes):
        if room.head[(1 + buffer) * classes + i] != at.NOBODY:
            total += rules.weights[buffer, i]
    if total > 0.0:
        point, drawn = uniform(room, 1) * total, at.NOBODY
        for i in range(classes):
            request = room.head[(1 + buffer) * classes + i]
            if request != at.NOBODY and rules.weights[buffer, i] > 0.0 and point >= 0.0:
                drawn = request
                point -= rules.weights[buffer, i]
        return drawn
    oldest, since = at.NOBODY, np.inf
    for i in range(classes):
        request = room.head[(1 + buffer) * classes + i]
        if request != at.NOBODY and room.request_reals[request, at.PREFILLED] < since:
            oldest, since = request, room.request_reals[request, at.PREFILLED]
    return oldest


@inlined
def _end_decode(rules: Any, room: Any, gpu: int, now: float, records: Any) -> None:
    """Finish the decode of a GPU that is done first."""
    finish, integers = room.gpu_reals, room.gpu_integers
    begin, holders = rules.finish, rules.holders
    slot, last = integers[gpu, at.FIRST], integers[gpu, at.DECODES] - 1
    request = integers[gpu, holders + slot]
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
    reals = room.request_reals
    total = now - reals[request, at.ARRIVED]
    room.sums[i, at.END_TO_END] += total
    note_in_bins(room, i, at.END_TO_END_BINS, total)
    per_token = (now - reals[request, at.DECODING]) / reals[request, at.OUTPUT]
    note_in_bins(room, i, at.TPOT_BINS, per_token)
    write_record(rules, room, records, request, now, 2.0, gpu)
    forget(room, request)
    file_gpu(rules, room, gpu)
    plan_event(room, gpu)


def _entries(stamp: int) -> tuple[Callable[..., int], Callable[..., None]]:
    """Return the two functions that Python calls.

    They close over a stamp of all sources of the kernel: numba keeps what it has compiled and by
    itself looks only at the file of the function that is called.
    """

    @compiled
    def advance(rules: Any, room: Any, until: float, events: int, records: Any) -> int:
        """Simulate to time `until`, s, but make at most `events` events.

        Finished requests are written to `records`, shape ``(n, RECORD_COLUMNS)``; none if n is 0.
        """
        return _advance(rules, room, until, events, records) if stamp >= 0 else DONE

    @compiled
    def populate(rules: Any, room: Any, planned: Any) -> None:
        """Fill an empty cluster with whole requests, shape ``(classes, 6)`` as `Row`, at time 0.

        Prefills take one GPU each; mixed decodes go round the GPUs with a prefill, solo decodes
        round those without.
        """
        if stamp >= 0:
            _populate(rules, room, planned)

    return advance, populate


def _stamp() -> int:
    """Return a number that changes with the source of anything that is compiled in."""
    others = (Path(str(each.__file__)) for each in (chain, routers))
    files = [*Path(__file__).parent.glob("*.py"), *others]
    text = b"".join(file.read_bytes() for file in sorted(files))
    return int.from_bytes(hashlib.sha256(text).digest()[:7], "big")


advance, populate = _entries(_stamp())
