"""Structures under the per-GPU kernel against brute force: next events, deadlines, lines."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from per_gpu_rooms import FIXED, plan_by_hand, rates_by_hand

from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import structures
from gnr.validation.per_gpu.layout import Room, make_room, with_more_room
from gnr.validation.per_gpu.rules import make_rules
from gnr.validation.policies import POLICIES

PARTS = (
    "join",
    "leave",
    "set_alarm",
    "clear_alarm",
    "_rise",
    "_sink",
    "set_next_event",
    "next_gpu",
)


@pytest.fixture(autouse=True, scope="module")
def _uncompiled() -> Any:
    """Let the parts of the kernel run as the Python that they are written in."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PARTS:
            patch.setattr(structures, name, getattr(structures, name).py_func)
        yield


def room_for(gpus: int, requests: int) -> Room:
    """Return an empty cluster of one class."""
    plan = plan_by_hand(gpus, gpus)
    rules = make_rules(rates_by_hand(), plan, POLICIES["fcfs-immediate"], FIXED)
    room = make_room(rules, gpus, requests, np.ones((2, 4), np.uint64))
    room.request_integers[:, [at.LINE, at.ALARM]] = at.NOBODY
    return room


@pytest.mark.parametrize("gpus", [1, 2, 7, 8, 9, 63, 64, 65, 512, 513, 700])
def test_the_tree_knows_the_gpu_that_is_next(gpus: int) -> None:
    """Sizes around powers of eight; events move nearer, farther and out of sight."""
    room, numbers = room_for(gpus, 1), np.random.default_rng(gpus)
    times = np.full(gpus, np.inf)
    for _ in range(1500):
        gpu = int(numbers.integers(gpus))
        times[gpu] = numbers.choice([np.inf, numbers.integers(20), numbers.random()])
        structures.set_next_event(room, gpu, times[gpu])
        assert room.tree[-1] == times.min()
        if np.isfinite(times.min()):
            assert times[structures.next_gpu(room)] == times.min()


def test_every_level_of_the_tree_holds_the_least_of_eight() -> None:
    """A level that is wrong would hide until the root comes to it."""
    gpus, numbers = 600, np.random.default_rng(4)
    room, times = room_for(gpus, 1), np.full(600, np.inf)
    for _ in range(3000):
        gpu = int(numbers.integers(gpus))
        times[gpu] = numbers.random() if numbers.random() < 0.7 else np.inf
        structures.set_next_event(room, gpu, times[gpu])
    level = times
    for first in room.levels:
        assert np.array_equal(room.tree[first : first + len(level)], level)
        groups = -(-len(level) // at.BRANCHES)
        padded = np.full(groups * at.BRANCHES, np.inf)
        padded[: len(level)] = level
        level = padded.reshape(groups, -1).min(axis=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 6)), max_size=150))
def test_the_heap_of_deadlines_gives_the_least_whatever_leaves(
    moves: list[tuple[int, int]],
) -> None:
    """A request that is in leaves, from any place of the heap; one that is not comes in."""
    room, waiting = room_for(1, 25), dict[int, float]()
    for request, deadline in moves:
        if request in waiting:
            structures.clear_alarm(room, request)
            del waiting[request]
        else:
            room.request_reals[request, at.DEADLINE] = waiting[request] = float(deadline)
            structures.set_alarm(room, request)
        size = int(room.counters[at.ALARMS])
        alarms = [int(each) for each in room.alarms[:size]]
        assert sorted(alarms) == sorted(waiting)
        assert [room.request_integers[each, at.ALARM] for each in alarms] == list(range(size))
        if waiting:
            assert waiting[alarms[0]] == min(waiting.values())


def test_clearing_an_alarm_that_is_not_set_changes_nothing() -> None:
    """Who never leaves has none."""
    room = room_for(1, 3)
    room.request_reals[:, at.DEADLINE] = 1.0
    structures.set_alarm(room, 2)
    structures.clear_alarm(room, 1)
    assert room.counters[at.ALARMS] == 1
    assert room.alarms[0] == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 2)), max_size=120))
def test_lines_are_left_from_the_middle_and_joined_at_the_end(moves: list[tuple[int, int]]) -> None:
    room = room_for(1, 20)
    lines: list[list[int]] = [[], [], []]
    for request, line in moves:
        had = next((each for each in lines if request in each), None)
        if had is None:
            structures.join(room, line, request)
            lines[line].append(request)
        else:
            structures.leave(room, request)
            had.remove(request)
        for k, expected in enumerate(lines):
            assert walked(room, room.head[k], at.BEHIND) == expected
            assert walked(room, room.tail[k], at.BEFORE) == expected[::-1]
            assert all(room.request_integers[each, at.LINE] == k for each in expected)
        out = set(range(20)) - {each for line_ in lines for each in line_}
        assert all(room.request_integers[each, at.LINE] == at.NOBODY for each in out)


def walked(room: Room, request: int, column: int) -> list[int]:
    found = []
    while request != at.NOBODY:
        found.append(int(request))
        request = room.request_integers[request, column]
    return found


def test_more_room_keeps_who_is_there_and_adds_rows_that_nobody_has() -> None:
    room = room_for(1, 4)
    room.counters[at.UNUSED] = 1
    taken = set(room.unused[1:4])
    room.request_reals[:] = np.arange(32.0).reshape(4, 8)
    room.alarms[:2] = [2, 1]
    more = with_more_room(room)
    assert np.array_equal(more.request_reals[:4], np.arange(32.0).reshape(4, 8))
    assert np.shares_memory(more.request_reals, more.request_integers)
    left = more.unused[: more.counters[at.UNUSED]]
    assert sorted([*left, *taken]) == list(range(8))
    assert list(more.alarms[:2]) == [2, 1]
    assert len(more.alarms) == len(more.unused) == 8


@pytest.mark.parametrize("make", [lambda: room_for(3, 5), lambda: with_more_room(room_for(3, 5))])
def test_requests_gpus_and_branches_lie_on_whole_cache_lines(make: Callable[[], Room]) -> None:
    """A request is one line of memory: the speed rests on it."""
    room = make()
    for array in (room.request_reals, room.gpu_reals, room.tree):
        assert array.ctypes.data % 64 == 0
    assert room.request_reals.strides == (64, 8)
    assert room.gpu_reals.strides[0] % 64 == 0
    assert all(first % at.BRANCHES == 0 for first in room.levels)


def test_exponential_numbers_are_those_of_the_uniform_ones() -> None:
    """-log(1 - u), finite for every u in [0, 1)."""
    ends = [0.0, 0.5, 1 - 2.0**-53]
    found = [structures.exponential(u) for u in ends]
    assert found == pytest.approx([0, np.log(2), 53 * np.log(2)])


def test_uniform_numbers_are_those_of_xoshiro256_plus() -> None:
    """Restated with Python's whole numbers; streams do not touch each other."""
    room = room_for(1, 1)
    words = [0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64 - 1]
    room.streams[0] = words
    mask = 2**64 - 1
    for _ in range(200):
        a, b, c, d = words
        expected = ((a + d & mask) >> 11) * 2.0**-53
        assert structures.uniform(room, 0) == expected
        c, d = c ^ a, d ^ b
        words = [a ^ d, b ^ c, c ^ (b << 17 & mask), (d << 45 & mask) | d >> 19]
    assert np.array_equal(room.streams[1], np.ones(4))
