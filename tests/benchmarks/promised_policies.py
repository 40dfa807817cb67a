"""Ten random instances with a binding promise: what each policy earns, and whether it keeps it.

The promises are those of `promised_clusters`: on the mean over the slots for Algorithm 11, on the
mean over the tokens for Algorithm 12. Each cell is simulated from the plan under the promise, which
every policy follows; the gap is to the best revenue under the promise, so that who breaks it may
earn more than all. A static ranking keeps the cap as well, but orders the marginal classes once and
for all: the one with the most output per prompt token first, or last.

    python tests/benchmarks/promised_policies.py

Figures go to `results/promised-policies-DATE.json`.
"""

import datetime
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from per_gpu_clusters import Case
from promised_clusters import NUMBERS, SEED, SHARE, Kind, Promised, promised, shown

from gnr import provenance
from gnr.validation.drawing_rule import RULE

SIZES = (20, 100)
LANES, GPU_SECONDS = 20, 60_000.0
CAPPED = "price-index-capped"
MOST_OUTPUT, LEAST_OUTPUT = "static ranking, most output first", "static ranking, least first"
POLICIES: dict[Kind, tuple[str, ...]] = {
    "mean_tpot": (CAPPED, MOST_OUTPUT, LEAST_OUTPUT, "price-index-fill", "sli-aware"),
    "token_tpot": ("price-index-token-mean", "price-index-fill", "sli-aware"),
}


def cluster_of(which: Promised, policy: str, gpus: int) -> Case:
    """Return the cluster of a policy, or of the capped one with a static ranking."""
    if policy not in (MOST_OUTPUT, LEAST_OUTPUT):
        return which.cluster(policy, gpus)
    capped = which.cluster(CAPPED, gpus)
    rules = capped.rules
    order = rules.offset if policy == MOST_OUTPUT else rules.crowded_offset
    return capped.with_rules(offset=order, crowded_offset=order)


def rows(which: Promised, number: int, kind: Kind) -> list[dict[str, Any]]:
    """Return the figures of one instance under every policy, in percent."""
    found = []
    for gpus in SIZES:
        for policy in POLICIES[kind]:
            cell = shown(which, cluster_of(which, policy, gpus), LANES, GPU_SECONDS / gpus)
            percent = {name: round(100 * value, 5) for name, value in vars(cell).items()}
            head = {"instance": f"random-{SEED}-{number}", "gpus": gpus, "policy": policy}
            found.append({**head, **percent, "kept": cell.kept})
    return found


def summary(found: list[dict[str, Any]], policy: str, gpus: int) -> dict[str, Any]:
    """Return mean and worst gap, and how many promises were kept."""
    mine = [each for each in found if (each["policy"], each["gpus"]) == (policy, gpus)]
    gaps = [each["gap"] for each in mine]
    return {
        "policy": policy,
        "gpus": gpus,
        "mean_gap": round(float(np.mean(gaps)), 3),
        "worst_gap": round(max(gaps), 3),
        "worst_excess_with_half_width": round(
            max(each["excess"] + each["excess_half_width"] for each in mine), 5
        ),
        "kept": f"{sum(each['kept'] for each in mine)} of {len(mine)}",
    }


def main() -> None:
    record = provenance.record("", time.perf_counter(), {})
    document: dict[str, Any] = {
        "machine": record.machine,
        "versions": {"gnr": record.version, **record.versions},
        "command": "python tests/benchmarks/promised_policies.py",
        "instances": f"numbers {NUMBERS.start} to {NUMBERS.stop - 1} of seed {SEED}: {RULE}",
        "share_left_by_the_promise": SHARE,
        "runs": f"{LANES} runs of {GPU_SECONDS:g} GPU-seconds, exponential lengths, from the plan",
        "unit": "percent",
    }
    for kind, policies in POLICIES.items():
        found = []
        for number in NUMBERS:
            which = promised(number, kind)
            cost = 100 * (1 - which.revenue_rate / float(which.free.revenue_rate or 0.0))
            here = rows(which, number, kind)
            found += [{**each, "cost_of_the_promise": round(cost, 2)} for each in here]
        summaries = [summary(found, policy, gpus) for gpus in SIZES for policy in policies]
        for each in summaries:
            print(kind, each)
        document[kind] = {"summary": summaries, "cells": found}
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    path = Path(__file__).with_name("results") / f"promised-policies-{today}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
