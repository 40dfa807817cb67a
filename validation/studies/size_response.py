"""How many GPUs are needed in dependence on uncertain inputs.

n is taken to change in proportion to the size by square-root staffing, prefilling and other GPUs
each by itself. That size is computed for some draws of the inputs. For all others it is read off a
quadratic surface in what the staffing depends on: loads of the two stations, patience, and what
promises on first tokens leave for waiting. The surface also levels the steps from one whole GPU to
the next. Whether promises can be kept at all is computed exactly.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.latency_promise import LatencyPromise
from gnr.models.fewest_gpus import fewest_gpus
from gnr.rates import Rates, compute_rates, rates_of
from gnr.size_band import UncertainInput
from gnr.validation.studies.drawn_inputs import drawn, factors, instance_of
from gnr.validation.studies.first_guess import first_guess
from gnr.validation.studies.response_surface import Surface, fit_surface
from gnr.validation.studies.size_search import Vector
from gnr.validation.studies.trials import ABANDONMENT, Size, Task
from gnr.validation.studies.unhindered import spare

STAFFED, MOST_STAFFED = 24, 160
"""Draws for which the size is computed, for each input and once more, and at most in all: several
for each of the some 28 terms of a surface in six coordinates."""


ROUGH = 0.02
"""Relative error of the surface that is warned of."""


@dataclass(frozen=True)
class Response:
    """n in dependence on the inputs.

    Attributes
    ----------
    task
        What was sized.
    inputs
        What is uncertain.
    promises
        Promises on percentiles that this model can keep at the values sized for. Others are left
        out, as from first guesses: the simulation knows better.
    nominal
        The size by square-root staffing at these values.
    surface
        Logarithm of n in the coordinates of `_coordinates`.
    without_program
        Share of the other draws for which the fluid program has no answer.
    """

    task: Task
    inputs: tuple[UncertainInput, ...]
    promises: tuple[LatencyPromise, ...]
    nominal: Vector
    surface: Surface
    without_program: float

    def warnings(self) -> Iterator[str]:
        """Yield what speaks against the range."""
        if self.surface.error > ROUGH:
            yield (
                "the range is rough: sizes are read off a surface that is "
                f"{self.surface.error:.1%} off them"
            )
        if self.without_program > 0:
            yield (
                f"for {self.without_program:.1%} of the draws the linear program keeps its "
                "promises with no number of GPUs: the range is that of the others"
            )

    def sizes(self, drawn_factors: Floats) -> Floats:
        """Return n for factors of shape ``(draws, inputs)``, shape ``(draws,)``.

        It is infinite where no number of GPUs keeps the promises.
        """
        rates = compute_rates(**drawn(self.task.demanded, self.inputs, drawn_factors))
        sizes = np.exp(self.surface.at(_coordinates(self.task, self.promises, rates)))
        return np.where(_keepable(self.task, self.promises, rates), sizes, np.inf)


def response_of(task: Task, found: Size, inputs: Sequence[UncertainInput], seed: int) -> Response:
    """Return how n depends on the inputs, from draws around the cluster that was found."""
    here = rates_of(task.demanded)
    promises = tuple(each for each in task.percentiles if _keepable(task, (each,), here))
    nominal = _staffed(task, task.demanded)
    assert nominal is not None  # or no size had been found
    draws = min(STAFFED * (1 + len(inputs)), MOST_STAFFED)
    tried = np.vstack([np.ones(len(inputs)), factors(inputs, draws, seed + 1)])
    parameters = drawn(task.demanded, inputs, tried)
    rates = compute_rates(**parameters)
    keepable = np.flatnonzero(_keepable(task, promises, rates))
    staffed = {
        draw: _staffed(task, instance_of(task.demanded, parameters, draw))
        for draw in keepable.tolist()
    }
    known = {draw: vector for draw, vector in staffed.items() if vector is not None}
    values = [math.log(_in_proportion(found, vector, nominal)) for vector in known.values()]
    points = _coordinates(task, promises, rates)[list(known)]
    return Response(
        task,
        tuple(inputs),
        promises,
        nominal,
        fit_surface(points, np.array(values)),
        without_program=1 - len(known) / len(staffed),
    )


def _staffed(task: Task, demanded: Instance) -> Vector | None:
    """Return the size by square-root staffing; None where the fluid program has no answer."""
    fluid = None
    if not task.partitioned or any(each.kind != ABANDONMENT for each in task.promises):
        fluid = fewest_gpus(demanded, task.promises, disaggregated=task.policy.disaggregated)
        if fluid is None:
            return None
    return first_guess(replace(task, demanded=demanded), fluid)


def _in_proportion(found: Size, staffed: Vector, nominal: Vector) -> float:
    """Return n, each part of the cluster found changed as the same part of the staffing."""
    return math.fsum(
        part * now / before for part, now, before in zip(found.parts, staffed, nominal, strict=True)
    )


def _keepable(task: Task, promises: Sequence[LatencyPromise], rates: Rates) -> NDArray[np.bool_]:
    """Return whether the promises could be kept if nobody waited, shape ``(...)``."""
    names = [each.name for each in task.demanded.classes]
    spares = [spare(rates, each, names) > 0 for each in promises]
    return np.asarray(np.all([np.ones(rates.prefill.shape[:-1], bool), *spares], axis=0))


def _coordinates(task: Task, promises: Sequence[LatencyPromise], rates: Rates) -> Floats:
    """Return what the staffing depends on, in logarithms, shape ``(..., coordinates)``."""
    names = [each.name for each in task.demanded.classes]
    arrivals = rates.arrival_rate
    total = arrivals.sum(axis=-1)
    numbers = [
        (arrivals / rates.prefill).sum(axis=-1),
        (arrivals / rates.solo_decode).sum(axis=-1),
        total,
        np.broadcast_to(rates.speed_ratio, rates.prefill.shape)[..., 0],
        (arrivals * rates.patience_rate).sum(axis=-1) / total,
        *(spare(rates, each, names) for each in promises if each.latency == "ttft"),
    ]
    return np.asarray(np.log(np.maximum(np.stack(numbers, axis=-1), np.finfo(float).tiny)))
