"""Random raw instances with promises, loose and tight, of all kinds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gnr.models.fair_shares import fair_shares
from gnr.models.point import Point
from gnr.models.steady_state import solve
from gnr.plan import Occupancy
from gnr.rates import rates_of
from gnr.reading import build
from gnr.slis import INDICATORS
from gnr.slis.indicator import Scope
from random_instances import REGIMES, random_data

KINDS = list(INDICATORS)

Case = tuple[dict[str, Any], dict[str, bool]]
"""A raw instance, and what else `solve` is to demand."""


def random_promises(
    count: int, seed: int, promises: int = 1, kinds: Sequence[str] = KINDS
) -> Iterator[Case]:
    """Yield raw instances with so many promises each, their kinds in turn."""
    rng = np.random.default_rng(seed)
    for k in range(count):
        data = random_data(
            rng,
            classes=int(rng.integers(1, 5)),
            regime=REGIMES[int(rng.integers(3))],
            scheme=("bundled", "separate")[k % 2],
            patient=(0.0, 0.0, 0.4)[int(rng.integers(3))],
            twins=bool(rng.integers(2)),
        )
        chosen = [kinds[(k * promises + j) % len(kinds)] for j in range(promises)]
        slis = [_promise(rng, kind, now) for kind, now in _attained(data, chosen).items() if now]
        yield data | {"slis": slis}, {"disaggregated": bool(rng.random() < 0.2)}


def _attained(data: dict[str, Any], kinds: list[str]) -> dict[str, dict[str, float]]:
    """Return what the best plan without promises attains, by class and by "" for the cluster.

    Only where the indicator has a meaning.
    """
    instance = build(data, "random")
    solution, rates = solve(instance), rates_of(instance)
    if solution.status != "optimal":
        return {}
    fields = Occupancy.model_fields
    point = Point(*(np.array([getattr(each, f) for each in solution.classes]) for f in fields))
    found: dict[str, dict[str, float]] = {}
    for kind in kinds:
        indicator = INDICATORS[kind]
        owners: dict[str, int | None] = {"": None} if "cluster" in indicator.scopes else {}
        if "class" in indicator.scopes:
            owners |= {each.name: i for i, each in enumerate(instance.classes)}
        scopes = {name: Scope(rates, owner, fair_shares(rates)) for name, owner in owners.items()}
        found[kind] = {
            name: float(np.nan_to_num(indicator.at(scope, point)))
            for name, scope in scopes.items()
            if not indicator.needs_patience or scope.impatient == scope.classes
        }
    return found


def _promise(rng: np.random.Generator, kind: str, now: Mapping[str, float]) -> dict[str, Any]:
    """Return an entry of ``[[slis]]``, near what is attained `now`.

    The bound is loose or tight; exactly there, rounding would decide whether it can be kept.
    """
    indicator, owner = INDICATORS[kind], str(rng.choice(list(now)))
    direction = str(rng.choice(indicator.directions))
    near = [0.6, 0.9, 0.97, 1.1] if direction == "at_most" else [0.5, 0.9, 1.02, 1.1]
    bound = (now[owner] or 0.1) * float(rng.choice(near))
    entry = {"kind": kind, direction: min(max(bound, indicator.lowest), indicator.highest)}
    if owner:
        entry["class"] = owner
    if rng.random() < 0.3:
        entry["name"] = f"promise of {kind}"
    return entry
