"""The compiled inner loop of a replayed cluster: every iteration of every GPU is an event.

In an iteration every decode of the GPU emits one token, and the prefill there, if any, processes
one chunk of its prompt; the last chunk emits the first output token. What the policy places on a
GPU in the middle of an iteration takes its slot at once and joins the next one. Iterations that
could begin at a moment begin once everything else of that moment is done.

At one moment the order is: a row of the time series, the credit of a cap on prefills, arrivals,
iterations that end, requests that leave. An iteration in which nothing ends touches its GPU alone;
the policy acts after the others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.batches import file_gpu
from gnr.validation.per_gpu.choices import (
    Seating,
    acting,
    oldest_decode,
    paid_off,
)
from gnr.validation.per_gpu.replay_gpus import (
    begin_iterations,
    begin_turn,
    end_iteration,
    end_request,
    ends_something,
    fits,
    held_up,
    hold_up,
    kv_need,
    let_pass,
    reserve,
    start_decode,
    start_prefill,
)
from gnr.validation.per_gpu.requests import (
    line_up,
    lose_patience,
    start_waiting,
    wait_for_decode,
)
from gnr.validation.per_gpu.sources import stamp_of_sources
from gnr.validation.per_gpu.structures import (
    compiled,
    inlined,
    leave,
    next_gpu,
    uniform,
)

DONE, MORE, SERIES_FULL, QUIET, GO_ON = range(5)
"""Why the loop comes back: time is up, so many events are done, an array is full, nothing will
happen any more. Or it goes on."""


@inlined
def _place_in_order(room: Any, request: int) -> float:
    """Return the place in the trace: many requests of a real one come in the same instant."""
    return float(request)


act = acting(
    Seating(
        fits=fits,
        held_up=held_up,
        hold_up=hold_up,
        begin_turn=begin_turn,
        place_in_order=_place_in_order,
        start_prefill=start_prefill,
        start_decode=start_decode,
    )
)


# Requests that come and go.


@inlined
def _arrive(rules: Any, room: Any, now: float) -> int:
    """Put the next request of the trace into the queue of its class, unless it is too large."""
    counters, arrivals = room.own.counters, room.own.arrivals
    request: int = counters[own.NEXT_REQUEST]
    counters[own.NEXT_REQUEST] = request + 1
    more = request + 1 < arrivals.size
    room.times[at.NEXT_ARRIVAL] = arrivals[request + 1] if more else np.inf
    i = int(room.own.kinds[request])
    reals, integers = room.request_reals, room.request_integers
    reals[request, at.ARRIVED] = now
    reals[request, at.DEADLINE] = uniform(room, 0)
    reals[request, at.PATIENCE] = uniform(room, 0)
    integers[request, at.CLASS] = i
    integers[request, at.LINE] = at.NOBODY
    integers[request, at.ALARM] = at.NOBODY
    integers[request, at.ORIGIN] = at.NOBODY
    room.counts[i, at.ARRIVALS] += 1.0
    room.own.since[own.ARRIVED] += 1.0
    if kv_need(room, request) > room.own.kv_tokens:
        end_request(room, request, now, own.REFUSED)
        return at.NOBODY
    room.own.log.outcome[request] = own.STILL_THERE
    line_up(room, i, request)
    counters[own.CHANGED] = 1
    return request


@inlined
def _give_up(rules: Any, room: Any, now: float) -> None:
    """Let the request whose patience ends first leave."""
    request = int(room.alarms[0])
    if lose_patience(rules, room, request) == 0:
        end_request(room, request, now, own.LEFT_BEFORE_PREFILL)
    else:
        reserve(room, int(room.request_integers[request, at.ORIGIN]), -kv_need(room, request))
        end_request(room, request, now, own.LEFT_BEFORE_DECODE)


# Time.


@inlined
def _close_interval(room: Any) -> None:
    """Write a row of the time series and begin the next."""
    row, states = room.own.counters[own.INTERVALS], room.integral.size
    for k in range(states):
        room.own.series[row, k] = room.integral[k]
        room.integral[k] = 0.0
    for k in range(own.TALLIES):
        room.own.series[row, states + k] = room.own.since[k]
        room.own.since[k] = 0.0
    room.own.counters[own.INTERVALS] = row + 1


@inlined
def _advance(rules: Any, room: Any, until: float, events: int) -> int:
    counters, now, left = room.own.counters, room.times[at.CLOCK], events
    request, draw = at.NOBODY, 0.0
    while True:
        if counters[own.CHANGED]:
            counters[own.CHANGED] = 0
            act(rules, room, now)
        if request != at.NOBODY:
            start_waiting(rules, room, request, now, draw)
            request = at.NOBODY
        gpu_time, arrival = room.tree[room.tree.size - 1], room.times[at.NEXT_ARRIVAL]
        deadline = np.inf
        if room.counters[at.ALARMS] > 0:
            deadline = room.request_reals[room.alarms[0], at.DEADLINE]
        paid = paid_off(rules, room)
        following = min(gpu_time, arrival, deadline, paid)
        mark = room.own.interval * (counters[own.INTERVALS] + 1)
        moment = min(following, mark)
        if counters[own.TO_BEGIN] > 0 and moment > now:
            begin_iterations(room, now)
            continue
        # In one place for all: it is long, and what is compiled in twice is compiled twice.
        why, gpu, nothing_ends = _why_to_stop(room, until, following, mark, left), at.NOBODY, False
        if why != GO_ON:
            moment = until if why == DONE else now
        elif following < mark and gpu_time == moment and paid != moment and arrival != moment:
            gpu = next_gpu(room)
            nothing_ends = not ends_something(room, gpu)
        if not nothing_ends:
            let_pass(rules, room, moment)
        if why != GO_ON:
            return why
        now = moment
        if mark <= following:
            _close_interval(room)
            continue
        left -= 1
        room.own.totals[own.EVENTS] += 1.0
        if gpu != at.NOBODY:
            request = end_iteration(rules, room, gpu, now)
        elif now == paid:
            room.times[at.CREDIT] = 0.0
            counters[own.CHANGED] = 1
        elif now == arrival:
            request = _arrive(rules, room, now)
        else:
            _give_up(rules, room, now)
        if request != at.NOBODY:
            draw = room.request_reals[request, at.DEADLINE]


@inlined
def _why_to_stop(room: Any, until: float, following: float, mark: float, left: int) -> int:
    """Return why the loop comes back before the next event, or that it goes on."""
    counters = room.own.counters
    over = until == np.inf or counters[own.ENDED] == room.own.arrivals.size
    if following == np.inf and over:
        return QUIET
    if min(following, mark) > until:
        return DONE
    if mark <= following and counters[own.INTERVALS] == len(room.own.series):
        return SERIES_FULL
    return MORE if left <= 0 else GO_ON


# New rules.


@inlined
def _refile(rules: Any, room: Any) -> None:
    for gpu in range(len(room.ready)):
        file_gpu(rules, room, gpu)
    mixed_slots = rules.prefill_gpus * rules.decode_slots[0] + rules.roomier_gpus
    solo_slots = (len(room.ready) - rules.prefill_gpus) * rules.decode_slots[1]
    buffer = at.NOBODY
    if rules.places[1, 0] == 0 or (solo_slots == 0 and mixed_slots > 0):
        buffer = 1
    elif mixed_slots == 0 and solo_slots > 0:
        buffer = 0
    if buffer != at.NOBODY:
        _move_waiting(rules, room, buffer)


@inlined
def _move_waiting(rules: Any, room: Any, buffer: int) -> None:
    """Let everybody in a decode buffer wait at the end of the other, with the same patience."""
    while room.counters[at.WAITING + buffer] > 0:
        request = oldest_decode(rules, room, buffer)
        i = room.request_integers[request, at.CLASS]
        leave(room, request)
        room.state[i * at.ROWS + (at.SOLO_BUFFER if buffer else at.BUFFER)] -= 1.0
        room.counters[at.WAITING + buffer] -= 1
        wait_for_decode(rules, room, request, 1 - buffer)


def _entries(stamp: int) -> tuple[Callable[..., int], Callable[..., None], Callable[..., None]]:
    """Return the functions that Python calls, closed over a stamp as those of `kernel`."""

    @compiled
    def advance(rules: Any, room: Any, until: float, events: int) -> int:
        """Simulate to time `until`, s, but make at most `events` events."""
        return _advance(rules, room, until, events) if stamp >= 0 else DONE

    @compiled
    def prepare(rules: Any, room: Any) -> None:
        """Make an empty cluster ready for the first request of its trace."""
        if stamp >= 0:
            _refile(rules, room)
            room.times[at.NEXT_READY] = uniform(room, 1)
            room.times[at.NEXT_FREE] = uniform(room, 1)
            some = room.own.arrivals.size > 0
            room.times[at.NEXT_ARRIVAL] = room.own.arrivals[0] if some else np.inf

    @compiled
    def refile(rules: Any, room: Any) -> None:
        """File every GPU under other rules; who waits for a group without slots changes over."""
        if stamp >= 0:
            _refile(rules, room)

    return advance, prepare, refile


advance, prepare, refile = _entries(stamp_of_sources())
