"""Every policy on random instances of every kind that a recommendation tells apart.

Run k of every policy meets the same arrivals, lengths and patience. What a run leaves of the
optimum is taken apart by (D11). The flow errors, what a finite run happens to add or lack, have
mean 0 and are left out: the gap is the sum of the other terms, which is far less noisy. Under
promises the optimum is the best plan that keeps them; its own terms, the price of the promises,
are subtracted, so that a policy that breaks them can have a gap below 0.

    NUMBA_NUM_THREADS=1 python tests/benchmarks/recommendation_runs.py [KEPT]

Some twenty minutes on one core. Figures go to `results/recommendation-DATE.json`, and what `gnr
solve --gpus` reads of them to `models/recommendation.json`. With KEPT, a file of earlier figures,
only policies are simulated that it does not have: so a new policy joins the old ones.
"""

import datetime
import json
import sys
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from drawn_kinds import PROMISES, RULE, drawn_of_kind, point_of
from per_gpu_clusters import case

from gnr import provenance
from gnr.arrays import Floats
from gnr.errors import InputError
from gnr.instance import Instance
from gnr.models.lost_revenue import explain_gap
from gnr.models.point import Point
from gnr.models.promises import promises_of
from gnr.models.situation import figures_of
from gnr.models.steady_state import PROGRAMS
from gnr.plan import Occupancy
from gnr.rates import rates_of
from gnr.recommendation import Kind
from gnr.result import Solution
from gnr.validation.fluid import slowest_time_constant
from gnr.validation.measures import REVENUE
from gnr.validation.policies import POLICIES
from gnr.validation.statistics import interval
from gnr.validation.studies.optima import planning_optimum, target_optimum
from gnr.validation.studies.tabulating import tabulate

SEED, SIZES = 4, (5, 20, 100, 500)
INSTANCES, PROMISED_INSTANCES = range(24), range(12)

SHARED = (
    "gate-and-route", "gate-immediate", "gate-prefill-first", "fcfs-immediate",
    "price-index-in-place", "price-index-fill",
)  # fmt: skip
PROMISING = ("sli-aware", "sli-aware-general", "price-index-fill")
CANDIDATES: dict[Kind, tuple[str, ...]] = {
    **dict.fromkeys(get_args(Kind), (*SHARED, "disaggregated")),
    "light": ("prioritize-and-route", *SHARED, "disaggregated"),
    "separate_prefill": ("prioritize-and-route", "sli-aware-general", *SHARED),
    "separate_decode": ("prioritize-and-route", "sli-aware-general", *SHARED),
    "mean_tpot": ("price-index-capped", *PROMISING),
    "token_tpot": ("price-index-token-mean", *PROMISING),
    "other_promises": PROMISING,
}
"""Policies by kind. A new one is added here; then run again, with the kept file."""

MOST_ARRIVALS = 400.0
"""Arrivals per GPU in the slowest time constant; an instance with more would take too long."""
WARMUP, SHORTEST = 2.0, 3.0
"""Slowest time constants from the plan that are thrown away, and that are measured at least."""
GPU_CONSTANTS = 600.0
"""GPUs times slowest time constants that are measured, in all lanes of a run together."""
PROMISED_LANES = 4
"""Under promises, so that whether they are kept has an interval; else one run is enough."""


@cache
def planned(instance: Instance, policy: str) -> Solution:
    """Return the optimum that a policy plans by."""
    return planning_optimum(instance, POLICIES[policy])


def fits(policies: Sequence[str], instance: Instance) -> bool:
    """Tell whether every policy has a plan that it can follow, and runs are short enough."""
    rates = rates_of(instance)
    clocks = (rates.patience_rate, rates.prefill, rates.mixed_decode, rates.solo_decode)
    if rates.arrival_rate.sum() / np.min(clocks) > MOST_ARRIVALS:
        return False
    try:
        for policy in policies:
            POLICIES[policy].check(planned(instance, policy).plan(SIZES[-1]))
    except InputError:
        return False
    return True


def simulated(solution: Solution, policy: str, gpus: int) -> tuple[list[Point], Floats]:
    """Return the averages of each run, and its revenue, money/s per GPU."""
    instance = solution.instance
    lanes = PROMISED_LANES if instance.slis else 1
    cluster = case(instance, policy, gpus, plan=planned(instance, policy).plan(gpus))
    constant = slowest_time_constant(cluster.chain)
    seconds = constant * max(SHORTEST, GPU_CONSTANTS / gpus / lanes)
    found = cluster.measured(
        cluster.window(lanes, WARMUP * constant, seconds, seed=SEED, planned=True)
    )
    fields = Occupancy.model_fields
    points = [
        Point(**{field: getattr(found, field)[:, lane] for field in fields})
        for lane in range(lanes)
    ]
    return points, REVENUE[solution.scheme](found, cluster.rates)


def figures(solution: Solution, free: Solution, policy: str, gpus: int) -> dict[str, float]:
    """Return what one policy leaves on one instance, shares of the optimum, and what is kept."""
    points, revenue = simulated(solution, policy, gpus)
    pairs = zip(points, map(float, revenue), strict=True)
    rows = [explain_gap(free, point, earned) for point, earned in pairs]
    price, optimum = price_of_promises(solution, free), float(solution.revenue_rate or 0.0)
    shares = {
        name: (float(np.mean([row[name] for row in rows])) - price[name]) / optimum
        for name in price
    }
    return {name: round(each, 7) for name, each in (shares | excess(solution, points)).items()}


def price_of_promises(solution: Solution, free: Solution) -> dict[str, float]:
    """Return the terms of (D11) of the plan itself, money/s per GPU; all 0 without promises."""
    point, weigh = point_of(solution), PROGRAMS[free.scheme][1]
    rates = rates_of(solution.instance)
    return explain_gap(free, point, weigh(rates).revenue(rates, point))


def excess(solution: Solution, points: Sequence[Point]) -> dict[str, float]:
    """Return by which share of its bound the promise is broken, with interval; empty if none."""
    if not solution.instance.slis:
        return {}
    (promise,) = promises_of(solution.instance, rates_of(solution.instance))
    shares = [promise.excess(promise.value(point)) / promise.bound for point in points]
    found = interval(shares)
    return {"excess": found.mean, "excess_half_width": found.half_width}


def columns(rows: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return figures by name, a number for each instance."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def added(kind: Kind, earlier: dict[str, Any] | None) -> dict[str, Any]:
    """Return the figures of one kind, the `earlier` ones and those of policies they lack."""
    policies = CANDIDATES[kind]
    numbers = PROMISED_INSTANCES if kind in PROMISES else INSTANCES
    solutions = [drawn_of_kind(kind, SEED, number, partial(fits, policies)) for number in numbers]
    instances = [
        {
            "number": number,
            "sha256": one.instance.sha256(),
            "figures": figures_of(one),
            "promises": [each.kind for each in one.instance.slis],
        }
        for number, one in zip(numbers, solutions, strict=True)
    ]
    if earlier is not None and earlier["instances"] != instances:
        raise ValueError(f"{kind}: the instances are not those of the kept file")
    cells = [] if earlier is None else list(earlier["cells"])
    known = {each["policy"] for each in cells}
    frees = [target_optimum(each.instance, each.scheme) for each in solutions]
    for gpus in SIZES:
        for policy in policies:
            if policy in known:
                continue
            pairs = zip(solutions, frees, strict=True)
            found = columns([figures(one, free, policy, gpus) for one, free in pairs])
            cells.append({"gpus": gpus, "policy": policy, **found})
    return {"kind": kind, "instances": instances, "cells": cells}


def main(kept: Path | None) -> None:
    """Simulate what is missing and write figures and table."""
    started = time.perf_counter()
    earlier = {"made": [], "kinds": []} if kept is None else json.loads(kept.read_text())
    by_kind = {each["kind"]: each for each in earlier["kinds"]}
    kinds = []
    for kind in get_args(Kind):
        kinds.append(added(kind, by_kind.get(kind)))
        print(f"{kind}: {time.perf_counter() - started:.0f} s", flush=True)
    record = provenance.record(None, started, {}, seed=SEED)
    made = {
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "machine": record.machine,
        "versions": {"gnr": record.version, **record.versions},
        "seconds": round(record.wall_time_s),
    }
    document = {
        "command": "python tests/benchmarks/recommendation_runs.py",
        "made": [*earlier["made"], made],
        "seed": SEED,
        "rule": RULE,
        "runs": f"exponential lengths, from the plan; {WARMUP:g} slowest time constants are thrown "
        f"away and {GPU_CONSTANTS:g} over n measured, {SHORTEST:g} at least; at most "
        f"{MOST_ARRIVALS:g} arrivals per GPU in one",
        "unit": "share of the optimum, under promises of the best plan that keeps them",
        "kinds": kinds,
    }
    path = Path(__file__).with_name("results") / f"recommendation-{made['date']}.json"
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    write_table(document, path.name)


def write_table(document: dict[str, Any], source: str) -> None:
    """Write what `gnr solve` reads of the figures, a policy a line."""
    path = Path(__file__).parents[2] / "models" / "recommendation.json"
    text = tabulate(document, source).model_dump_json()
    path.write_text(text.replace('{"policy"', '\n{"policy"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
