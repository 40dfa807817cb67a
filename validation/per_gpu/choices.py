"""What a policy decides, compiled into the kernels: who is let in next, who decodes next and where.

Both per-GPU kernels follow the policies with this code. They differ in what an event of a GPU is,
and in how work that is placed on a GPU acts on it: `Seating`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gnr.validation.chain import FAR
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.structures import (
    clear_alarm,
    inlined,
    leave,
    pick,
    pick_ahead,
    uniform,
)
from gnr.validation.policies.routers import Place

SAME_GPU = int(Place.SAME_GPU)

MOST_CREDIT = 5.0
"""What a cap on prefills saves up at most, request-seconds (Algorithm 11)."""

Part = Callable[..., Any]
"""A compiled part of a kernel."""


class Seating(NamedTuple):
    """How a kernel's GPUs take work; all compiled."""

    fits: Part
    """``(room, gpu, request)``: whether the GPU has memory for a request, its slots aside."""
    held_up: Part
    """``(room, i)``: whether the head of the prefill queue was found to fit on no ready GPU."""
    hold_up: Part
    """``(room, i)``: note that it does not; nobody is noted when a turn begins."""
    begin_turn: Part
    """``(room)``: forget who was noted."""
    place_in_order: Part
    """``(room, request)``: a number that is less for who came first."""
    start_prefill: Part
    """``(rules, room, gpu, request, now)``: start a prefill on a GPU without one."""
    start_decode: Part
    """``(rules, room, gpu, request, now)``: put a decode into a free slot of a GPU."""


@inlined
def pass_time(rules: Any, room: Any, now: float) -> None:
    """Move the clock: count the state over the time that has passed, and a cap's credit."""
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
def paid_off(rules: Any, room: Any) -> float:
    """Return when a debt of the cap on prefills will be paid off if nothing else happens, s."""
    credit, time = room.times[at.CREDIT], np.inf
    if credit < 0.0 and rules.prefill_cap < np.inf:
        earning = rules.prefill_cap - _present(rules, room, at.PREFILL)
        if earning > 0.0:
            time = room.times[at.CLOCK] - credit / earning
    return time


@inlined
def within_cap(rules: Any, room: Any) -> bool:
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
def next_decode(rules: Any, room: Any, buffer: int) -> int:
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
    return oldest_decode(rules, room, buffer)


@inlined
def oldest_decode(rules: Any, room: Any, buffer: int) -> int:
    """Return the request that has waited longest in a buffer, or nobody."""
    classes = len(rules.patience)
    oldest, since = at.NOBODY, np.inf
    for i in range(classes):
        request = room.head[(1 + buffer) * classes + i]
        if request != at.NOBODY and room.request_reals[request, at.PREFILLED] < since:
            oldest, since = request, room.request_reals[request, at.PREFILLED]
    return oldest


@inlined
def draw_buffer(rules: Any, room: Any, i: int) -> int:
    """Return the decode buffer of a finished prefill of class `i` (eq. U7)."""
    share = rules.solo_probability[i]
    return 1 if share > 0.0 and uniform(room, 1) < share else 0


def acting(seating: Seating) -> Part:
    """Return the turn of the policy, compiled: ``act(rules, room, now)`` fills what is free."""
    find_ready, find_place = _finding(seating.fits)
    admitted = _admission(seating.held_up, seating.place_in_order)
    hold_up, begin_turn = seating.hold_up, seating.begin_turn
    start_prefill, start_decode = seating.start_prefill, seating.start_decode

    @inlined
    def start_prefills(rules: Any, room: Any, now: float) -> None:
        """Start prefills while a GPU is ready and the gate lets somebody in."""
        begin_turn(room)
        if rules.decodes_first and room.counters[at.WAITING] > 0:
            return
        while room.counters[at.READY_GPUS] > 0 and within_cap(rules, room):
            i = admitted(rules, room)
            if i == at.NOBODY:
                break
            request = int(room.head[i])
            gpu = find_ready(room, request)
            if gpu == at.NOBODY:
                hold_up(room, i)
                if rules.in_order:
                    break
                continue
            leave(room, request)
            clear_alarm(room, request)
            room.state[i * at.ROWS + at.QUEUE] -= 1.0
            room.state[i * at.ROWS + at.PREFILL] += 1.0
            room.sums[i, at.WAIT_PREFILL] += now - room.request_reals[request, at.ARRIVED]
            room.sums[i, at.STARTS] += 1.0
            start_prefill(rules, room, gpu, request, now)

    @inlined
    def route(rules: Any, room: Any, now: float) -> None:
        """Give free decode slots to the heads of the decode buffers."""
        for buffer in range(2):
            while room.counters[at.WAITING + buffer] > 0:
                request = next_decode(rules, room, buffer)
                gpu = find_place(rules, room, buffer, request)
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
    def act(rules: Any, room: Any, now: float) -> None:
        """Let the policy fill what is free, in the order that it says."""
        for turn in range(2):
            if turn == rules.prefill_first:
                route(rules, room, now)
            else:
                start_prefills(rules, room, now)

    return act


def _admission(held_up: Part, place_in_order: Part) -> Part:
    """Return ``admitted(rules, room)``: the class that the gate lets in next, or nobody."""

    @inlined
    def admitted(rules: Any, room: Any) -> int:
        best, least, most = at.NOBODY, FAR, -FAR
        offset = rules.crowded_offset if _crowded(rules, room) else rules.offset
        for i in range(len(rules.patience)):
            request = room.head[i]
            if request == at.NOBODY or held_up(room, i):
                continue
            if rules.in_order:
                index, surplus = place_in_order(room, request), 0.0
            else:
                prefill = room.state[i * at.ROWS + at.PREFILL]
                if prefill >= rules.limit[i]:
                    continue
                index = rules.slope[i] * prefill + offset[i]
                surplus = room.state[i * at.ROWS + at.QUEUE] - rules.queue_target[i]
            if index < least or (index == least and surplus > most and index < FAR):
                best, least, most = i, index, surplus
        return best

    return admitted


def _finding(fits: Part) -> tuple[Part, Part]:
    """Return what finds a GPU for a prefill and for a decode: uniformly among those that fit."""

    @inlined
    def find_ready(room: Any, request: int) -> int:
        """Return a GPU for a prefill, or nobody."""
        size = room.counters[at.READY_GPUS]
        gpu = int(room.ready[pick_ahead(room, at.NEXT_READY, size)])
        if fits(room, gpu, request):
            return gpu
        fitting = 0
        for k in range(size):
            fitting += 1 if fits(room, int(room.ready[k]), request) else 0
        if fitting == 0:
            return at.NOBODY
        chosen = pick(room, 1, fitting)
        for k in range(size):
            if fits(room, int(room.ready[k]), request):
                gpu = int(room.ready[k])
                if chosen == 0:
                    break
                chosen -= 1
        return gpu

    @inlined
    def find_among(room: Any, place: int, choices: int, request: int) -> int:
        """Return one of the `choices` GPUs with a free decode slot of a place, or nobody."""
        chosen, found = pick_ahead(room, at.NEXT_FREE, choices), at.NOBODY
        for which in range(4):
            if place >> which & 1:
                if chosen < room.counters[at.FREE_GPUS + which]:
                    found = int(room.free[which, chosen])
                    break
                chosen -= room.counters[at.FREE_GPUS + which]
        if fits(room, found, request):
            return found
        fitting = 0
        for which in range(4):
            if place >> which & 1:
                for k in range(room.counters[at.FREE_GPUS + which]):
                    fitting += 1 if fits(room, int(room.free[which, k]), request) else 0
        if fitting == 0:
            return at.NOBODY
        chosen = pick(room, 1, fitting)
        for which in range(4):
            if place >> which & 1:
                for k in range(room.counters[at.FREE_GPUS + which]):
                    if fits(room, int(room.free[which, k]), request):
                        found = room.free[which, k] if chosen == 0 else found
                        chosen -= 1
        return found

    @inlined
    def find_place(rules: Any, room: Any, buffer: int, request: int) -> int:
        """Return a GPU for a decode of a buffer, uniformly in the first place with room."""
        origin = int(room.request_integers[request, at.ORIGIN])
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
            found = find_among(room, place, choices, request)
            if found != at.NOBODY:
                return found
        return at.NOBODY

    return find_ready, find_place
