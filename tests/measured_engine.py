"""A real engine log and the kernel timings of its GPU: what is in them, in one place.

vLLM 0.19.0 served 300 requests on one RTX PRO 6000 with Llama-3.1-8B, 128 of them at a time and
2,048 tokens a step. Times of steps come from tables of kernels, interpolated.
"""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measured import measured
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

LOG = "profiling/llmss_rtxpro6000_Llama-3.1-8B_requests.jsonl"
SERIES = "profiling/llmss_rtxpro6000_Llama-3.1-8B_timeseries.csv"
TIMES = "profiling/derived_rtxpro6000_Llama-3.1-8B_tau.csv"
TABLES = tuple(
    f"profiling/llmss_rtxpro6000_Llama-3.1-8B_tp1_{part}.csv"
    for part in ("attention", "dense", "per_sequence")
)

LAYERS = 32
TWICE = "layernorm"
ONCE = ("embedding", "final_layernorm")
"""Operators of the whole model; the others are in every layer, layer norms twice."""

NEIGHBOURS = 40


@dataclass(frozen=True)
class EngineLog:
    """The requests of the log, in the order they were queued; arrays of shape ``(requests,)``.

    Times are s since the first was queued; lengths tokens.
    """

    arrival: Floats
    prompt: Floats
    output: Floats
    first: Floats
    last: Floats

    def metrics(self, first: Floats, last: Floats) -> dict[str, float]:
        """Return makespan, mean time to first token and mean time per output token, s."""
        return {
            "makespan": float(last.max()),
            "ttft": float((first - self.arrival).mean()),
            "tpot": float(((last - first) / (self.output - 1)).mean()),
        }


def engine_log() -> EngineLog:
    """Return the log; skip the test where it is not there."""
    lines = measured(LOG)[0].read_text().splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["queued_ts"])
    start = rows[0]["queued_ts"]

    def column(name: str, origin: float = 0.0) -> Floats:
        return np.array([row[name] - origin for row in rows], float)

    return EngineLog(
        column("queued_ts", start),
        column("input_toks"),
        column("output_toks"),
        column("first_token_ts", start),
        column("last_token_ts", start),
    )


class KernelTables:
    """Times of steps, s, from the measured kernels of one GPU."""

    def __init__(self) -> None:
        attention, dense, sequences = measured(*TABLES)
        self._dense = _tables(dense, "tokens")
        self._sequences = _tables(sequences, "sequences")
        names = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us")
        rows = np.array([[float(row[name]) for name in names] for row in _rows(attention)])
        solo = rows[(rows[:, 0] == 0) & (rows[:, 2] > 0)]
        self._decode_only = _grid(solo[:, [2, 3, 4]])
        mixed, alone = rows[(rows[:, 0] > 0) & (rows[:, 2] > 0)], rows[rows[:, 2] == 0]
        self._mixed = _Neighbours(_place(*mixed[:, :4].T), np.log(mixed[:, 4]))
        self._alone = _Neighbours(_place(*alone[:, :4].T)[:, :2], np.log(alone[:, 4]))

    def step_time(self, chunk: int, prefix: float, decodes: int, context: float) -> float:
        """Return the time of a step: kernels of all layers, and the head of the model."""
        tokens = chunk + decodes
        layer = sum(
            (2 if name == TWICE else 1) * np.interp(tokens, *table)
            for name, table in self._dense.items()
            if name not in ONCE
        )
        once = sum(np.interp(tokens, *self._dense[name]) for name in ONCE)
        heads = decodes + (chunk > 0)
        head = sum(np.interp(heads, *table) for table in self._sequences.values())
        return float(LAYERS * (layer + self._attention(chunk, prefix, decodes, context)) + once
                     + head) * 1e-6  # fmt: skip

    def _attention(self, chunk: int, prefix: float, decodes: int, context: float) -> float:
        if chunk == 0:
            return float(self._decode_only([[decodes, context / decodes]])[0])
        if decodes == 0:
            return self._alone.at(_place(*_one(chunk, prefix, 0, 0))[0, :2])
        return self._mixed.at(_place(*_one(chunk, prefix, decodes, context / decodes))[0])


class _Neighbours:
    """A local straight line through the nearest measurements, in logarithms."""

    def __init__(self, places: Floats, values: Floats) -> None:
        self._places, self._values, self._tree = places, values, cKDTree(places)

    def at(self, place: Floats) -> float:
        distance, near = self._tree.query(place, NEIGHBOURS)
        weights = 1 / np.sqrt(distance**2 + 1e-4)
        design = np.column_stack([np.ones(len(near)), self._places[near] - place])
        values = self._values[near]
        found = np.linalg.lstsq(design * weights[:, None], values * weights, rcond=None)[0][0]
        return float(np.exp(np.clip(found, values.min(), values.max())))


def _one(*numbers: float) -> list[Floats]:
    return [np.array([float(number)]) for number in numbers]


def _place(chunk: Floats, prefix: Floats, decodes: Floats, context: Floats) -> Floats:
    return np.column_stack(
        [
            np.log(np.maximum(chunk, 1)),
            np.log(prefix + 256),
            np.log(decodes + 1),
            np.log(context + 64),
        ]
    )


def _grid(rows: Floats) -> RegularGridInterpolator:
    """Return what interpolates times over the number of decodes and the context of each."""
    decodes, contexts = np.unique(rows[:, 0]), np.unique(rows[:, 1])
    times = np.full((len(decodes), len(contexts)), np.nan)
    times[np.searchsorted(decodes, rows[:, 0]), np.searchsorted(contexts, rows[:, 1])] = rows[:, 2]
    for row in times:
        known = ~np.isnan(row)
        row[~known] = np.interp(contexts[~known], contexts[known], row[known])
    return RegularGridInterpolator((decodes, contexts), times, bounds_error=False, fill_value=None)


def _tables(path: Path, over: str) -> dict[str, tuple[Floats, Floats]]:
    found = defaultdict(list)
    for row in _rows(path):
        found[row["layer"]].append((float(row[over]), float(row["time_us"])))
    columns = {name: np.array(sorted(points)).T for name, points in found.items()}
    return {name: (each[0], each[1]) for name, each in columns.items()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
