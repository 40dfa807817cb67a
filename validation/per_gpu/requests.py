"""Single requests, compiled into the kernels: drawn, waiting, leaving, recorded."""

import math
from typing import Any

import numpy as np

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.structures import (
    clear_alarm,
    exponential,
    inlined,
    join,
    leave,
    note_in_bins,
    set_alarm,
    uniform,
)


@inlined
def new_request(rules: Any, room: Any, i: int, now: float, stream: int) -> int:
    """Return a new request of class `i` with its lengths and its draws; always three numbers."""
    left = room.counters[at.UNUSED] - 1
    room.counters[at.UNUSED] = left
    request: int = room.unused[left]
    reals, integers = room.request_reals, room.request_integers
    u, v = uniform(room, stream), uniform(room, stream)
    prompt, output = rules.prompt_tokens[i], rules.output_tokens[i]
    law = rules.law[i]
    if law == at.EXPONENTIAL:
        prompt, output = prompt * exponential(u), output * exponential(v)
    elif law == at.LOGNORMAL:
        radius, spread = math.sqrt(2.0 * exponential(u)), rules.spread[i]
        prompt *= math.exp(spread * (radius * math.cos(2.0 * math.pi * v) - 0.5 * spread))
        output *= math.exp(spread * (radius * math.sin(2.0 * math.pi * v) - 0.5 * spread))
    elif law == at.LISTED_LENGTHS:
        first, last = rules.listed_from[i], rules.listed_from[i + 1]
        place = min(first + int(u * (last - first)), last - 1)
        prompt, output = rules.listed[place, 0], rules.listed[place, 1]
    reals[request, at.ARRIVED] = now
    reals[request, at.PROMPT] = prompt
    reals[request, at.OUTPUT] = output
    reals[request, at.PATIENCE] = uniform(room, stream)
    integers[request, at.CLASS] = i
    integers[request, at.LINE] = at.NOBODY
    integers[request, at.ALARM] = at.NOBODY
    integers[request, at.ORIGIN] = at.NOBODY
    return request


@inlined
def line_up(room: Any, i: int, request: int) -> None:
    """Put a request at the end of its prefill queue."""
    join(room, i, request)
    room.state[i * at.ROWS + at.QUEUE] += 1.0


@inlined
def wait_for_decode(rules: Any, room: Any, request: int, buffer: int) -> None:
    """Put a request at the end of a decode buffer."""
    classes = len(rules.patience)
    i = room.request_integers[request, at.CLASS]
    join(room, (1 + buffer) * classes + i, request)
    room.state[i * at.ROWS + (at.SOLO_BUFFER if buffer else at.BUFFER)] += 1.0
    room.counters[at.WAITING + buffer] += 1


@inlined
def start_waiting(rules: Any, room: Any, request: int, now: float, u: float) -> None:
    """Set the deadline of a request, if it still waits; `u` is its draw."""
    patience = rules.patience[room.request_integers[request, at.CLASS]]
    if room.request_integers[request, at.LINE] != at.NOBODY and patience > 0.0:
        room.request_reals[request, at.DEADLINE] = now + exponential(u) / patience
        set_alarm(room, request)


@inlined
def finish_prefill(rules: Any, room: Any, request: int, now: float) -> None:
    """Count the end of a prefill."""
    i = room.request_integers[request, at.CLASS]
    room.state[i * at.ROWS + at.PREFILL] -= 1.0
    room.counts[i, at.PREFILLS] += 1.0
    room.request_reals[request, at.PREFILLED] = now
    first_token = now - room.request_reals[request, at.ARRIVED]
    room.sums[i, at.TTFT] += first_token
    note_in_bins(room, i, at.TTFT_BINS, first_token)


@inlined
def give_up(rules: Any, room: Any, now: float, records: Any) -> None:
    """Let the request whose patience ends first leave."""
    request = int(room.alarms[0])
    stage = lose_patience(rules, room, request)
    write_record(rules, room, records, request, now, 0.0 if stage == 0 else 1.0, at.NOBODY)
    forget(room, request)


@inlined
def lose_patience(rules: Any, room: Any, request: int) -> int:
    """Take a waiting request out and count it; return 0 if it waited for its prefill."""
    classes = len(rules.patience)
    clear_alarm(room, request)
    line: int = room.request_integers[request, at.LINE]
    leave(room, request)
    stage, i = line // classes, line % classes
    if stage == 0:
        room.state[i * at.ROWS + at.QUEUE] -= 1.0
        room.counts[i, at.LEFT_PREFILL] += 1.0
    elif stage == 1:
        room.state[i * at.ROWS + at.BUFFER] -= 1.0
        room.counts[i, at.LEFT_DECODE] += 1.0
        room.counters[at.WAITING] -= 1
    else:
        room.state[i * at.ROWS + at.SOLO_BUFFER] -= 1.0
        room.counts[i, at.LEFT_SOLO_DECODE] += 1.0
        room.counters[at.WAITING + 1] -= 1
    return stage


@inlined
def forget(room: Any, request: int) -> None:
    """Free the row of a request that is gone."""
    left = room.counters[at.UNUSED]
    room.unused[left] = request
    room.counters[at.UNUSED] = left + 1


@inlined
def write_record(
    rules: Any, room: Any, records: Any, request: int, now: float, outcome: float, gpu: int
) -> None:
    """Write what happened to a request, if records are kept; columns as in `records`."""
    if len(records) == 0:
        return
    row = room.counters[at.RECORDED]
    room.counters[at.RECORDED] = row + 1
    reals, integers = room.request_reals, room.request_integers
    started, prefilled, decoding = np.nan, np.nan, np.nan
    prompt = reals[request, at.PROMPT]
    if outcome > 0.0:
        started, prefilled = reals[request, at.STARTED], reals[request, at.PREFILLED]
        prompt = (prefilled - started) / rules.prefill_time
    if outcome > 1.0:
        decoding = reals[request, at.DECODING]
    records[row, 0] = integers[request, at.CLASS]
    records[row, 1] = outcome
    records[row, 2] = reals[request, at.ARRIVED]
    records[row, 3] = started
    records[row, 4] = prefilled
    records[row, 5] = decoding
    records[row, 6] = now
    records[row, 7] = prompt
    records[row, 8] = reals[request, at.OUTPUT]
    records[row, 9] = integers[request, at.ORIGIN]
    records[row, 10] = gpu
    records[row, 11] = 0.0 if gpu == integers[request, at.ORIGIN] else 1.0
