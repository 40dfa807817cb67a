"""The compiled inner loop of the pooled chain: branch-free over a block of lanes.

A block is two flat arrays of rows, `width` numbers each, one per lane: `c` holds the rows of one
class after another, `g` the rows that are not of a class. `width` is a constant of each compiled
kernel: the compiler then knows that rows do not overlap, and works on several lanes at once.

One step is one Poisson event in every lane. All of it is selection and arithmetic, no branch: a
lane whose clock would pass its end goes to its end and nothing happens, which is exact because
waiting times have no memory. What is counted in a step goes into one number per class, seven bits
a flow, spread out after each block of steps: one memory access in the place of seven. Loops run
over ``range(stop)`` only: with a step the compiler cannot tell that an index is not negative, and
takes one lane at a time.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from gnr.validation.chain import FAR, ZERO_WEIGHT, Row

STEPS = 64
"""Steps of a block; fewer than 128, so that a packed count cannot overflow."""

DRAWS = 3
"""Uniform numbers of a step: waiting time, event, choice of class or group."""

# Rows of a class: its state and records in the order of `Row` and `Flow`, then its constants.
STATE, INTEGRAL, COUNT = 0, 6, 12
PACKED, LOW, HIGH, LEAVING = 19, 20, 21, 22
SLOPE, OFFSET, TARGET, PROBABILITY, MIXED_WEIGHT, SOLO_WEIGHT = 28, 29, 30, 31, 32, 33
CLASS_ROWS = 34

# Rows of a lane: records, constants, totals over the classes, and what a step hands on.
CLOCK, UNTIL, ARRIVAL, PREFILL_SLOTS, MIXED_SLOTS, SOLO_SLOTS = 0, 1, 2, 3, 4, 5
PREFILL, MIXED, SOLO, WAITING, SOLO_WAITING = 6, 7, 8, 9, 10
TOTAL, ELAPSED, POINT, REACHED, CODE = 11, 12, 13, 14, 15
TO_SOLO, TO_MIXED, FOR_SOLO, DRAWN = 16, 17, 18, 19
BEST, SURPLUS, CHOSEN = 20, 21, 22
LANE_ROWS = 23

# What happened in a step, as one number per lane; a finished prefill of class i is PREFILLED + i.
LEFT, LEFT_SOLO, MIXED_DONE, SOLO_DONE, PREFILLED = 1.0, 2.0, 3.0, 4.0, 16.0

QUEUE_, PREFILL_, WAITING_, MIXED_, SOLO_, SOLO_WAITING_ = (int(row) for row in Row)
"""Rows of the state."""

_MANTISSA = np.int64((1 << 52) - 1)
_ONE = np.int64(1023 << 52)
_ROOT_TWO = np.int64(0x6A09E667F3BCC)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_UNIT = 2.0**-53

inlined = njit(error_model="numpy", forceinline=True, fastmath={"contract"})
compiled = njit(cache=True, error_model="numpy", nogil=True, fastmath={"contract"})


@inlined
def draw_uniforms(seeds: Any, uniforms: Any, width: int) -> None:
    """Fill `uniforms`, flat, with numbers in [0, 1); xoshiro256+ with one stream per lane.

    `seeds` is the state of the generators, flat ``(4, width)``, unsigned 64 bits.
    """
    for row in range(uniforms.size // width):
        start = row * width
        for lane in range(width):
            a, b = seeds[lane], seeds[width + lane]
            c, d = seeds[2 * width + lane], seeds[3 * width + lane]
            uniforms[start + lane] = np.float64(np.int64((a + d) >> np.uint64(11))) * _UNIT
            shifted = b << np.uint64(17)
            c ^= a
            d ^= b
            seeds[width + lane] = b ^ c
            seeds[lane] = a ^ d
            seeds[2 * width + lane] = c ^ shifted
            seeds[3 * width + lane] = (d << np.uint64(45)) | (d >> np.uint64(19))


@inlined
def make_exponential(uniforms: Any, bits: Any, power: Any, width: int) -> None:
    """Turn the first draw u of every step into -log(1 - u), to the last digit.

    The logarithm of the C library takes one number at a time; this one (splitting off the power of
    two, then a minimax polynomial in s = f / (2 + f)) lets the compiler take several. `bits` is the
    same memory as `uniforms`, seen as integers; `power` is scratch, shape ``(width,)``.
    """
    for step in range(uniforms.size // (DRAWS * width)):
        start = step * DRAWS * width
        for lane in range(width):
            uniforms[start + lane] = 1.0 - uniforms[start + lane]
        for lane in range(width):
            pattern = bits[start + lane]
            mantissa = pattern & _MANTISSA
            carry = np.int64(1) if mantissa > _ROOT_TWO else np.int64(0)
            power[lane] = np.float64((pattern >> np.int64(52)) - np.int64(1023) + carry)
            bits[start + lane] = mantissa | (_ONE - (carry << np.int64(52)))
        for lane in range(width):
            f = uniforms[start + lane] - 1.0
            s = f / (2.0 + f)
            z = s * s
            tail = 1.818357216161805012e-01 + z * (
                1.531383769920937332e-01 + z * 1.479819860511658591e-01
            )
            middle = 2.857142874366239149e-01 + z * (2.222219843214978396e-01 + z * tail)
            series = z * (6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * middle))
            half = 0.5 * f * f
            low = s * (half + series) + power[lane] * _LN2_LOW
            uniforms[start + lane] = -(power[lane] * _LN2_HIGH - ((half - low) - f))


@inlined
def admit_and_total(c: Any, g: Any, classes: int, width: int, rows: int) -> None:
    """Start the prefill chosen at the end of the last step; add up the rates of all clocks."""
    for lane in range(width):
        g[TOTAL * width + lane] = g[ARRIVAL * width + lane]
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            start = 1.0 if g[CHOSEN * width + lane] == i else 0.0
            queue = c[b + QUEUE_ * width + lane] - start
            prefill = c[b + PREFILL_ * width + lane] + start
            c[b + QUEUE_ * width + lane] = queue
            c[b + PREFILL_ * width + lane] = prefill
            rate = c[b + (LEAVING + QUEUE_) * width + lane] * queue
            rate += c[b + (LEAVING + PREFILL_) * width + lane] * prefill
            for row in range(2, rows):
                rate += c[b + (LEAVING + row) * width + lane] * c[b + row * width + lane]
            g[TOTAL * width + lane] += rate
            g[PREFILL * width + lane] += start


@inlined
def pass_time(g: Any, u: Any, o: int, width: int) -> None:
    """Let time run to the next event or the end; choose the event's place among the clocks."""
    for lane in range(width):
        total = g[TOTAL * width + lane]
        elapsed = u[o + lane] / total
        left = g[UNTIL * width + lane] - g[CLOCK * width + lane]
        alive = elapsed < left
        elapsed = elapsed if alive else left
        g[ELAPSED * width + lane] = elapsed
        g[CLOCK * width + lane] += elapsed
        g[POINT * width + lane] = u[o + width + lane] * total if alive else FAR
        g[REACHED * width + lane] = g[ARRIVAL * width + lane]
        g[CODE * width + lane] = 0.0


@inlined
def happen(c: Any, g: Any, classes: int, width: int, split: bool) -> None:
    """Add to the integrals; move the request whose clock rang; count and report it."""
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            elapsed, point = g[ELAPSED * width + lane], g[POINT * width + lane]
            queue, prefill = c[b + QUEUE_ * width + lane], c[b + PREFILL_ * width + lane]
            waiting, mixed = c[b + WAITING_ * width + lane], c[b + MIXED_ * width + lane]
            solo = c[b + SOLO_ * width + lane]
            c[b + (INTEGRAL + QUEUE_) * width + lane] += queue * elapsed
            c[b + (INTEGRAL + PREFILL_) * width + lane] += prefill * elapsed
            c[b + (INTEGRAL + WAITING_) * width + lane] += waiting * elapsed
            c[b + (INTEGRAL + MIXED_) * width + lane] += mixed * elapsed
            c[b + (INTEGRAL + SOLO_) * width + lane] += solo * elapsed
            e0 = g[REACHED * width + lane]
            e1 = e0 + c[b + (LEAVING + QUEUE_) * width + lane] * queue
            e2 = e1 + c[b + (LEAVING + PREFILL_) * width + lane] * prefill
            e3 = e2 + c[b + (LEAVING + WAITING_) * width + lane] * waiting
            e4 = e3 + c[b + (LEAVING + MIXED_) * width + lane] * mixed
            e5 = e4 + c[b + (LEAVING + SOLO_) * width + lane] * solo
            low, high = c[b + LOW * width + lane], c[b + HIGH * width + lane]
            arrived = 1.0 if (point >= low) & (point < high) else 0.0
            r0, r1 = 1.0 if point >= e0 else 0.0, 1.0 if point >= e1 else 0.0
            r2, r3 = 1.0 if point >= e2 else 0.0, 1.0 if point >= e3 else 0.0
            r4, r5 = 1.0 if point >= e4 else 0.0, 1.0 if point >= e5 else 0.0
            gave_up, prefilled, left = r0 - r1, r1 - r2, r2 - r3
            mixed_done, solo_done = r3 - r4, r4 - r5
            c[b + QUEUE_ * width + lane] = queue + arrived - gave_up
            c[b + PREFILL_ * width + lane] = prefill - prefilled
            c[b + WAITING_ * width + lane] = waiting - left
            c[b + MIXED_ * width + lane] = mixed - mixed_done
            c[b + SOLO_ * width + lane] = solo - solo_done
            packed = arrived + 128.0 * gave_up + 16384.0 * prefilled + 2097152.0 * left
            packed += 268435456.0 * mixed_done + 34359738368.0 * solo_done
            code = (PREFILLED + i) * prefilled + LEFT * left
            code += MIXED_DONE * mixed_done + SOLO_DONE * solo_done
            if split:
                solo_waiting = c[b + SOLO_WAITING_ * width + lane]
                c[b + (INTEGRAL + SOLO_WAITING_) * width + lane] += solo_waiting * elapsed
                e6 = e5 + c[b + (LEAVING + SOLO_WAITING_) * width + lane] * solo_waiting
                left_solo = 1.0 if (point >= e5) & (point < e6) else 0.0
                c[b + SOLO_WAITING_ * width + lane] = solo_waiting - left_solo
                packed += 4398046511104.0 * left_solo
                code += LEFT_SOLO * left_solo
                e5 = e6
            c[b + PACKED * width + lane] += packed
            g[REACHED * width + lane] = e5
            g[CODE * width + lane] += code


@inlined
def route_shared(c: Any, g: Any, u: Any, o: int, classes: int, width: int) -> None:
    """Place a finished prefill; give a freed slot to the one decode buffer (Algorithm 3)."""
    for lane in range(width):
        code = g[CODE * width + lane]
        prefilled = 1.0 if code >= PREFILLED else 0.0
        freed_mixed = 1.0 if code == MIXED_DONE else 0.0
        freed_solo = 1.0 if code == SOLO_DONE else 0.0
        mixed, solo = g[MIXED * width + lane] - freed_mixed, g[SOLO * width + lane] - freed_solo
        waiting = g[WAITING * width + lane] - (1.0 if code == LEFT else 0.0)
        to_solo = prefilled if solo < g[SOLO_SLOTS * width + lane] else 0.0
        to_mixed = prefilled - to_solo if mixed < g[MIXED_SLOTS * width + lane] else 0.0
        freed_mixed = freed_mixed if waiting > 0.0 else 0.0
        freed_solo = freed_solo if waiting > 0.0 else 0.0
        drawn = min(u[o + 2 * width + lane] * waiting, waiting - 0.5)
        g[DRAWN * width + lane] = drawn if freed_mixed + freed_solo > 0.0 else -1.0
        g[TO_SOLO * width + lane] = to_solo
        g[TO_MIXED * width + lane] = to_mixed
        g[MIXED * width + lane] = mixed + to_mixed + freed_mixed
        g[SOLO * width + lane] = solo + to_solo + freed_solo
        g[WAITING * width + lane] = (
            waiting + (prefilled - to_solo - to_mixed) - (freed_mixed + freed_solo)
        )
        g[PREFILL * width + lane] -= prefilled
        g[REACHED * width + lane] = 0.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            code = g[CODE * width + lane]
            prefilled = 1.0 if code == PREFILLED + i else 0.0
            to_solo = prefilled * g[TO_SOLO * width + lane]
            to_mixed = prefilled * g[TO_MIXED * width + lane]
            waiting = c[b + WAITING_ * width + lane]
            low = g[REACHED * width + lane]
            high = low + waiting
            g[REACHED * width + lane] = high
            drawn = g[DRAWN * width + lane]
            taken = 1.0 if (drawn >= low) & (drawn < high) else 0.0
            c[b + WAITING_ * width + lane] = waiting + (prefilled - to_solo - to_mixed) - taken
            c[b + MIXED_ * width + lane] += to_mixed + (taken if code == MIXED_DONE else 0.0)
            c[b + SOLO_ * width + lane] += to_solo + (taken if code == SOLO_DONE else 0.0)


@inlined
def route_split(c: Any, g: Any, u: Any, o: int, classes: int, width: int) -> None:
    """Send a finished prefill to the group it draws; a freed slot serves its own buffer only.

    Algorithms 6 and 7. FOR_SOLO holds the draw; REACHED first adds up the weights of the classes
    that wait for the freed group.
    """
    for lane in range(width):
        g[FOR_SOLO * width + lane] = 0.0
        g[REACHED * width + lane] = 0.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            code = g[CODE * width + lane]
            solo = u[o + 2 * width + lane] < c[b + PROBABILITY * width + lane]
            g[FOR_SOLO * width + lane] += 1.0 if (code == PREFILLED + i) & solo else 0.0
            freed_solo = code == SOLO_DONE
            own, other = c[b + SOLO_WAITING_ * width + lane], c[b + WAITING_ * width + lane]
            waiting = own if freed_solo else other
            own, other = c[b + SOLO_WEIGHT * width + lane], c[b + MIXED_WEIGHT * width + lane]
            weight = own if freed_solo else other
            g[REACHED * width + lane] += (weight if waiting > 0.0 else 0.0) + ZERO_WEIGHT * waiting
    for lane in range(width):
        code = g[CODE * width + lane]
        prefilled = 1.0 if code >= PREFILLED else 0.0
        freed_mixed = 1.0 if code == MIXED_DONE else 0.0
        freed_solo = 1.0 if code == SOLO_DONE else 0.0
        mixed, solo = g[MIXED * width + lane] - freed_mixed, g[SOLO * width + lane] - freed_solo
        waiting = g[WAITING * width + lane] - (1.0 if code == LEFT else 0.0)
        solo_waiting = g[SOLO_WAITING * width + lane] - (1.0 if code == LEFT_SOLO else 0.0)
        for_solo = g[FOR_SOLO * width + lane]
        for_mixed = prefilled - for_solo
        to_solo = for_solo if solo < g[SOLO_SLOTS * width + lane] else 0.0
        to_mixed = for_mixed if mixed < g[MIXED_SLOTS * width + lane] else 0.0
        freed_mixed = freed_mixed if waiting > 0.0 else 0.0
        freed_solo = freed_solo if solo_waiting > 0.0 else 0.0
        total = g[REACHED * width + lane]
        drawn = min(u[o + 2 * width + lane], 1.0 - 1e-9) * total
        g[DRAWN * width + lane] = drawn if freed_mixed + freed_solo > 0.0 else -1.0
        g[TO_SOLO * width + lane] = to_solo
        g[TO_MIXED * width + lane] = to_mixed
        g[MIXED * width + lane] = mixed + to_mixed + freed_mixed
        g[SOLO * width + lane] = solo + to_solo + freed_solo
        g[WAITING * width + lane] = waiting + for_mixed - to_mixed - freed_mixed
        g[SOLO_WAITING * width + lane] = solo_waiting + for_solo - to_solo - freed_solo
        g[PREFILL * width + lane] -= prefilled
        g[REACHED * width + lane] = 0.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            code = g[CODE * width + lane]
            prefilled = 1.0 if code == PREFILLED + i else 0.0
            for_solo = prefilled * g[FOR_SOLO * width + lane]
            waiting = c[b + WAITING_ * width + lane]
            solo_waiting = c[b + SOLO_WAITING_ * width + lane]
            freed_solo = code == SOLO_DONE
            own = solo_waiting if freed_solo else waiting
            for_freed = c[b + SOLO_WEIGHT * width + lane]
            for_others = c[b + MIXED_WEIGHT * width + lane]
            weight = for_freed if freed_solo else for_others
            low = g[REACHED * width + lane]
            high = low + (weight if own > 0.0 else 0.0) + ZERO_WEIGHT * own
            g[REACHED * width + lane] = high
            drawn = g[DRAWN * width + lane]
            taken = 1.0 if (drawn >= low) & (drawn < high) else 0.0
            to_solo, to_mixed = (
                prefilled * g[TO_SOLO * width + lane],
                prefilled * g[TO_MIXED * width + lane],
            )
            from_solo = taken if freed_solo else 0.0
            from_mixed = taken - from_solo
            c[b + WAITING_ * width + lane] = (
                waiting + (prefilled - for_solo) - to_mixed - from_mixed
            )
            c[b + SOLO_WAITING_ * width + lane] = solo_waiting + for_solo - to_solo - from_solo
            c[b + MIXED_ * width + lane] += to_mixed + from_mixed
            c[b + SOLO_ * width + lane] += to_solo + from_solo


@inlined
def choose_by_index(c: Any, g: Any, classes: int, width: int) -> None:
    """Choose the waiting class of least index if a prefill slot is free (Algorithm 2)."""
    for lane in range(width):
        free = g[PREFILL * width + lane] < g[PREFILL_SLOTS * width + lane]
        g[BEST * width + lane] = FAR if free else -FAR
        g[SURPLUS * width + lane] = 0.0
        g[CHOSEN * width + lane] = -1.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            queue = c[b + QUEUE_ * width + lane]
            index = c[b + PREFILL_ * width + lane] * c[b + SLOPE * width + lane]
            index += c[b + OFFSET * width + lane]
            index = index if queue > 0.0 else 2.0 * FAR
            surplus = queue - c[b + TARGET * width + lane]
            best, most = g[BEST * width + lane], g[SURPLUS * width + lane]
            better = (index < best) | ((index == best) & (surplus > most))
            g[BEST * width + lane] = index if better else best
            g[SURPLUS * width + lane] = surplus if better else most
            g[CHOSEN * width + lane] = float(i) if better else g[CHOSEN * width + lane]


@inlined
def choose_by_count(c: Any, g: Any, u: Any, o: int, classes: int, width: int) -> None:
    """Choose a waiting class in proportion to the counts if a prefill slot is free (FG-SP)."""
    for lane in range(width):
        g[REACHED * width + lane] = 0.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            g[REACHED * width + lane] += c[b + QUEUE_ * width + lane]
    for lane in range(width):
        total = g[REACHED * width + lane]
        free = g[PREFILL * width + lane] < g[PREFILL_SLOTS * width + lane]
        starts = free & (total > 0.0)
        drawn = min(u[o + 2 * width + lane] * total, total - 0.5)
        g[DRAWN * width + lane] = drawn if starts else -1.0
        g[CHOSEN * width + lane] = -1.0
        g[REACHED * width + lane] = 0.0
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            low = g[REACHED * width + lane]
            high = low + c[b + QUEUE_ * width + lane]
            g[REACHED * width + lane] = high
            drawn = g[DRAWN * width + lane]
            hit = (drawn >= low) & (drawn < high)
            g[CHOSEN * width + lane] = float(i) if hit else g[CHOSEN * width + lane]


@inlined
def settle_records(c: Any, g: Any, classes: int, width: int) -> None:
    """Spread out the packed counts; start the prefill that was chosen last."""
    for i in range(classes):
        b = i * CLASS_ROWS * width
        for lane in range(width):
            packed = np.int64(c[b + PACKED * width + lane])
            c[b + PACKED * width + lane] = 0.0
            for flow in range(7):
                c[b + (COUNT + flow) * width + lane] += float(packed & np.int64(127))
                packed >>= np.int64(7)
            start = 1.0 if g[CHOSEN * width + lane] == i else 0.0
            c[b + QUEUE_ * width + lane] -= start
            c[b + PREFILL_ * width + lane] += start
            g[PREFILL * width + lane] += start
    for lane in range(width):
        g[CHOSEN * width + lane] = -1.0


@inlined
def finished(g: Any, width: int) -> bool:
    """Return whether every lane has reached its end."""
    left = 0.0
    for lane in range(width):
        left = max(left, g[UNTIL * width + lane] - g[CLOCK * width + lane])
    return left <= 0.0


Kernel = Callable[[Any, Any, Any, Any, Any, Any, int, int], None]
"""``kernel(c, g, seeds, uniforms, bits, power, classes, blocks)``.

Makes up to `blocks` times the steps that `uniforms` has room for, flat ``(steps, 3, width)``, steps
at most `STEPS`. With `seeds`, flat ``(4, width)``, it draws the numbers itself; with empty `seeds`
it takes those it finds.
"""


@cache
def shared_index_kernel(width: int) -> Kernel:
    """Return the kernel of one decode buffer behind an index gate."""

    @compiled
    def kernel(c, g, seeds, u, bits, power, classes, blocks):  # type: ignore[no-untyped-def]
        for _ in range(blocks):
            if finished(g, width):
                break
            if seeds.size > 0:
                draw_uniforms(seeds, u, width)
            make_exponential(u, bits, power, width)
            for step in range(u.size // (DRAWS * width)):
                o = step * DRAWS * width
                admit_and_total(c, g, classes, width, 5)
                pass_time(g, u, o, width)
                happen(c, g, classes, width, False)
                route_shared(c, g, u, o, classes, width)
                choose_by_index(c, g, classes, width)
            settle_records(c, g, classes, width)

    return kernel


@cache
def shared_fcfs_kernel(width: int) -> Kernel:
    """Return the kernel of one decode buffer without a gate."""

    @compiled
    def kernel(c, g, seeds, u, bits, power, classes, blocks):  # type: ignore[no-untyped-def]
        for _ in range(blocks):
            if finished(g, width):
                break
            if seeds.size > 0:
                draw_uniforms(seeds, u, width)
            make_exponential(u, bits, power, width)
            for step in range(u.size // (DRAWS * width)):
                o = step * DRAWS * width
                admit_and_total(c, g, classes, width, 5)
                pass_time(g, u, o, width)
                happen(c, g, classes, width, False)
                route_shared(c, g, u, o, classes, width)
                choose_by_count(c, g, u, o, classes, width)
            settle_records(c, g, classes, width)

    return kernel


@cache
def split_index_kernel(width: int) -> Kernel:
    """Return the kernel of two decode buffers behind an index gate."""

    @compiled
    def kernel(c, g, seeds, u, bits, power, classes, blocks):  # type: ignore[no-untyped-def]
        for _ in range(blocks):
            if finished(g, width):
                break
            if seeds.size > 0:
                draw_uniforms(seeds, u, width)
            make_exponential(u, bits, power, width)
            for step in range(u.size // (DRAWS * width)):
                o = step * DRAWS * width
                admit_and_total(c, g, classes, width, 6)
                pass_time(g, u, o, width)
                happen(c, g, classes, width, True)
                route_split(c, g, u, o, classes, width)
                choose_by_index(c, g, classes, width)
            settle_records(c, g, classes, width)

    return kernel
