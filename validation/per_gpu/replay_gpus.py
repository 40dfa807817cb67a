"""The GPUs of a replayed cluster, compiled into its kernel: memory, work, iterations."""

from typing import Any

import numpy as np

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.per_gpu.batches import file_gpu, leave_slot, move_decodes, take_slot
from gnr.validation.per_gpu.choices import draw_buffer, pass_time, within_cap
from gnr.validation.per_gpu.iteration_law import iteration_time
from gnr.validation.per_gpu.requests import finish_prefill, wait_for_decode
from gnr.validation.per_gpu.structures import inlined, note_in_bins, set_next_event

# Memory.


@inlined
def kv_need(room: Any, request: int) -> float:
    """Return the KV tokens that a request reserves: its prompt and its output."""
    total: float = room.own.prompts[request] + room.own.outputs[request]
    return total


@inlined
def reserve(room: Any, gpu: int, tokens: float) -> None:
    """Reserve KV tokens on a GPU; less than none are given back."""
    gpus = room.own.gpus
    reserved = gpus[gpu, own.RESERVED] + tokens
    gpus[gpu, own.RESERVED] = reserved
    gpus[gpu, own.MOST_RESERVED] = max(gpus[gpu, own.MOST_RESERVED], reserved)
    room.own.now[own.NOW_RESERVED] += tokens


@inlined
def fits(room: Any, gpu: int, request: int) -> bool:
    """Return whether a GPU has memory for a request, or holds it already."""
    reserved = room.own.gpus[gpu, own.RESERVED]
    if reserved + kv_need(room, request) <= room.own.kv_tokens:
        return True
    return bool(room.request_integers[request, at.ORIGIN] == gpu)


@inlined
def held_up(room: Any, i: int) -> bool:
    """Return whether the head of a prefill queue was found to fit on no ready GPU."""
    return bool(room.own.held_up[i] != 0)


@inlined
def hold_up(room: Any, i: int) -> None:
    """Note that the head of a prefill queue fits on no ready GPU."""
    request, log = room.head[i], room.own.log
    room.own.held_up[i] = 1
    room.own.counters[own.CLASSES_HELD_UP] += 1
    if log.held_up[request] == 0:
        log.held_up[request] = 1
        room.own.totals[own.HELD_UP] += 1.0


@inlined
def begin_turn(room: Any) -> None:
    """Forget who was held up: the policy looks again."""
    if room.own.counters[own.CLASSES_HELD_UP] > 0:
        room.own.counters[own.CLASSES_HELD_UP] = 0
        for i in range(room.own.held_up.size):
            room.own.held_up[i] = 0


# Work that is placed on a GPU.


@inlined
def start_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Give the prefill slot of a GPU to a request, and memory for all of it."""
    room.request_integers[request, at.ORIGIN] = gpu
    room.gpu_integers[gpu, at.PREFILLING] = request
    room.own.gpus[gpu, own.PROCESSED] = 0.0
    reserve(room, gpu, kv_need(room, request))
    room.own.log.prefill_start[request] = now
    room.own.log.prefill_gpu[request] = gpu
    move_decodes(rules, room, gpu, at.SOLO, at.MIXED)
    file_gpu(rules, room, gpu)
    _wake(room, gpu)


@inlined
def start_decode(rules: Any, room: Any, gpu: int, request: int, now: float) -> None:
    """Put a decode into a slot of a GPU; its first token came with its prompt's last chunk."""
    gpus, outputs = room.own.gpus, room.own.outputs
    first = room.gpu_reals[gpu, at.TOKENS]
    first += 1.0 if gpus[gpu, own.PHASE] == own.RUNNING else 0.0
    take_slot(rules, room, gpu, request, first + outputs[request] - 1.0, now)
    gpus[gpu, own.CONTEXT] += room.own.prompts[request] + 1.0
    origin = int(room.request_integers[request, at.ORIGIN])
    if origin != gpu:
        need = kv_need(room, request)
        reserve(room, origin, -need)
        reserve(room, gpu, need)
    room.own.log.decode_start[request] = now
    room.own.log.decode_gpu[request] = gpu
    file_gpu(rules, room, gpu)
    _wake(room, gpu)


@inlined
def _wake(room: Any, gpu: int) -> None:
    """Let a GPU without work begin an iteration, once all of this moment is done."""
    if room.own.gpus[gpu, own.PHASE] == own.IDLE:
        room.own.gpus[gpu, own.PHASE] = own.WOKEN
        _queue_up(room, gpu)


@inlined
def _queue_up(room: Any, gpu: int) -> None:
    counters = room.own.counters
    room.own.to_begin[counters[own.TO_BEGIN]] = gpu
    counters[own.TO_BEGIN] += 1


# Iterations.


@inlined
def begin_iterations(room: Any, now: float) -> None:
    """Begin the iterations of the GPUs that are between two, or have been given work."""
    counters = room.own.counters
    while counters[own.TO_BEGIN] > 0:
        counters[own.TO_BEGIN] -= 1
        _begin_iteration(room, int(room.own.to_begin[counters[own.TO_BEGIN]]), now)


@inlined
def _begin_iteration(room: Any, gpu: int, now: float) -> None:
    gpus, request = room.own.gpus, room.gpu_integers[gpu, at.PREFILLING]
    decodes = float(room.gpu_integers[gpu, at.DECODES])
    chunk, prefix = 0.0, 0.0
    if request != at.NOBODY:
        prefix = gpus[gpu, own.PROCESSED]
        chunk = min(room.own.chunk_tokens, room.own.prompts[request] - prefix)
    if decodes == 0.0 and chunk == 0.0:
        room.own.now[own.NOW_BUSY] -= 1.0
        gpus[gpu, own.PHASE] = own.IDLE
        return
    if gpus[gpu, own.PHASE] == own.WOKEN:
        room.own.now[own.NOW_BUSY] += 1.0
    gpus[gpu, own.PHASE] = own.RUNNING
    gpus[gpu, own.CHUNK], gpus[gpu, own.ACTIVE], gpus[gpu, own.BEGAN] = chunk, decodes, now
    took = iteration_time(room.own.law, chunk, prefix, decodes, gpus[gpu, own.CONTEXT])
    set_next_event(room, gpu, now + took)


@inlined
def ends_something(room: Any, gpu: int) -> bool:
    """Return whether a decode or a prefill ends with the iteration of a GPU."""
    gpus, request = room.own.gpus, room.gpu_integers[gpu, at.PREFILLING]
    done = room.gpu_reals[gpu, at.NEXT] <= room.gpu_reals[gpu, at.TOKENS] + 1.0
    if gpus[gpu, own.ACTIVE] > 0.0 and done:
        return True
    processed, chunk = gpus[gpu, own.PROCESSED], gpus[gpu, own.CHUNK]
    return bool(chunk > 0.0 and processed + chunk >= room.own.prompts[request])


@inlined
def end_iteration(rules: Any, room: Any, gpu: int, now: float) -> int:
    """End the iteration of a GPU; return the request that goes to the router, or nobody."""
    gpus, since, totals = room.own.gpus, room.own.since, room.own.totals
    ending, onward = ends_something(room, gpu), at.NOBODY
    chunk, active = gpus[gpu, own.CHUNK], gpus[gpu, own.ACTIVE]
    totals[own.ITERATIONS] += 1.0
    totals[own.ITERATION_TIME] += now - gpus[gpu, own.BEGAN]
    since[own.OUTPUT_TOKENS] += active
    gpus[gpu, own.CONTEXT] += active
    gpus[gpu, own.PHASE] = own.BETWEEN
    room.gpu_reals[gpu, at.TOKENS] += 1.0
    set_next_event(room, gpu, np.inf)
    _queue_up(room, gpu)
    if chunk > 0.0:
        totals[own.MIXED_ITERATIONS] += 1.0
        since[own.PROMPT_TOKENS] += chunk
        gpus[gpu, own.PROCESSED] += chunk
    if ending:
        _end_decodes(rules, room, gpu, now)
        request = int(room.gpu_integers[gpu, at.PREFILLING])
        if chunk > 0.0 and gpus[gpu, own.PROCESSED] >= room.own.prompts[request]:
            onward = _end_prefill(rules, room, gpu, request, now)
        file_gpu(rules, room, gpu)
    return onward


@inlined
def _end_decodes(rules: Any, room: Any, gpu: int, now: float) -> None:
    """Let the decodes go that have emitted all their tokens."""
    reals, integers = room.gpu_reals, room.gpu_integers
    while integers[gpu, at.DECODES] > 0 and reals[gpu, at.NEXT] <= reals[gpu, at.TOKENS]:
        request = leave_slot(rules, room, gpu, now)
        room.own.gpus[gpu, own.CONTEXT] -= kv_need(room, request)
        emitted = room.own.outputs[request] - 1.0
        per_token = (now - room.request_reals[request, at.DECODING]) / emitted
        i = room.request_integers[request, at.CLASS]
        note_in_bins(room, i, at.TPOT_BINS, per_token)
        _finish(room, gpu, request, now)


@inlined
def _end_prefill(rules: Any, room: Any, gpu: int, request: int, now: float) -> int:
    """Emit the first token of a request; return the request if there are more to come."""
    i = room.request_integers[request, at.CLASS]
    room.gpu_integers[gpu, at.PREFILLING] = at.NOBODY
    move_decodes(rules, room, gpu, at.MIXED, at.SOLO)
    room.request_reals[request, at.DEADLINE] = room.request_reals[request, at.PATIENCE]
    finish_prefill(rules, room, request, now)
    room.own.since[own.OUTPUT_TOKENS] += 1.0
    room.own.log.first_token[request] = now
    if room.own.outputs[request] > 1.0:
        wait_for_decode(rules, room, request, draw_buffer(rules, room, i))
        room.own.counters[own.CHANGED] = 1
        return request
    total = now - room.request_reals[request, at.ARRIVED]
    room.counts[i, at.MIXED_DONE] += 1.0
    room.sums[i, at.END_TO_END] += total
    note_in_bins(room, i, at.END_TO_END_BINS, total)
    _finish(room, gpu, request, now)
    return at.NOBODY


@inlined
def _finish(room: Any, gpu: int, request: int, now: float) -> None:
    """Note that a request has all its tokens, and give its memory back."""
    reserve(room, gpu, -kv_need(room, request))
    room.own.since[own.DONE] += 1.0
    end_request(room, request, now, own.FINISHED)


@inlined
def end_request(room: Any, request: int, now: float, outcome: int) -> None:
    """Write down how a request ended; the policy may act on it."""
    room.own.log.end[request] = now
    room.own.log.outcome[request] = outcome
    room.own.counters[own.ENDED] += 1
    room.own.counters[own.CHANGED] = 1


# Time.


@inlined
def let_pass(rules: Any, room: Any, now: float) -> None:
    """Move the clock; called before anything changes that is counted over time."""
    elapsed, since, level = now - room.times[at.CLOCK], room.own.since, room.own.now
    since[own.BUSY] += level[own.NOW_BUSY] * elapsed
    since[own.KV_TOKENS] += level[own.NOW_RESERVED] * elapsed
    waiting = room.own.counters[own.CLASSES_HELD_UP] > 0 and room.counters[at.READY_GPUS] > 0
    if waiting and within_cap(rules, room):
        room.own.totals[own.HELD_UP_TIME] += elapsed
    pass_time(rules, room, now)
