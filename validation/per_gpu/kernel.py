"""The compiled inner loop of the per-GPU cluster: one event after another.

Three clocks: the next arrival, the next event of a GPU (the end of its prefill or of the decode
that is done first), the next deadline of a waiting request. A policy with a cap on prefills has a
fourth: the moment at which its credit is back at zero. After each event the policy acts: free
slots go to waiting decodes, idle GPUs to waiting prompts, in the order that it says.

A decode is done when its GPU has emitted a given number of tokens since the start. A GPU counts
the tokens of its streams, fast alone and slowly beside a prefill: a change of mode touches one
number, whatever the batch, and progress is carried over exactly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.batches import (
    file_gpu,
    leave_slot,
    plan_event,
    start_decode,
    start_prefill,
    switch_mode,
)
from gnr.validation.per_gpu.choices import (
    SAME_GPU,
    Seating,
    acting,
    draw_buffer,
    paid_off,
    pass_time,
)
from gnr.validation.per_gpu.requests import (
    finish_prefill,
    forget,
    give_up,
    line_up,
    new_request,
    start_waiting,
    wait_for_decode,
    write_record,
)
from gnr.validation.per_gpu.sources import stamp_of_sources
from gnr.validation.per_gpu.structures import (
    compiled,
    exponential,
    fetch_likely,
    fetch_rival,
    inlined,
    next_gpu,
    note_in_bins,
    pick,
    uniform,
)

DONE, MORE, NO_ROOM, RECORDS_FULL = range(4)
"""Why the loop came back: time is up, so many events are done, an array is full."""


@inlined
def _fits(room: Any, gpu: int, request: int) -> bool:
    """Say yes: memory has no limit but the slots."""
    return True


@inlined
def _held_up(room: Any, i: int) -> bool:
    return False


@inlined
def _hold_up(room: Any, i: int) -> None:
    """Do nothing: nobody is held up for memory."""


@inlined
def _begin_turn(room: Any) -> None:
    """Do nothing: nobody is held up for memory."""


@inlined
def _place_in_order(room: Any, request: int) -> float:
    arrived: float = room.request_reals[request, at.ARRIVED]
    return arrived


act = acting(
    Seating(
        fits=_fits,
        held_up=_held_up,
        hold_up=_hold_up,
        begin_turn=_begin_turn,
        place_in_order=_place_in_order,
        start_prefill=start_prefill,
        start_decode=start_decode,
    )
)


@inlined
def _advance(rules: Any, room: Any, until: float, events: int, records: Any) -> int:
    request, draw, now = at.NOBODY, 0.0, room.times[at.CLOCK]
    for _ in range(events):
        act(rules, room, now)
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
        paid = paid_off(rules, room)
        now = min(gpu_time, arrival, deadline, paid)
        pass_time(rules, room, min(now, until))
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
def _end_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Finish a prefill: its GPU speeds up, the request goes to the router."""
    i = room.request_integers[request, at.CLASS]
    room.gpu_integers[gpu, at.PREFILLING] = at.NOBODY
    room.gpu_reals[gpu, at.PREFILL_ENDS] = np.inf
    switch_mode(rules, room, gpu, now, rules.speeds[0], at.MIXED, at.SOLO)
    finish_prefill(rules, room, request, now)
    wait_for_decode(rules, room, request, draw_buffer(rules, room, i))


@inlined
def _end_decode(rules: Any, room: Any, gpu: int, now: float, records: Any) -> None:
    """Finish the decode of a GPU that is done first."""
    request, reals = leave_slot(rules, room, gpu, now), room.request_reals
    i = room.request_integers[request, at.CLASS]
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


advance, populate = _entries(stamp_of_sources())
