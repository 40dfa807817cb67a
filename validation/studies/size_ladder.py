"""Clusters around the one that was found: what other bounds of the promises would cost.

The search looks at few clusters that keep all promises but one. Where GPUs are split, each side is
varied by itself, for a promise depends on one of them in the first place and what it costs is GPUs
of that side; the other side stays as it was found.
"""

from collections.abc import Iterator

from gnr.validation.studies.size_search import Keeps, Vector
from gnr.validation.studies.trials import KIND_SIDES, LATENCY_SIDES, Side, Task

PREFILL_STEPS = (0.94, 0.97, 1.05, 1.15)
"""GPUs that prefill, or all where GPUs do both, as shares of those found: waits grow fast."""

DECODE_STEPS = (0.6, 0.75, 0.9, 1.05)
"""GPUs that only decode, as shares of those found: with few of them mixed GPUs do the rest."""


def ladder(task: Task, keeps: Keeps, centre: Vector) -> None:
    """Look at clusters somewhat smaller and larger than one, four for each side of it.

    Parameters
    ----------
    task
        What is sized.
    keeps
        Looks at a cluster and remembers what it saw.
    centre
        The cluster found; where none was, the one that the search began with.
    """
    for rung in _rungs(task, centre):
        keeps(rung)


def _rungs(task: Task, centre: Vector) -> Iterator[Vector]:
    for part in _parts(task):
        for step in (PREFILL_STEPS, DECODE_STEPS)[part]:
            value = round(step * centre[part])
            if value not in (0, centre[part]):
                yield (*centre[:part], value, *centre[part + 1 :])


def _parts(task: Task) -> list[int]:
    """Return the components of a cluster on which promises depend, those with GPUs of each side."""
    if not task.partitioned:
        return [0]
    either = tuple(Side)
    sides = [LATENCY_SIDES.get(each.latency) for each in task.percentiles]
    known = [KIND_SIDES.get(each.kind, either) for each in task.promises]
    needed = {each for some in known for each in some}
    needed |= {each for side in sides for each in (either if side is None else (side,))}
    return [part for part, side in enumerate(Side) if side in needed]
