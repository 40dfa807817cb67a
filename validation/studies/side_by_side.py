"""Many simulations: one after the other in this process, or cut and spread over workers."""

import time
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import NamedTuple

from gnr.plan import Plan
from gnr.simulation import Simulation
from gnr.spreading import spread, spreads
from gnr.validation.engines import Progress
from gnr.validation.replications import Windows
from gnr.validation.studies.blocks import Block, run_block
from gnr.validation.studies.cluster import Cluster
from gnr.validation.studies.simulation import Study


class Run(NamedTuple):
    """A simulation that is to be made."""

    study: Study
    """Of what, and how."""
    plan: Plan
    """For how many GPUs, and what the policy follows."""


def simulations(
    runs: Sequence[Run], progress: Progress | None = None
) -> Iterator[tuple[int, Simulation]]:
    """Yield the number of each run, from 0, and its result, as they are done.

    The results are the same wherever they are computed; they tell no events per second.

    Parameters
    ----------
    runs
        What to simulate. In this process they are done in order, and an interrupted one is yielded
        with what it has.
    progress
        Called now and then with the events simulated so far.
    """
    found = _side_by_side(runs, progress) if spreads() else _in_turn(runs, progress)
    for index, simulation in found:
        yield index, simulation.model_copy(update={"events_per_second": None})


def _in_turn(runs: Sequence[Run], progress: Progress | None) -> Iterator[tuple[int, Simulation]]:
    past = 0.0
    for index, run in enumerate(runs):
        found = run.study.run(run.plan, progress and continued(progress, past))
        past += found.events
        yield index, found


def continued(progress: Progress, past: float) -> Progress:
    """Return a progress that counts on from the `past` events of earlier simulations."""
    return lambda events: progress(past + events)


def _side_by_side(
    runs: Sequence[Run], progress: Progress | None
) -> Iterator[tuple[int, Simulation]]:
    """Yield the runs; those that need more replications for their precision come last."""
    clusters = [run.study.cluster(run.plan) for run in runs]
    pilots = [
        run.study.block(cluster, 0, run.study.setting.replications)
        for run, cluster in zip(runs, clusters, strict=True)
    ]
    imprecise: dict[int, tuple[Windows, int | None, Block]] = {}
    events = 0.0
    for index, windows in _gathered(pilots, progress):
        study, plan = runs[index]
        events += windows.events
        needed = study.needed(windows, plan.gpus)
        further = study.further(clusters[index], needed)
        if further is None:
            yield index, _result(runs[index], clusters[index], windows, needed)
        else:
            imprecise[index] = windows, needed, further
    places, told = list(imprecise), progress and continued(progress, events)
    for place, more in _gathered([imprecise[index][2] for index in places], told):
        index = places[place]
        windows, needed, _ = imprecise[index]
        yield index, _result(runs[index], clusters[index], windows.joined(more), needed)


def _result(run: Run, cluster: Cluster, windows: Windows, needed: int | None) -> Simulation:
    """Return the document of a run; as its wall time what its parts took together."""
    started = time.perf_counter() - windows.wall_time_s
    return run.study.result(run.plan, cluster, windows, needed, started)


def _gathered(blocks: Sequence[Block], progress: Progress | None) -> Iterator[tuple[int, Windows]]:
    """Yield the number and the windows of each block as soon as all that it is cut into is done."""
    cuts = [block.cut() for block in blocks]
    parts = [(index, part) for index, cut in enumerate(cuts) for part in cut]
    found: list[dict[int, Windows]] = [{} for _ in blocks]
    events = 0.0
    for place, windows in spread(run_block, [part for _, part in parts]):
        index, part = parts[place]
        found[index][part.first] = windows
        events += windows.events
        if progress is not None:
            progress(events)
        if len(found[index]) == len(cuts[index]):
            inner = found[index]
            yield index, reduce(Windows.joined, [inner.pop(each.first) for each in cuts[index]])
