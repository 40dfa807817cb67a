"""Looking into a simulated cluster: what its memory must never show, request by request."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from gnr.validation.chain import Row
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu.layout import Room, Rules
from gnr.validation.policies.layouts import Layout
from gnr.validation.policies.policy import Policy
from gnr.validation.policies.routers import Place


def line_of(room: Room, line: int) -> list[int]:
    """Return the requests of a line, first to last."""
    found, request = [], int(room.head[line])
    while request != at.NOBODY:
        found.append(request)
        request = int(room.request_integers[request, at.BEHIND])
    return found


def lines_of(rules: Rules, room: Room) -> list[list[int]]:
    """Return the prefill queues, then the two decode buffers, each by class."""
    return [line_of(room, line) for line in range(3 * len(rules.patience))]


def overfull(rules: Rules, room: Room, slots: int, layout: Layout) -> Iterator[str]:
    """Yield what is wrong with the batches, from B and the slots of the mixed group (P12)-(P14)."""
    decodes = room.gpu_integers[:, at.DECODES]
    prefills = room.gpu_integers[:, at.PREFILLING] != at.NOBODY
    group = np.arange(len(decodes)) < rules.prefill_gpus
    if np.any(decodes + prefills > slots):
        yield "more than B requests on a GPU"
    if np.any(decodes[prefills] > slots - 1):
        yield "B decodes beside a prefill"
    most = layout.mixed_group_slots + (np.arange(len(decodes)) < layout.roomier_gpus)
    if np.any((decodes > most)[group]):
        yield "too many decodes on a GPU of the mixed group"
    if np.any(prefills & ~group):
        yield "a prefill outside the mixed group"


def recounted(rules: Rules, room: Room) -> np.ndarray:
    """Return the state counted anew from GPUs and lines, shape ``(classes, 6)``."""
    classes = len(rules.patience)
    state = np.zeros((classes, at.ROWS))
    for gpu in range(len(room.ready)):
        row = room.gpu_integers[gpu]
        mixed = row[at.PREFILLING] != at.NOBODY
        if mixed:
            state[room.request_integers[row[at.PREFILLING], at.CLASS], Row.PREFILL] += 1
        for slot in range(row[at.DECODES]):
            i = room.request_integers[row[rules.holders + slot], at.CLASS]
            state[i, Row.MIXED_DECODE if mixed else Row.SOLO_DECODE] += 1
    for line, requests in enumerate(lines_of(rules, room)):
        stage, i = divmod(line, classes)
        state[i, (Row.PREFILL_QUEUE, Row.DECODE_QUEUE, Row.SOLO_QUEUE)[stage]] += len(requests)
    return state


def miscounted(rules: Rules, room: Room) -> Iterator[str]:
    """Yield where the books differ from the requests that are there, or one is there twice."""
    if np.any(recounted(rules, room) != room.state.reshape(-1, at.ROWS)):
        yield "the state is not what GPUs and lines hold"
    held = [request for line in lines_of(rules, room) for request in line]
    for row in room.gpu_integers:
        held += [int(row[rules.holders + slot]) for slot in range(row[at.DECODES])]
        held += [int(row[at.PREFILLING])] if row[at.PREFILLING] != at.NOBODY else []
    unused = room.unused[: room.counters[at.UNUSED]].tolist()
    if max(Counter(held + unused).values(), default=0) > 1:
        yield "a request in two places"
    if len(held) + len(unused) != len(room.unused):
        yield "a request in no place"


def idle(rules: Rules, room: Room, policy: Policy, slots: int) -> Iterator[str]:
    """Yield where a policy leaves something idle that it may not: its work conservation.

    No GPU that may start a prefill while the gate would let somebody in, a cap has credit, and
    decodes are not waiting where they go first; no free decode slot in the groups that a decode
    buffer may use while that buffer is not empty.
    """
    classes, lines = len(rules.patience), lines_of(rules, room)
    decodes = room.gpu_integers[:, at.DECODES]
    prefills = room.gpu_integers[:, at.PREFILLING] != at.NOBODY
    group = np.arange(len(decodes)) < rules.prefill_gpus
    ready = group & ~prefills & (decodes < slots)
    inside = room.state.reshape(-1, at.ROWS)[:, Row.PREFILL]
    welcome = [bool(lines[i]) for i in range(classes)]
    if not rules.in_order:
        welcome = [
            some and bool(np.isfinite(rules.offset[i])) and inside[i] < rules.limit[i]
            for i, some in enumerate(welcome)
        ]
    held = policy.decodes_first and any(lines[classes : 2 * classes])
    if np.isfinite(rules.prefill_cap):
        held |= room.times[at.CREDIT] < 0 or inside.sum() >= np.ceil(rules.prefill_cap)
    if ready.any() and any(welcome) and not held:
        yield "a GPU is ready while a request that the gate admits waits"
    most = np.where(group, rules.decode_slots[0], rules.decode_slots[1])
    room_left = most + (np.arange(len(decodes)) < rules.roomier_gpus) > decodes
    room_left &= decodes + prefills < slots
    for buffer, places in enumerate(policy.router.buffers):
        waiting = lines[(1 + buffer) * classes : (2 + buffer) * classes]
        if not any(waiting):
            continue
        if Place.SAME_GPU in places:
            yield "a finished prefill waits that could decode in place"
        open_to_all = [place for place in places if place != Place.SAME_GPU]
        for place in open_to_all:
            if np.any(room_left & _members(place, group, prefills)):
                yield "a decode slot is free while a decode waits for it"


def _members(place: Place, group: np.ndarray, prefills: np.ndarray) -> np.ndarray:
    """Return which GPUs a place means now."""
    found = np.zeros_like(group)
    if place & Place.MIXED_GROUP_IDLE:
        found |= group & ~prefills
    if place & Place.MIXED_GROUP_PREFILLING:
        found |= group & prefills
    if place & Place.SOLO_GROUP:
        found |= ~group
    return found
