"""Finite plans on 20 random instances and the base one, against both roundings of n x.

Each plan of gate-and-route-backpressure (`gnr.plan_for_size`) meets plain gate-and-route and itself
with n x rounded up and down, per GPU, on the same random numbers, none of which a plan was made
with. All comparisons are corrected together (Holm) at a third of the level; those that are
undecided get four times the runs with fresh numbers and another third, then ten times as many.

    python tests/benchmarks/finite_planning.py

Figures go to `results/finite-planning-DATE.json`. Seeds and thresholds were fixed before the first
run, the third stage after it, when 6 of 228 comparisons were undecided and none worse.
"""

import datetime
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from planned_sizes import LET_PASS, Cell, Duel, cell, verdicts

from gnr import provenance
from gnr.arrays import Floats
from gnr.reading import load
from gnr.validation.drawing_rule import RULE, drawn_instance
from gnr.validation.statistics import Interval

SEED, COUNT = 20261123, 20
"""Of the instances."""

BASE, SIZES = "two-class", (5, 20, 100)
STAGES = ((7, 16), (8, 64), (9, 640))
"""Seed and runs of each stage."""

GPU_SECONDS, ALPHA = 20_000.0, 0.05


def stage(
    number: int, cells: list[Cell], wanted: list[Duel]
) -> dict[Duel, tuple[str, Interval, Floats]]:
    """Return the verdicts of one stage."""
    seed, lanes = STAGES[number]
    samples: dict[Duel, Floats] = {}
    for each in cells:
        mine = [duel for duel in each.duels if duel in wanted]
        if mine:
            found = each.differences(mine, seed=seed, lanes=lanes, gpu_seconds=GPU_SECONDS)
            samples |= dict(zip(mine, found, strict=True))
            shown = [f"{100 * np.mean(values):.2f}" for values in found]
            print(number, mine[0].instance, mine[0].gpus, mine[0].mixed_gpus, shown, flush=True)
    duels = list(samples)
    found_out = verdicts(duels, [samples[duel] for duel in duels], ALPHA / len(STAGES))
    return {duel: (*out, samples[duel]) for duel, out in zip(duels, found_out, strict=True)}


def row(duel: Duel, number: int, out: tuple[str, Interval, Floats]) -> dict[str, Any]:
    """Return the figures of a duel, in percent of the LP value."""
    told, interval, samples = out
    return {
        **vars(duel),
        "stage": number + 1,
        "runs": len(samples),
        "difference": round(100 * interval.mean, 4),
        "half_width": round(100 * interval.half_width, 4),
        "confidence": interval.confidence,
        "verdict": told,
    }


def main() -> None:
    began = time.perf_counter()
    instances = [load(BASE), *(drawn_instance(SEED, number) for number in range(COUNT))]
    cells = []
    for instance in instances:
        for gpus in SIZES:
            cells.append(cell(instance, gpus))
            duel = cells[-1].duels[0]
            print("planned", duel.instance, gpus, duel.mixed_gpus, duel.settled, flush=True)
    planned = time.perf_counter() - began
    rows: dict[Duel, dict[str, Any]] = {}
    wanted = [duel for each in cells for duel in each.duels]
    for number in range(len(STAGES)):
        found = stage(number, cells, wanted)
        rows |= {duel: row(duel, number, out) for duel, out in found.items()}
        wanted = [duel for duel, out in found.items() if out[0] == "undecided"]
        if not wanted:
            break
    write(list(rows.values()), planned, time.perf_counter() - began)


def write(rows: list[dict[str, Any]], planned: float, total: float) -> None:
    record = provenance.record("", time.perf_counter(), {})
    counts = {
        f"{where}, {gpus} GPUs, {rival}": dict(
            Counter(
                each["verdict"]
                for each in rows
                if (each["gpus"], each["rival"]) == (gpus, rival)
                and (each["instance"] == BASE) == (where == BASE)
            )
        )
        for where in (BASE, "random")
        for gpus in SIZES
        for rival in dict.fromkeys(each["rival"] for each in rows)
    }
    document = {
        "machine": record.machine,
        "versions": {"gnr": record.version, **record.versions},
        "command": "python tests/benchmarks/finite_planning.py",
        "instances": f"{BASE}; numbers 0 to {COUNT - 1} of seed {SEED}: {RULE}",
        "stages": [{"seed": seed, "runs": lanes} for seed, lanes in STAGES],
        "let_pass": 100 * LET_PASS,
        "alpha": ALPHA,
        "unit": "percent of the LP value",
        "seconds": {"planning": round(planned, 1), "all": round(total, 1)},
        "summary": counts,
        "cells": rows,
    }
    for name, each in counts.items():
        print(name, each)
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    path = Path(__file__).with_name("results") / f"finite-planning-{today}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
