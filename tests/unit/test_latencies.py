"""Histograms of times: edges of the bins, quantiles, means, and what has no value."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from per_gpu_rooms import cluster_by_hand, plan_by_hand

from gnr.validation.chain import Flow
from gnr.validation.per_gpu import layout as at
from gnr.validation.per_gpu import structures
from gnr.validation.per_gpu.engine import PerGpuLanes
from gnr.validation.per_gpu.latencies import EDGES, QUANTILES, TIMES, latencies

WIDTH = 1 / at.BINS_PER_OCTAVE
"""Relative width of the widest bins."""


@pytest.fixture(scope="module")
def room() -> Any:
    return cluster_by_hand("fcfs-immediate", plan_by_hand(1, 1)).room


def counted(room: Any, values: Any) -> np.ndarray[Any, Any]:
    """Return the histogram that the kernel makes of times, s."""
    room.bins[:] = 0
    for value in values:
        structures.note_in_bins.py_func(room, 0, at.TTFT_BINS, value)  # type: ignore[attr-defined]
    return np.array(room.bins[0, at.TTFT_BINS])


def lanes_with(bins: np.ndarray[Any, Any], **changes: Any) -> PerGpuLanes:
    """Return records of several classes in one lane; `bins` has shape ``(classes, BINS)``."""
    classes = len(bins)
    every = np.repeat(bins[:, None, :, None], at.HISTOGRAMS, axis=1)
    blank = PerGpuLanes(
        state=np.zeros((classes, at.ROWS, 1)),
        integral=np.zeros((classes, at.ROWS, 1)),
        count=np.zeros((classes, len(Flow), 1)),
        clock=np.ones(1),
        events=np.ones(1),
        sums=np.zeros((classes, at.SUMS, 1)),
        bins=every,
    )
    return replace(blank, **changes)


def test_edges_split_every_power_of_two_in_equal_parts() -> None:
    assert len(EDGES) == at.BINS + 1
    octaves = np.arange(at.LOWEST_OCTAVE, at.HIGHEST_OCTAVE + 1)
    assert EDGES[:: at.BINS_PER_OCTAVE] == pytest.approx(2.0**octaves, rel=1e-14)
    within = EDGES[:-1].reshape(len(octaves) - 1, -1) / 2.0 ** octaves[:-1, None]
    assert np.diff(within, axis=1) == pytest.approx(WIDTH, rel=1e-10)
    assert (np.diff(EDGES) / EDGES[:-1]).max() <= WIDTH * (1 + 1e-12)


def test_a_time_is_counted_between_the_edges_of_its_bin(room: Any) -> None:
    """The bin is read off the bits of the number: held against a search among the edges."""
    values = np.exp(np.random.default_rng(8).uniform(np.log(2e-6), np.log(9e5), 3000))
    expected = np.bincount(np.searchsorted(EDGES, values, side="right") - 1, minlength=at.BINS)
    assert np.array_equal(counted(room, values), expected)


@pytest.mark.parametrize("exact", [2.0**-20, 0.5, 1.0, 1.5, 33 / 32, 4.0, 2.0**19])
def test_an_edge_belongs_to_the_bin_above_it(exact: float, room: Any) -> None:
    place = int(np.flatnonzero(counted(room, [exact]))[0])
    assert EDGES[place] == pytest.approx(exact, rel=1e-14)
    below = int(np.flatnonzero(counted(room, [np.nextafter(exact, 0)]))[0])
    assert below == max(place - 1, 0)


def test_times_beyond_the_ends_are_counted_in_the_last_bins(room: Any) -> None:
    """No write outside the histogram: zero, tiny, huge, infinite."""
    found = counted(room, [0.0, 5e-324, 1e-9, 2.0**20, 1e300, np.inf])
    assert (found[0], found[-1], found.sum()) == (3, 3, 6)


@pytest.mark.parametrize(
    "samples",
    [
        np.random.default_rng(1).exponential(0.3, 20_000),
        np.random.default_rng(2).lognormal(2.0, 1.5, 20_000),
        np.random.default_rng(3).uniform(10, 11, 20_000),
        np.full(50, 0.022),
        np.repeat([0.1, 5.0, 700.0], [90, 7, 3]),
        np.array([42.0]),
    ],
    ids=["exponential", "lognormal", "narrow", "constant", "three values", "one value"],
)
def test_quantiles_are_numpys_within_a_bin(samples: np.ndarray[Any, Any]) -> None:
    """The stated 3 %: a sample quantile and the histogram's lie in the same bin."""
    bins = np.histogram(samples, EDGES)[0]
    found = latencies(lanes_with(bins[None]))
    for time in TIMES:
        for name, share in QUANTILES.items():
            exact = np.quantile(samples, share, method="inverted_cdf")
            assert found[f"{time}_{name}"] == pytest.approx(exact, rel=WIDTH)


def test_quantiles_of_all_classes_are_of_all_requests() -> None:
    """Not the mean of the classes' quantiles: 90 quick requests and 10 slow ones."""
    bins = np.zeros((2, at.BINS), np.int64)
    quick, slow = np.searchsorted(EDGES, [1.01, 64.01]) - 1
    bins[0, quick], bins[1, slow] = 90, 10
    found = latencies(lanes_with(bins))
    assert found["ttft_p50"][:, 0] == pytest.approx([1, 64, 1], rel=WIDTH)
    assert found["ttft_p95"][:, 0] == pytest.approx([1, 64, 64], rel=WIDTH)


def test_means_divide_by_those_who_came_so_far() -> None:
    """Two classes and their sum; what nobody reached is nan, never 0."""
    count, sums = np.zeros((2, len(Flow), 1)), np.zeros((2, at.SUMS, 1))
    count[0, [Flow.PREFILLS, Flow.MIXED_COMPLETIONS, Flow.SOLO_COMPLETIONS], 0] = 4, 1, 2
    for row, value in ((at.STARTS, 5), (at.WAIT_PREFILL, 10), (at.TTFT, 12), (at.END_TO_END, 60),
                       (at.DECODE_STARTS, 4), (at.WAIT_DECODE, 2), (at.TRANSFERS, 1)):  # fmt: skip
        sums[0, row] = value
    sums[1, at.STARTS], sums[1, at.WAIT_PREFILL] = 5, 0
    found = latencies(lanes_with(np.zeros((2, at.BINS), np.int64), count=count, sums=sums))
    expected = {
        "wait_prefill": [2, 0, 1],
        "wait_decode": [0.5, np.nan, 0.5],
        "ttft": [3, np.nan, 3],
        "end_to_end": [20, np.nan, 20],
        "kv_transfers": [0.25, np.nan, 0.25],
        "ttft_p99": [np.nan] * 3,
    }
    for name, values in expected.items():
        assert found[name][:, 0] == pytest.approx(values, nan_ok=True), name
